"""Names of the World's switches that an actor obeys and the control plane sets, but for characters (`character`)."""

from __future__ import annotations


def resend_switch(slug: str) -> str:
    """An editor sends again what the SAS core refused, each time that the value of this switch is a new one."""
    return f"r03:{slug}:resend"

"""Names of switches of the World, which the control plane sets and a role reads (those of editors: `character`)."""

from __future__ import annotations


def resend_switch(slug: str) -> str:
    """The switch of an editor: with each new value it sends again the appointments that the SAS core refused."""
    return f"r03:{slug}:resend"

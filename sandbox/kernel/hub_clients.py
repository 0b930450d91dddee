"""Clients of the hub that were added while it runs, as switches of the World.

hub:client:<client id>     name of the software behind it, may be empty
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PREFIX = "hub:client:"
_ID = re.compile(r"fr\.health(\.[A-Za-z0-9-]{1,40}){1,4}")
LONGEST_NAME = 80


def usable_client_id(text: str) -> bool:
    """Can this be the id of a client of the health domain?

    >>> usable_client_id("fr.health.samu750"), usable_client_id("fr.fire.nexsis")
    (True, False)
    """
    return _ID.fullmatch(text) is not None


def switch_of(client_id: str) -> str:
    """The switch that says that there is such a client."""
    return _PREFIX + client_id


def added_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """Name of the software by client id."""
    return {key.removeprefix(_PREFIX): value for key, value in switches.items() if key.startswith(_PREFIX)}

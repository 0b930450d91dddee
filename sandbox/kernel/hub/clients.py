"""Clients of the hub: its own id as one, and those that were added while it runs, or are taken away again, as
switches of the World.

hub:client:<client id>     name of the software behind it, may be empty
hub:format:<client id>     `xml`: it receives XML; there is none for those that receive JSON
hub:leaving:<client id>    a word that is new each time: its queues are to go, and the hub tells under it how that went
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HUB_ID = "fr.health.hub"  # the hub's own, from which its reports come
RESERVED = (HUB_ID,)

_PREFIX, _LEAVING, _FORMAT = "hub:client:", "hub:leaving:", "hub:format:"
_ID = re.compile(r"fr\.health(\.[A-Za-z0-9-]{1,40}){1,4}")
LONGEST_NAME = 80


def usable_client_id(text: str) -> bool:
    """Can this be the id of a client of the health domain, and not of the hub itself?

    >>> usable_client_id("fr.health.samu750"), usable_client_id("fr.fire.nexsis")
    (True, False)
    """
    return _ID.fullmatch(text) is not None and text.lower() not in RESERVED


def why_not(text: str) -> str:
    """What is wrong with an id that is not usable, as the end of a sentence."""
    if text.lower() in RESERVED:
        return f"'{text}' belongs to the hub itself"
    return f"{text!r} is no client id (expected fr.health.<name>)"


def switch_of(client_id: str) -> str:
    """The switch that says that there is such a client."""
    return _PREFIX + client_id


def format_switch(client_id: str) -> str:
    """The switch that says in which form this client receives messages."""
    return _FORMAT + client_id


def leaving_switch(client_id: str) -> str:
    """The switch that says that this client is to be taken away."""
    return _LEAVING + client_id


def leaving_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """The word by client id."""
    return {key.removeprefix(_LEAVING): value for key, value in switches.items() if key.startswith(_LEAVING)}


def added_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """Name of the software by client id."""
    return {key.removeprefix(_PREFIX): value for key, value in switches.items() if key.startswith(_PREFIX)}


def added_xml_clients(switches: Mapping[str, str]) -> frozenset[str]:
    """Those of the added clients that receive XML."""
    return frozenset(
        key.removeprefix(_FORMAT) for key, value in switches.items() if key.startswith(_FORMAT) and value == "xml"
    )

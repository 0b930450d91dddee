"""Clients of the hub: which ids are usable, and the switches of the World by which clients are added and removed while
it runs.

hub:client:<client id>     name of the software behind it, may be empty
hub:format:<client id>     `xml`: it receives XML; absent for those that receive JSON
hub:leaving:<client id>    its queues are to be deleted; the value is new each time, and names the hub's report of it
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
    """True for an id that a client of the health domain may have; the hub's own is none.

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
    """The switch that adds this client."""
    return _PREFIX + client_id


def format_switch(client_id: str) -> str:
    """The switch with the form in which this client receives messages."""
    return _FORMAT + client_id


def leaving_switch(client_id: str) -> str:
    """The switch that removes this client."""
    return _LEAVING + client_id


def leaving_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """The clients to be removed: the value of the switch by client id."""
    return {key.removeprefix(_LEAVING): value for key, value in switches.items() if key.startswith(_LEAVING)}


def added_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """Name of the software by client id."""
    return {key.removeprefix(_PREFIX): value for key, value in switches.items() if key.startswith(_PREFIX)}


def added_xml_clients(switches: Mapping[str, str]) -> frozenset[str]:
    """Those of the added clients that receive XML."""
    return frozenset(
        key.removeprefix(_FORMAT) for key, value in switches.items() if key.startswith(_FORMAT) and value == "xml"
    )

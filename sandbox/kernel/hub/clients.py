"""Clients of the hub: the hub's own id, usable ids, and the switches of the World for clients that are added or removed
while the hub runs.

hub:client:<client id>     name of the software behind the client, may be empty
hub:format:<client id>     `xml`: the client receives XML; clients that receive JSON have no such switch
hub:leaving:<client id>    the client is to be removed; the value is a random word, new for each removal, by which the
                           hub's report names the removal
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
    """Whether this can be the id of a client of the health domain, and is not that of the hub itself.

    >>> usable_client_id("fr.health.samu750"), usable_client_id("fr.fire.nexsis")
    (True, False)
    """
    return _ID.fullmatch(text) is not None and text.lower() not in RESERVED


def why_not(text: str) -> str:
    """Why an id is not usable, as the end of a sentence."""
    if text.lower() in RESERVED:
        return f"'{text}' belongs to the hub itself"
    return f"{text!r} is no client id (expected fr.health.<name>)"


def switch_of(client_id: str) -> str:
    """Name of the switch by which this client exists."""
    return _PREFIX + client_id


def format_switch(client_id: str) -> str:
    """Name of the switch for the form in which this client receives messages."""
    return _FORMAT + client_id


def leaving_switch(client_id: str) -> str:
    """Name of the switch by which this client is to be removed."""
    return _LEAVING + client_id


def leaving_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """The word of each wanted removal, by client id."""
    return {key.removeprefix(_LEAVING): value for key, value in switches.items() if key.startswith(_LEAVING)}


def added_clients(switches: Mapping[str, str]) -> dict[str, str]:
    """Name of the software of each added client, by client id."""
    return {key.removeprefix(_PREFIX): value for key, value in switches.items() if key.startswith(_PREFIX)}


def added_xml_clients(switches: Mapping[str, str]) -> frozenset[str]:
    """Ids of the added clients that receive XML."""
    return frozenset(
        key.removeprefix(_FORMAT) for key, value in switches.items() if key.startswith(_FORMAT) and value == "xml"
    )

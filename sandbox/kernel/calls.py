"""Which LRMs may open a search and which editors are asked for slots, as switches of the World (without a switch, all);
and when an editor calls again.

lrm:<hub client id>:contextual_call     `off`: this LRM may not open a search (INT_L01)
interface:<editor's slug>               `off`: the SAS core asks this editor for no slots
r03:<editor's slug>:resend              a new value: the editor sends again what was refused
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kernel.model import Territory

# ANS's own simulator of an LRM: it calls with this origin and belongs to no territory.
SIMULATOR = Territory("", "Simulateur de LRM de l'ANS", "", "TEST-SAMU000", "TEST-SAMU000")

_OFF = "off"
_INTERFACE = "interface:"


def _key(client_id: str) -> str:
    return f"lrm:{client_id}:contextual_call"


def may_call(client_id: str, switches: Mapping[str, str]) -> bool:
    """True when the LRM of that client id may open a search."""
    return switches.get(_key(client_id)) != _OFF


def with_calls(switches: Mapping[str, str], client_id: str, allowed: bool) -> dict[str, str]:
    """The same switches, but for whether this LRM may open a search."""
    return _switched(switches, _key(client_id), allowed)


def disabled_editors(switches: Mapping[str, str]) -> frozenset[str]:
    """Slugs of the editors that are asked for no slots."""
    off = (key for key, value in switches.items() if key.startswith(_INTERFACE) and value == _OFF)
    return frozenset(key.removeprefix(_INTERFACE) for key in off)


def with_interface(switches: Mapping[str, str], slug: str, enabled: bool) -> dict[str, str]:
    """The same switches, but for whether this editor is asked for slots."""
    return _switched(switches, _INTERFACE + slug, enabled)


def _switched(switches: Mapping[str, str], switch: str, on: bool) -> dict[str, str]:
    others = {key: value for key, value in switches.items() if key != switch}
    return others if on else {**others, switch: _OFF}


def resend_switch(slug: str) -> str:
    """The switch of an editor: with each new value it sends again the appointments that the SAS core refused."""
    return f"r03:{slug}:resend"

"""Which LRMs may open a search by a contextual call (INT_L01), as switches of the World.

lrm:<hub client id>:contextual_call     `off`; absent, it may
"""

from __future__ import annotations

from collections.abc import Mapping


def _key(client_id: str) -> str:
    return f"lrm:{client_id}:contextual_call"


def may_call(client_id: str, switches: Mapping[str, str]) -> bool:
    """May the LRM of that client id call."""
    return switches.get(_key(client_id)) != "off"


def with_calls(switches: Mapping[str, str], client_id: str, allowed: bool) -> dict[str, str]:
    """The switches of a World in which this LRM may call, or may not; everything else as it was."""
    others = {key: value for key, value in switches.items() if key != _key(client_id)}
    return others if allowed else {**others, _key(client_id): "off"}

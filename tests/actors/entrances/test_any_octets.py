"""Any octets, at every place that reads from outside, get an answer that describes the problem, and do not affect
others."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.actors.entrances.conftest import Reached
from tests.support.inputs.entrances import ENTRANCES
from tests.support.inputs.seeds import octets, seeds

MANY, FEW = 60, 15  # examples: a search asks three editors
UNREADABLE = [b"", b"{", b"\xff", b'{"a":"\xe9"}', b'{"a":1e99999}', b'{"a":' + b"9" * 400 + b"}", b"[" * 2000]


@pytest.mark.parametrize("name", ENTRANCES)
def test_any_octets_are_taken_or_refused(reached: Reached, name: str) -> None:
    right, entrance = seeds(reached.town)[name], reached.town.entrances[name]

    @settings(
        max_examples=FEW if name.startswith("editor's answer") else MANY,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(octets(right))
    def tried(sent: bytes) -> None:
        reached.run(entrance(sent))

    tried()


@pytest.mark.parametrize(
    "name",
    [
        *("INT_R03", "INT_R02", "api/login", "api/regulators", "api/agenda/slots", "api/agenda/closures", "psc/people"),
        *("__admin/faults", "__admin/clock"),
    ],
)
@pytest.mark.parametrize("body", UNREADABLE)
def test_what_is_no_json_is_400(reached: Reached, name: str, body: bytes) -> None:
    assert reached.run(reached.town.status(name, body)) == 400


@pytest.mark.parametrize("name", ["INT_R03", "INT_R02"])
@given(at=st.integers(0, 5))
@settings(suppress_health_check=list(HealthCheck), max_examples=6, database=None)
def test_a_name_that_is_used_twice_is_400(reached: Reached, name: str, at: int) -> None:
    (body,) = seeds(reached.town)[name]
    places = [place for place, octet in enumerate(body) if octet == ord("{")]
    place = places[at % len(places)] + 1
    name_of = body[place : body.index(b":", place)]
    twice = body[:place] + name_of + b":null," + body[place:]
    assert reached.run(reached.town.status(name, twice)) == 400


@pytest.mark.parametrize("name", ENTRANCES)
def test_what_is_right_is_taken(reached: Reached, name: str) -> None:
    """Otherwise the other tests would change inputs that are refused anyway."""
    for right in seeds(reached.town)[name]:
        reached.run(reached.town.entrances[name](right))
    if name in ("INT_R03", "INT_R02", "api/login", "psc/people", "__admin/faults", "__admin/clock"):
        assert reached.run(reached.town.status(name, seeds(reached.town)[name][-1])) in (200, 201, 204, 409, 429)

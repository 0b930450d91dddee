"""Faults: what is a valid one, what each kind does, which one applies."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import KINDS, validate_fault
from sandbox.faults.edge.active import Applied, RequestFaults
from sandbox.faults.edge.effects import RequestEffect
from sandbox.faults.edge.latency import Latency
from sandbox.kernel.character import Character, Delay, switches_of
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import Flow
from sandbox.kernel.world import Fault, World

CHANCE = seeded(1).chance
AZUR = "editor:agenda-azur"


def fault(identity: str = "f1", kind: str = "latency", **fields: Any) -> Fault:
    params = {"latency": {"ms": 100}, "status": {"code": 503}}.get(kind, {})
    return Fault(**{"id": identity, "kind": kind, "target": AZUR, "params": params, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"params": {"ms": 0}},
        {"params": {"ms": 100.5, "jitter_ms": 20}},
        {"kind": "status", "params": {"code": 400}},
        {"flow": "INT_R01"},
        {"probability": 0.001, "count": 1},
        {"target": "sas"},
        {"target": "lrm:fr.health.samu330"},
    ],
)
def test_usable_fault_is_accepted(fields: dict[str, Any]) -> None:
    validate_fault(fault(**fields))


@pytest.mark.parametrize(
    ("fields", "status", "expression"),
    [
        ({"kind": "earthquake"}, 422, "faults.kind"),
        ({"target": "nobody"}, 422, "faults.target"),
        ({"target": "editor:"}, 422, "faults.target"),
        ({"flow": "INT_R99"}, 422, "faults.flow"),
        ({"probability": 0}, 422, "faults.probability"),
        ({"probability": 1.1}, 422, "faults.probability"),
        ({"probability": float("nan")}, 422, "faults.probability"),
        ({"count": 0}, 422, "faults.count"),
        ({"params": {}}, 400, "faults.params.ms"),
        ({"params": {"ms": "100"}}, 400, "faults.params.ms"),
        ({"params": {"ms": True}}, 400, "faults.params.ms"),
        ({"params": {"ms": -1}}, 422, "faults.params.ms"),
        ({"params": {"ms": float("nan")}}, 422, "faults.params.ms"),
        ({"params": {"ms": 1, "jitter_ms": 1e9}}, 422, "faults.params.jitter_ms"),
        ({"params": {"ms": 1, "code": 503}}, 400, "faults.params.code"),
        ({"kind": "status", "params": {}}, 400, "faults.params.code"),
        ({"kind": "status", "params": {"code": 200}}, 422, "faults.params.code"),
        ({"kind": "status", "params": {"code": 503.5}}, 422, "faults.params.code"),
    ],
)
def test_unusable_fault_is_refused_and_its_culprit_named(fields: dict[str, Any], status: int, expression: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate_fault(fault(**fields))
    assert caught.value.status == status
    assert caught.value.issues[0].expression == expression


def test_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(RequestError, match=", ".join(KINDS)):
        validate_fault(fault(kind="earthquake"))


def test_every_kind_explains_its_parameters() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert all(text for kind in KINDS.values() for text in kind.texts().values())


def test_latency_spreads_evenly_around_its_length_and_never_below_zero() -> None:
    assert Latency(ms=100).effect(CHANCE) == RequestEffect(delay=0.1)
    delays = [Latency(ms=100, jitter_ms=50).effect(CHANCE).delay for _ in range(500)]
    assert 0.05 <= min(delays) < 0.06
    assert 0.14 < max(delays) <= 0.15
    assert min(Latency(ms=1, jitter_ms=50).effect(CHANCE).delay for _ in range(50)) == 0


def applied(delay: float, status: int | None, faults: str) -> Applied:
    return Applied(RequestEffect(delay, status), faults)


def active(*faults: Fault) -> RequestFaults:
    found = RequestFaults(CHANCE)
    found.update(World(faults=faults))
    return found


def test_fault_applies_to_its_actor_and_flow_only() -> None:
    faults = active(fault(flow="INT_R01"))
    assert faults.apply(AZUR, "INT_R01") == applied(0.1, None, "f1")
    assert faults.apply(AZUR, "INT_R02") is None
    assert faults.apply("sas", "INT_R01") is None


def test_fault_without_flow_applies_to_every_flow() -> None:
    faults = active(fault(kind="status"))
    assert faults.apply(AZUR, "INT_R04") == applied(0, 503, "f1")
    assert faults.apply(AZUR, "UI") == applied(0, 503, "f1")


def test_delays_add_up_and_the_first_status_wins() -> None:
    faults = active(
        fault("a"),
        fault("b", kind="status"),
        fault("c", params={"ms": 50}),
        fault("d", kind="status", params={"code": 500}),
    )
    hit = faults.apply(AZUR, "UI")
    assert hit is not None
    assert (round(hit.effect.delay, 3), hit.effect.status, hit.faults) == (0.15, 503, "a,b,c,d")


def test_counted_fault_stops_after_its_hits() -> None:
    faults = active(fault(count=2))
    assert [faults.apply(AZUR, "UI") is not None for _ in range(4)] == [True, True, False, False]
    assert faults.hits() == {"f1": 2}


def test_improbable_fault_applies_about_as_often_as_it_says() -> None:
    faults = active(fault(probability=0.25))
    applied = sum(faults.apply(AZUR, "UI") is not None for _ in range(1000))
    assert 200 < applied < 300
    assert faults.hits() == {"f1": applied}


def test_hits_survive_another_revision_but_not_a_reset_or_the_end_of_the_fault() -> None:
    faults = active(fault(count=1))
    assert faults.apply(AZUR, "UI") is not None
    faults.update(World(revision=1, faults=(fault(count=1), fault("f2", target="sas"))))
    assert faults.apply(AZUR, "UI") is None
    faults.update(World(revision=2, epoch=1, faults=(fault(count=1),)))
    assert faults.apply(AZUR, "UI") is not None
    faults.update(World(revision=3, epoch=1))
    assert faults.apply(AZUR, "UI") is None
    assert faults.hits() == {}


def test_kind_that_this_process_does_not_know_or_that_others_carry_out_is_left_alone() -> None:
    assert active(fault(kind="drop", target="hub"), fault("f2", kind="ack-never")).apply(AZUR, "UI") is None
    assert active(fault(kind="earthquake")).apply(AZUR, "UI") is None


def test_latency_of_character_delays_its_flow_and_is_no_fault() -> None:
    switches = switches_of("agenda-azur", Character(latency={Flow.INT_R01: Delay(80, 80)}))
    faults = active()
    faults.update(World(switches=switches))
    assert faults.apply(AZUR, "INT_R01") == applied(pytest.approx(0.08), None, "")
    assert faults.apply(AZUR, "UI") is None
    assert faults.apply("editor:rdv-commune", "INT_R01") is None
    assert faults.hits() == {}
    faults.update(World(revision=1, switches=switches, faults=(fault(), fault("f2", kind="status", flow="UI"))))
    assert faults.apply(AZUR, "INT_R01") == applied(pytest.approx(0.18), None, "f1")
    faults.update(World(revision=2))
    assert faults.apply(AZUR, "INT_R01") is None

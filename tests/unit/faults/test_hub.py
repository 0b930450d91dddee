"""Faults inside the hub: which are valid, which apply to what."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sandbox.edxl.codes import HubCode
from sandbox.faults import validate_fault
from sandbox.faults.hub import ErrorCode, HubFaults, Route
from sandbox.faults.kinds import kinds_at
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import RequestError
from sandbox.kernel.world import Fault, World

PLATFORM, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
CREATION = Route(frozenset((PLATFORM, SAMU)), "create")
USABLE: dict[str, dict[str, Any]] = {
    "drop": {"client": SAMU, "message": "ack"},
    "delay": {"ms": 10},
    "duplicate": {"times": 3},
    "reorder": {},
    "corrupt": {},
    "expire": {"message": "create"},
    "refuse": {"code": 300, "cause": "because"},
    "disconnect": {"who": SAMU},
    "pause": {},
    "restart": {"ms": 100},
}


def fault(kind: str = "drop", identity: str = "f1", **fields: Any) -> Fault:
    return Fault(**{"id": identity, "kind": kind, "target": "hub", "params": USABLE.get(kind, {}), **fields})


def faults(*present: Fault) -> HubFaults:
    found = HubFaults(seeded(1).chance)
    found.update(World(faults=present))
    return found


def test_every_kind_is_here_and_the_codes_are_those_of_the_hub() -> None:
    assert {*kinds_at("hub")} == {*USABLE}
    assert {*get_args(ErrorCode)} == {int(code) for code in HubCode}


@pytest.mark.parametrize("kind", sorted(USABLE))
def test_usable_fault_is_accepted(kind: str) -> None:
    validate_fault(fault(kind))


def test_a_cause_may_be_left_to_the_hub() -> None:
    validate_fault(fault("refuse", params={"code": 300}))


@pytest.mark.parametrize(
    ("fields", "status", "expression"),
    [
        ({"target": "sas"}, 422, "faults.target"),
        ({"kind": "latency", "params": {"ms": 1}}, 422, "faults.target"),
        ({"params": {"message": "poem"}}, 422, "faults.params.message"),
        ({"params": {"client": ""}}, 422, "faults.params.client"),
        ({"params": {"client": 3}}, 400, "faults.params.client"),
        ({"params": {"client": "x" * 201}}, 422, "faults.params.client"),
        ({"kind": "delay", "params": {}}, 400, "faults.params.ms"),
        ({"kind": "duplicate", "params": {"times": 1}}, 422, "faults.params.times"),
        ({"kind": "duplicate", "params": {"times": 2.5}}, 422, "faults.params.times"),
        ({"kind": "refuse", "params": {}}, 400, "faults.params.code"),
        ({"kind": "refuse", "params": {"code": 303}}, 422, "faults.params.code"),
        ({"kind": "refuse", "params": {"code": 300, "cause": ""}}, 422, "faults.params.cause"),
        ({"kind": "disconnect", "params": {}}, 400, "faults.params.who"),
        ({"kind": "pause", "params": {"client": SAMU}}, 400, "faults.params.client"),
        ({"kind": "restart", "params": {"ms": -1}}, 422, "faults.params.ms"),
    ],
)
def test_unusable_fault_is_refused_and_its_culprit_named(fields: dict[str, Any], status: int, expression: str) -> None:
    with pytest.raises(RequestError) as caught:
        validate_fault(fault(**{"kind": "drop", **fields}))
    assert (caught.value.status, caught.value.issues[0].expression) == (status, expression)


def test_fault_without_filters_applies_to_every_message() -> None:
    assert [each.fault.id for each in faults(fault(params={})).apply(CREATION)] == ["f1"]


@pytest.mark.parametrize(
    ("params", "applies"),
    [
        ({"client": SAMU}, True),
        ({"client": PLATFORM}, True),
        ({"client": "fr.health.samu999"}, False),
        ({"message": "create"}, True),
        ({"message": "ack"}, False),
        ({"client": SAMU, "message": "update"}, False),
    ],
)
def test_filters_narrow_a_fault_to_a_client_and_a_kind_of_message(params: dict[str, Any], applies: bool) -> None:
    assert bool(faults(fault(params=params)).apply(CREATION)) is applies


def test_counted_fault_stops_after_its_hits() -> None:
    counted = faults(fault(params={}, count=2))
    assert [len(counted.apply(CREATION)) for _ in range(4)] == [1, 1, 0, 0]
    assert counted.hits() == {"f1": 2}


def test_states_of_the_hub_apply_to_no_message() -> None:
    found = faults(fault("pause"), fault("restart", "f2"))
    assert not found
    assert found.apply(CREATION) == []
    assert found.paused
    assert found.restarts == {"f2": 0.1}


def test_faults_of_others_do_not_concern_the_hub() -> None:
    found = faults(fault("drop", target="sas"), fault("latency", "f2", params={"ms": 1}))
    assert not found
    assert not found.paused
    assert found.restarts == {}


def test_fault_that_ended_applies_no_more() -> None:
    found = faults(fault(params={}), fault("pause", "f2"))
    found.update(World(revision=1))
    assert not found.apply(CREATION)
    assert not found.paused

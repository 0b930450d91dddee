"""Behaviours of an LRM: which are valid, which apply to what."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.faults import validate_fault
from sandbox.faults.kinds import kinds_at
from sandbox.faults.lrm import PLAIN, Handling, LrmFaults, Refusal
from sandbox.kernel.entropy import seeded
from sandbox.kernel.errors import RequestError
from sandbox.kernel.world import Fault, World

DEAF = "lrm-deaf"
SAMU = "fr.health.samu330"
USABLE: dict[str, dict[str, Any]] = {
    "ack-delay": {"median_ms": 10, "p95_ms": 20, "message": "update"},
    "ack-by-hand": {},
    "ack-never": {"message": "cancel"},
    "ack-refused": {"code": 409, "cause": "because", "ack": True},
    "ack-conflict": {},
    "ack-wrong-reference": {},
    "ack-twice": {},
    "ack-invalid": {},
    "ack-steps": {"steps": "RECU, INTEGRE,CONSULTE"},
    "lrm-disconnect": {"when": "during"},
    DEAF: {},
}


def fault(kind: str = "ack-never", identity: str = "f1", **fields: Any) -> Fault:
    return Fault(**{"id": identity, "kind": kind, "target": f"lrm:{SAMU}", "params": USABLE[kind], **fields})


def faults(*present: Fault, seed: int = 1) -> LrmFaults:
    found = LrmFaults(SAMU, seeded(seed).chance)
    found.update(World(faults=present))
    return found


def test_every_kind_is_here() -> None:
    assert [*kinds_at("lrm")] == [*USABLE]


@pytest.mark.parametrize("kind", sorted(USABLE))
def test_usable_behaviour_is_accepted(kind: str) -> None:
    validate_fault(fault(kind))


@pytest.mark.parametrize(
    ("kind", "fields", "status", "expression"),
    [
        ("ack-never", {"target": "sas"}, 422, "faults.target"),
        ("ack-never", {"target": "hub"}, 422, "faults.target"),
        ("ack-never", {"params": {"message": "poem"}}, 422, "faults.params.message"),
        (DEAF, {"params": {"message": "create"}}, 400, "faults.params.message"),
        ("ack-delay", {"params": {"median_ms": 10}}, 400, "faults.params.p95_ms"),
        ("ack-delay", {"params": {"median_ms": 10, "p95_ms": 5}}, 422, "faults.params.p95_ms"),
        ("ack-refused", {"params": {}}, 400, "faults.params.code"),
        ("ack-refused", {"params": {"code": 418}}, 422, "faults.params.code"),
        ("ack-refused", {"params": {"code": 300, "cause": ""}}, 422, "faults.params.cause"),
        ("ack-refused", {"params": {"code": 300, "ack": "yes"}}, 422, "faults.params.ack"),
        ("ack-steps", {"params": {"steps": "RECU,LU"}}, 422, "faults.params.steps"),
        ("ack-steps", {"params": {}}, 400, "faults.params.steps"),
        ("lrm-disconnect", {"params": {"when": "never"}}, 422, "faults.params.when"),
    ],
)
def test_what_cannot_be_used_is_refused_where_it_is_wrong(
    kind: str, fields: dict[str, Any], status: int, expression: str
) -> None:
    with pytest.raises(RequestError) as caught:
        validate_fault(fault(kind, **fields))
    assert (caught.value.status, caught.value.issues[0].expression) == (status, expression)


def test_only_those_of_this_lrm_and_this_kind_of_message_apply() -> None:
    other = fault("ack-twice", "f2", target="lrm:fr.health.samu350")
    latency = Fault(id="f3", kind="latency", target=f"lrm:{SAMU}", params={"ms": 1})
    found = faults(fault("ack-never"), other, latency, fault("ack-twice", "f4"))
    assert found.handling("cancel").faults == "f1,f4"
    assert found.handling("create").faults == "f4"
    assert found.hits() == {"f1": 1, "f2": 0, "f3": 0, "f4": 2}


def test_count_and_probability_bound_how_often_it_applies() -> None:
    found = faults(fault("ack-twice", count=2))
    assert [found.handling("create").faults for _ in range(4)] == ["f1", "f1", "", ""]

    def drawn(seed: int) -> list[int]:
        rare = faults(fault("ack-twice", probability=0.3), seed=seed)
        return [len(rare.handling("create").steps) - 1 for _ in range(200)]

    assert 30 < sum(drawn(1)) < 90
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_deafness_is_a_state_and_applies_to_no_message() -> None:
    found = faults(fault(DEAF))
    assert found.deaf
    assert found.handling("create") is PLAIN
    found.update(World())
    assert not found.deaf


def test_a_step_is_wanted_while_a_behaviour_sends_it() -> None:
    assert faults(fault("ack-steps")).wants_step("CONSULTE")
    assert not faults(fault("ack-steps", params={"steps": "none"})).wants_step("CONSULTE")
    assert not faults(fault("ack-never")).wants_step("CONSULTE")


def behaviour(kind: str, **params: Any) -> Fault:
    return fault(kind, kind, params=params)


def handled(*present: Fault) -> Handling:
    found = LrmFaults(SAMU, lambda: 0.5)
    found.update(World(faults=present))
    return found.handling("create")


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (behaviour("ack-by-hand"), Handling(held=True)),
        (behaviour("ack-never"), Handling(steps=())),
        (behaviour("ack-refused", code=703), Handling(stores=False)),
        (behaviour("ack-conflict"), Handling()),
        (behaviour("ack-wrong-reference"), Handling(right_reference=False)),
        (behaviour("ack-twice"), Handling(steps=("INTEGRE", "INTEGRE"))),
        (behaviour("ack-invalid"), Handling(valid=False)),
        (behaviour("ack-steps", steps="none"), Handling(steps=(None,))),
        (behaviour("ack-steps", steps="RECU,CONSULTE"), Handling(steps=("RECU",))),
        (behaviour("lrm-disconnect", when="after"), Handling(cut="after")),
    ],
)
def test_what_each_behaviour_means_for_a_message(present: Fault, expected: Handling) -> None:
    found = handled(present)
    assert found.faults == present.kind
    for name in ("stores", "steps", "held", "right_reference", "valid", "cut", "delay"):
        assert getattr(found, name) == getattr(expected, name), name


def test_behaviours_add_up() -> None:
    delay = behaviour("ack-delay", median_ms=1000, p95_ms=1000)
    refuse = behaviour("ack-refused", code=300, cause="why", ack=True)
    found = handled(delay, delay, refuse, behaviour("ack-twice"))
    assert found.delay == pytest.approx(2)
    assert found.refusal == Refusal(300, "why", acknowledged=True)
    assert found.faults == "ack-delay,ack-delay,ack-refused,ack-twice"
    assert handled() is PLAIN
    conflict = handled(behaviour("ack-conflict"))
    assert conflict.refusal is not None
    assert (conflict.stores, conflict.refusal.code) == (True, 409)

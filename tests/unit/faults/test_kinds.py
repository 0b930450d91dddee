"""Kinds of faults: none without an effect, none with a parameter that cannot be read, explained and published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from sandbox.faults.edge.active import RequestFaults
from sandbox.faults.edge.effects import Cut, Edit, Message, RequestEffect, RequestFault, Step, Wait
from sandbox.faults.hub import HubStateFault, MessageFault
from sandbox.faults.kinds import KINDS, FaultKind, register
from sandbox.faults.lrm import HandlingFault, LrmStateFault
from sandbox.faults.parameters import about, parameters, read
from sandbox.kernel.errors import RequestError
from sandbox.kernel.world import Fault, World


class Working(RequestFault):
    """A kind that has an effect of its own, which does nothing."""

    def effect(self, chance: Callable[[], float]) -> RequestEffect:
        return RequestEffect()


def kind(base: type[FaultKind], **attributes: Any) -> type[FaultKind]:
    """A kind named `made`, in French « fait », with further class attributes."""
    return type("Made", (base,), {"name": "made", "sentence": "Fait.", "__annotations__": {}, **attributes})


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.parametrize("base", [FaultKind, RequestFault, MessageFault, HubStateFault, HandlingFault, LrmStateFault])
def test_a_kind_without_an_effect_cannot_exist(base: type[FaultKind]) -> None:
    with pytest.raises(TypeError, match="Made has no effect"):
        register(kind(base))
    assert "made" not in KINDS


def test_a_kind_with_an_effect_exists_once() -> None:
    assert KINDS[register(kind(Working)).name].name == "made"
    with pytest.raises(TypeError, match="'made' exists already"):
        register(kind(Working))


def test_a_kind_without_a_sentence_cannot_exist() -> None:
    with pytest.raises(TypeError, match="no sentence"):
        register(kind(Working, sentence=""))


def test_every_kind_that_exists_has_an_effect() -> None:
    assert all(callable(getattr(each, "effect", None)) for each in KINDS.values())


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (Annotated[list[int], about("text", "label")], "must be a number with bounds"),
        (Annotated[float, about("text", "label")], "must be a number with bounds"),
        (Annotated[int, Meta(ge=0), about("text", "label")], "must be a number with bounds"),
        (bool, "is not explained"),
        (Annotated[bool, about("text", "")], "is not explained"),
    ],
)
def test_a_parameter_that_cannot_be_checked_or_explained_is_refused(declared: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        register(kind(Working, __annotations__={"value": declared}))


def test_a_form_shows_what_fits_the_type() -> None:
    made = msgspec.defstruct(
        "Made",
        [
            ("number", Annotated[float, Meta(ge=0, le=1), about("t", "l")]),
            ("word", Annotated[str, Meta(min_length=1, max_length=9), about("t", "l", example="oui")]),
            ("code", Annotated[Literal[1, 2], about("t", "l")]),
            ("when", Annotated[Literal["b", "a"], about("t", "l")]),
            ("moment", Annotated[Literal["b", "a"], about("t", "l", choices={"b": "avant", "a": "après"})]),
            ("flag", Annotated[bool, about("t", "l")], False),
        ],
    )
    found = {each.name: each for each in parameters(made)}
    assert [each.widget for each in found.values()] == ["number", "text", "number", "select", "select", "checkbox"]
    assert found["when"].choices == {"a": "a", "b": "b"}
    assert found["moment"].choices == {"b": "avant", "a": "après"}
    assert [each.required for each in found.values()] == [True] * 5 + [False]
    params = {"number": 1, "word": "x", "code": 2.0, "when": "a", "moment": "a"}
    assert read(made, params) == made(number=1, word="x", code=2, when="a", moment="a", flag=False)
    with pytest.raises(RequestError, match="'moment' must be one of b, a"):
        read(made, {**params, "moment": "c"})


def test_a_fault_that_this_process_cannot_read_is_left_out() -> None:
    faults = RequestFaults(lambda: 0.5)
    later = Fault(id="f1", kind="status", target="sas", params={"code": "a word of a later version"})
    faults.update(World(faults=(later,)))
    assert faults.apply("sas", "UI") is None


def editing(name: str, edit: Edit) -> Fault:
    """A fault of a new kind that edits answers so."""

    def effect(self: RequestFault, chance: Callable[[], float]) -> RequestEffect:
        return RequestEffect(edit=edit)

    return Fault(id=name, kind=register(kind(RequestFault, name=name, effect=effect)).name, target="sas")


def edit_of(*present: Fault) -> Edit | None:
    """What these faults together do to an answer."""
    faults = RequestFaults(lambda: 0.5)
    faults.update(World(faults=present))
    applied = faults.apply("sas", "UI")
    return applied.effect.edit if applied is not None else None


def test_edits_of_an_answer_follow_each_other() -> None:
    def split(message: Message) -> Iterator[Step]:
        for octet in message["body"]:
            yield {"body": bytes([octet])}
            yield Wait(1)

    def shout(message: Message) -> Iterator[Step]:
        yield {"body": message["body"].upper()}

    def end(message: Message) -> Iterator[Step]:
        yield from [Cut()] if message["body"] == b"C" else [message]

    splitting, shouting, ending = editing("split", split), editing("shout", shout), editing("end", end)
    assert edit_of(shouting) is shout
    together = edit_of(splitting, shouting, ending)
    assert together is not None
    steps = [*together({"body": b"abc"})]
    assert steps == [{"body": b"A"}, Wait(1), {"body": b"B"}, Wait(1), Cut(), Wait(1)]

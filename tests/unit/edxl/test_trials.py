"""Trial messages: each case is what it says it is."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest

from sandbox.edxl.message import Message, MessageError, read
from sandbox.edxl.trials import CASES, Correspondents, trial
from sandbox.kernel.clock import PARIS

NOW = datetime(2026, 11, 22, 10, 20, 30, tzinfo=PARIS)


def between() -> Correspondents:
    numbers = itertools.count()
    return Correspondents("fr.health.samu999", "fr.health.samu330", NOW, lambda: str(next(numbers)))


def contents(case: str) -> list[dict[str, object]]:
    messages: list[Message] = [read(message.body) for message in trial(case, between())]
    return [dict(message.appointment or {}) for message in messages]


@pytest.mark.parametrize("case", [case for case in CASES if case != "invalid"])
def test_each_message_is_valid_and_speaks_of_one_appointment(case: str) -> None:
    messages = trial(case, between())
    assert all(read(each.body).distribution_id == each.distribution_id for each in messages)
    assert len({content["appointmentId"] for content in contents(case)}) == 1


def test_invalid_is_refused_by_the_model() -> None:
    (message,) = trial("invalid", between())
    with pytest.raises(MessageError) as caught:
        read(message.body)
    assert (int(caught.value.code), message.expected) == (300, 300)


def test_methods_and_statuses_are_those_of_the_case() -> None:
    def told(case: str) -> list[tuple[object, object]]:
        return [(content["method"], content["status"]) for content in contents(case)]

    created, updated = ("CreateAppointment", "booked"), ("UpdateAppointment", "booked")
    assert told("create") == [created]
    assert told("update") == [created, updated]
    assert told("cancel") == [created, ("UpdateAppointment", "cancelled")]
    assert told("unknown-update") == [updated]
    assert told("duplicate") == told("conflict") == [created, created]


def test_an_update_moves_the_appointment() -> None:
    before, after = contents("update")
    assert (before["start"], after["start"]) == ("2026-11-22T12:00:00+01:00", "2026-11-22T12:30:00+01:00")


def test_a_duplicate_is_the_same_message_and_a_conflict_another_one() -> None:
    once, twice = trial("duplicate", between())
    assert once == twice
    first, second = trial("conflict", between())
    assert first.distribution_id != second.distribution_id
    assert (first.expected, second.expected) == (0, 409)

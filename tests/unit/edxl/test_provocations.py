"""Each provocation of the catalogue provokes its code, by the dispatcher that the hub has."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

import orjson
import pytest

from sandbox.edxl.codes import NO_DISTRIBUTION_ID, HubCode
from sandbox.edxl.message import LONGEST_SUBJECT, subject
from sandbox.edxl.provocations import BY_NAME, MEANINGS, PROVOCATIONS, Provocation
from sandbox.edxl.trials import Correspondents, trial
from sandbox.hub.dispatching.dispatcher import Arrival, DispatchContext, Dispatched, dispatch

SPARE = "fr.health.samu998"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def between() -> Correspondents:
    numbers = count(1)
    return Correspondents(SPARE, SPARE, NOW, lambda: f"00000000-0000-4000-8000-{next(numbers):012}")


def sent(provocation: Provocation, *, strict: bool = False) -> tuple[str, Dispatched]:
    """What the message is known by, and what the dispatcher makes of it."""
    shot = provocation.make(between())
    mode = 2 if shot.persistent else 1
    arrival = Arrival(SPARE, shot.body, shot.content_type, mode, {}, "dispatch")
    queues = {f"{SPARE}.message", f"{SPARE}.info"}
    context = DispatchContext(NOW, lambda: "report")
    found = dispatch(arrival, context, exists=queues.__contains__, strict=strict)
    return shot.referenced, found


@pytest.mark.parametrize("provocation", PROVOCATIONS, ids=lambda each: each.name)
def test_each_provokes_its_code(provocation: Provocation) -> None:
    referenced, found = sent(provocation)
    carried = not provocation.by_hub or provocation.code == HubCode.DEAD_LETTER_QUEUED
    assert found.code == (0 if carried else provocation.code)
    (publication,) = found.publications
    document = orjson.loads(publication.body)
    if provocation.code == HubCode.DEAD_LETTER_QUEUED:
        assert (publication.routing_key, publication.expiration_ms) == (f"{SPARE}.message", 2000)
        return
    assert publication.routing_key == f"{SPARE}.info"
    error = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]
    assert error["errorCode"] == {"statusCode": provocation.code, "statusString": provocation.code.name}
    assert error["referencedDistributionID"] == referenced


def test_a_strict_hub_refuses_the_conflict_that_a_client_sends() -> None:
    _, found = sent(BY_NAME["client-409"], strict=True)
    assert found.code == HubCode.UNRECOGNIZED_MESSAGE_FORMAT


def test_every_code_has_a_meaning_and_something_that_provokes_it() -> None:
    assert {*MEANINGS} == {*HubCode}
    assert {each.code for each in PROVOCATIONS} == {*HubCode}
    assert len(BY_NAME) == len(PROVOCATIONS)


def test_every_issue_of_a_message_is_named() -> None:
    _, found = sent(BY_NAME["several"])
    assert [name in found.reason for name in ("status", "created", "champInconnu")] == [True] * 3


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, ""),
        ([], ""),
        ({"content": []}, ""),
        ({"content": [{"jsonContent": {"embeddedJsonContent": {"message": {"appointment": []}}}}]}, ""),
        ({"content": [{"jsonContent": {"embeddedJsonContent": {"message": {}}}}]}, ""),
        (
            {"content": [{"jsonContent": {"embeddedJsonContent": {"message": {"appointment": {"appointmentId": 3}}}}}]},
            "",
        ),
        (
            {
                "content": [
                    {"jsonContent": {"embeddedJsonContent": {"message": {"reference": {"distributionID": "x"}}}}}
                ]
            },
            "x",
        ),
    ],
)
def test_what_a_document_is_about_is_read_however_broken_it_is(document: object, expected: str) -> None:
    assert subject(document) == expected


def test_an_endless_id_is_nobodys() -> None:
    document = orjson.loads(trial("create", between())[0].body)
    appointment = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["appointment"]
    appointment["appointmentId"] = "x" * (LONGEST_SUBJECT + 1)
    assert subject(document) == ""


def test_what_the_hub_cannot_read_has_no_id() -> None:
    assert sent(BY_NAME["no-json"])[0] == NO_DISTRIBUTION_ID

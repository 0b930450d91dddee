"""What is built is valid, dated as the guide wants, and read back as it was meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.edxl import build
from sandbox.edxl.codes import NO_DISTRIBUTION_ID, HubCode
from sandbox.edxl.message import MessageError, read, text_at
from sandbox.kernel.clock import PARIS
from tests.unit.edxl.corpus import APPOINTMENT

NOW = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=PARIS)
SAS, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[-+]\d{2}:\d{2}")


def address(sender: str = SAS, recipient: str = SAMU, sent: datetime = NOW) -> build.Address:
    identifier = build.new_distribution_id(sender, "1")
    return build.Address(identifier, sender, recipient, sent, sent + timedelta(hours=1))


def test_a_report_carries_the_appointment_and_names_both_parties() -> None:
    message = read(build.report(address(), APPOINTMENT))
    assert (message.kind, message.content, message.status) == ("Report", "appointment", "Actual")
    assert (message.sender, message.recipient) == (SAS, SAMU)
    assert message.distribution_id == "fr.health.test.ptfsas_1"
    assert message.appointment == APPOINTMENT
    assert message.expires - message.sent == timedelta(hours=1)
    header = message.document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    assert header["messageId"] == message.distribution_id
    assert header["sender"] == {"name": SAS, "URI": f"hubex:{SAS}"}
    assert header["recipient"] == [{"name": SAMU, "URI": f"hubex:{SAMU}"}]


@pytest.mark.parametrize("step", [None, "RECU", "INTEGRE", "CONSULTE"])
def test_an_acknowledgement_references_the_message(step: str | None) -> None:
    message = read(build.ack(address(SAMU, SAS), "fr.health.test.ptfsas_7", step=step))
    assert (message.kind, message.content) == ("Ack", "reference")
    expected = {"distributionID": "fr.health.test.ptfsas_7"} | ({"step": step} if step else {})
    assert message.reference == expected


def test_a_refusing_acknowledgement_names_the_error() -> None:
    message = read(build.ack(address(SAMU, SAS), "a_1", refused_by="b_2"))
    assert message.reference == {"distributionID": "a_1", "refused": True, "errorDistributionID": "b_2"}


def test_an_error_lives_one_day_and_has_no_header() -> None:
    at = build.error_address("fr.health.hub", "9", SAS, NOW)
    message = read(build.error(at, HubCode.CONFLICT, "why", source={"a": 1}, referenced="x_1"))
    assert (message.kind, message.content) == ("Error", "error")
    assert message.expires - message.sent == timedelta(days=1)
    assert message.document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"] == {
        "error": {
            "errorCode": {"statusCode": 409, "statusString": "CONFLICT"},
            "errorCause": "why",
            "referencedDistributionID": "x_1",
            "sourceMessage": {"a": 1},
        }
    }


@pytest.mark.parametrize("source", [None, [], 3, "text"])
def test_only_a_json_object_is_quoted_as_source(source: object) -> None:
    at = build.error_address("fr.health.hub", "9", SAS, NOW)
    message = read(build.error(at, HubCode.INVALID_MESSAGE, "why", source=source, referenced=""))
    assert message.error is not None
    assert "sourceMessage" not in message.error
    assert message.error["referencedDistributionID"] == NO_DISTRIBUTION_ID


def test_a_source_nested_too_deep_to_be_written_is_left_out() -> None:
    source: Any = {}
    for _ in range(300):
        source = {"a": source}
    at = build.error_address("fr.health.hub", "9", SAS, NOW)
    message = read(build.error(at, HubCode.INVALID_MESSAGE, "why", source=source, referenced="x_1"))
    assert message.error is not None
    assert "sourceMessage" not in message.error


@given(
    at=st.datetimes(datetime(1975, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001 - the zone is drawn beside it
    minutes=st.integers(-12 * 60, 14 * 60),
)
def test_dates_have_an_offset_no_decimals_and_never_a_z(at: datetime, minutes: int) -> None:
    for zone in (UTC, PARIS, timezone(timedelta(minutes=minutes))):
        document = orjson.loads(build.report(address(sent=at.replace(tzinfo=zone)), APPOINTMENT))
        header = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
        for text in (document["dateTimeSent"], document["dateTimeExpires"], header["sentAt"]):
            assert DATE.fullmatch(text)


def test_octets_that_are_no_json_are_102() -> None:
    with pytest.raises(MessageError) as caught:
        read(b"<xml/>")
    assert caught.value.code is HubCode.UNRECOGNIZED_MESSAGE_FORMAT
    assert caught.value.document is None


def test_json_against_the_model_is_300_and_keeps_the_document() -> None:
    with pytest.raises(MessageError) as caught:
        read(b'{"distributionID": "a_1"}')
    assert caught.value.code is HubCode.INVALID_MESSAGE
    assert text_at(caught.value.document, "distributionID") == "a_1"
    assert "senderID: is missing" in caught.value.cause


def test_the_codes_of_the_model_are_all_there() -> None:
    assert sorted(HubCode) == [
        100, 101, 102, 200, 300, 301, 400, 409, 500, 501, 600, 700, 701, 702, 703, 704,
    ]  # fmt: skip
    assert HubCode(500).name == "DEAD_LETTER_QUEUED"

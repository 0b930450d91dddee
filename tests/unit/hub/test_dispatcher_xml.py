"""The dispatcher between clients that speak JSON and clients that speak XML."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from sandbox.edxl import build, xml
from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.message import LARGEST, Message, read
from sandbox.hub.dispatching.dispatcher import Dispatched
from tests.support.watchdog import untraced
from tests.unit.hub.test_dispatcher import APPOINTMENT, SAMU, SAS, address, arrival, run

NO_XML: frozenset[str] = frozenset()
REPORT = build.report(address(), APPOINTMENT)
IN_XML = xml.write(orjson.loads(REPORT))


def sent(body: bytes, form: str, xml_clients: frozenset[str], **changes: Any) -> Dispatched:
    return run(arrival(body, content_type=form, **changes), xml_clients=xml_clients)


def reported(result: Dispatched, code: HubCode, form: str) -> Message:
    (publication,) = result.publications
    assert (result.code, publication.content_type) == (code, form)
    message = read(publication.body, form)
    assert message.error is not None
    assert message.error["errorCode"] == {"statusCode": int(code), "statusString": code.name}
    return message


@pytest.mark.requirement("L02-14")
@pytest.mark.parametrize(
    ("body", "form", "recipient_form"),
    [(REPORT, JSON, JSON), (REPORT, JSON, XML), (IN_XML, XML, JSON), (IN_XML, XML, XML)],
)
def test_a_message_reaches_its_recipient_in_the_recipients_form(body: bytes, form: str, recipient_form: str) -> None:
    result = sent(body, form, frozenset({SAMU}) if recipient_form == XML else NO_XML)
    (publication,) = result.publications
    assert (result.code, publication.content_type) == (0, recipient_form)
    assert read(publication.body, recipient_form).document == orjson.loads(REPORT)
    assert publication.headers == {"x-death-original-routing-key": SAS}
    assert (publication.body is body) is (form == recipient_form)


def test_what_the_sender_prefers_says_nothing_about_the_recipient() -> None:
    assert sent(IN_XML, XML, frozenset({SAS})).publications[0].content_type == JSON


@pytest.mark.parametrize(
    ("body", "form", "code"),
    [
        (b"{", JSON, HubCode.UNRECOGNIZED_MESSAGE_FORMAT),
        (b"<a>", XML, HubCode.UNRECOGNIZED_MESSAGE_FORMAT),
        (REPORT, XML, HubCode.UNRECOGNIZED_MESSAGE_FORMAT),
        (IN_XML, JSON, HubCode.UNRECOGNIZED_MESSAGE_FORMAT),
        (IN_XML, "text/xml", HubCode.NOT_ALLOWED_CONTENT_TYPE),
        (IN_XML.replace(b"booked", b"gone"), XML, HubCode.INVALID_MESSAGE),
        (IN_XML.replace(SAMU.encode(), b"fr.health.nobody"), XML, HubCode.UNROUTABLE_MESSAGE),
        (IN_XML.replace(f"<senderID>{SAS}".encode(), b"<senderID>fr.health.x"), XML, HubCode.SENDER_INCONSISTENCY),
        (IN_XML.replace(b"Actual</dist", b"System</dist"), XML, HubCode.MESSAGE_CONVERSION_ERROR),
    ],
)
@pytest.mark.parametrize("prefers", [JSON, XML])
def test_an_error_reaches_its_recipient_in_its_form_too(body: bytes, form: str, code: HubCode, prefers: str) -> None:
    message = reported(sent(body, form, frozenset({SAS}) if prefers == XML else NO_XML), code, prefers)
    assert message.error is not None
    known = body not in (b"{", b"<a>")
    assert (message.error["referencedDistributionID"] == f"{SAS}_1") is known


def test_a_content_of_another_use_case_passes_unread_between_clients_that_speak_xml() -> None:
    start, end = IN_XML.index(b"<appointment"), IN_XML.index(b"</appointment>") + len(b"</appointment>")
    other = b'<emsi xmlns="urn:emergency:eda:1.9:emsi"><anything at="1">all</anything></emsi>'
    body = IN_XML[:start] + other + IN_XML[end:]
    result = sent(body, XML, frozenset({SAMU}))
    assert (result.code, result.noted, result.publications[0].body) == (0, "emsi", body)
    reported(sent(body, XML, NO_XML), HubCode.MESSAGE_CONVERSION_ERROR, JSON)


def test_100_applies_to_xml_too() -> None:
    reported(sent(IN_XML, XML, NO_XML, delivery_mode=1), HubCode.DELIVERY_MODE_INCONSISTENCY, JSON)


def test_the_cause_lists_the_faults_of_xml_with_their_paths() -> None:
    body = (
        IN_XML.replace(b"<sentAt>2026", b"<sentAt>26").replace(b"booked", b"gone").replace(b"Actual</dist", b"x</dist")
    )
    lines = sent(body, XML, NO_XML).reason.split("\n")
    root = "edxlDistribution.content.contentObject[0].contentXML.embeddedXMLContent.message"
    assert lines[0].startswith("Issues found on the edxlDistribution content: - distributionStatus: does not have")
    assert lines[1].startswith(f"Issues found on the {root} header: - sentAt: is not a date and time")
    assert lines[2].startswith(f"Issues found on the {root} content: - appointment.status: does not have a value")


def test_a_dead_message_is_reported_in_its_senders_form() -> None:
    headers = {"x-death-original-routing-key": SAS}
    result = sent(IN_XML, XML, frozenset({SAS}), headers=headers, queue="dispatch.dlq", routing_key=f"{SAMU}.message")
    message = reported(result, HubCode.DEAD_LETTER_QUEUED, XML)
    assert message.error is not None
    assert message.error["referencedDistributionID"] == f"{SAS}_1"
    assert message.error["sourceMessage"]["distributionID"] == f"{SAS}_1"


@pytest.mark.parametrize("extra", [{"a b": 1}, {"x": "\x01"}])
def test_a_report_leaves_out_of_its_quotation_what_xml_cannot_say(extra: dict[str, Any]) -> None:
    body = orjson.dumps({**orjson.loads(REPORT), **extra})
    message = reported(sent(body, JSON, frozenset({SAS})), HubCode.INVALID_MESSAGE, XML)
    assert message.error is not None
    assert "sourceMessage" not in message.error
    name = next(iter(extra))
    assert f"{name}: is not defined" in message.error["errorCause"]


def test_a_cause_that_xml_cannot_carry_is_told_all_the_same() -> None:
    body = orjson.dumps({**orjson.loads(REPORT), "\x02": 1, "distributionID": f"{SAS}_\x03"})
    message = reported(sent(body, JSON, frozenset({SAS})), HubCode.INVALID_MESSAGE, XML)
    assert message.error is not None
    assert "\N{REPLACEMENT CHARACTER}: is not defined" in message.error["errorCause"]
    assert message.error["referencedDistributionID"] == f"{SAS}_\N{REPLACEMENT CHARACTER}"


def _many(count: int) -> bytes:
    return orjson.dumps(
        {**orjson.loads(REPORT), "content": [{"jsonContent": {"embeddedJsonContent": {"message": {}}}}] * count}
    )


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b'{"content":[' + b"{}," * 480_000 + b"{}]}", JSON),
        (b'{"content":[' + b"{}," * 5_000_000 + b"{}]}", JSON),
        (b'{"content":[' + b"{}," * 6_000 + b"{}]}", JSON),
        (_many(100), JSON),
        (_many(3_000), JSON),
        (REPORT.replace(b"booked", b"x" * (LARGEST - 5_000)), JSON),
        (REPORT.replace(b"booked", rb"\n" * (LARGEST // 2 - 5_000)), JSON),
        (orjson.dumps(dict.fromkeys(map(str, range(19_000)), 1)), JSON),
        (b'"distributionID":"' * (LARGEST // 18), JSON),
        (b'"distributionID"' + b" " * (LARGEST - 16), JSON),
        (IN_XML.replace(b"<status>booked", b"<x>" + b"<y/>" * 9_900 + b"</x><status>booked"), XML),
        (b"<a " + b" ".join(b'a%d=""' % n for n in range(9_999)) + b"/>", XML),
        (b"<a " + b" ".join(b'xmlns:a%d="u%d"' % (n, n) for n in range(9_999)) + b"/>", XML),
        (IN_XML.replace(b"booked", b"&lt;" * 199_000), XML),
        (b"<distributionID>" * 60_000, XML),
    ],
)
@pytest.mark.parametrize("xml_clients", [NO_XML, frozenset({SAS, SAMU})])
def test_no_message_keeps_the_hub_waiting(body: bytes, form: str, xml_clients: frozenset[str]) -> None:
    """It takes 30 ms at most where nothing else runs; a busy machine is allowed more."""
    with untraced():
        started = time.process_time()
        result = sent(body, form, xml_clients)
        assert time.process_time() - started < 0.5
    assert result.code
    assert len(result.publications[0].body) <= build.LARGEST_REPORT

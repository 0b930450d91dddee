"""The dispatcher: what it routes, what it refuses, in which order, and to whom it says so."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.edxl import build
from sandbox.edxl.codes import NO_DISTRIBUTION_ID, HubCode
from sandbox.edxl.message import MOST_VALUES, Message, read
from sandbox.hub.dispatching.dispatcher import Arrival, DispatchContext, Dispatched, dispatch
from sandbox.kernel.clock import PARIS

NOW = datetime(2026, 11, 22, 10, tzinfo=PARIS)
SAS, SAMU = "fr.health.test.ptfsas", "fr.health.samu330"
QUEUES = {f"{client}.{kind}" for client in (SAS, SAMU) for kind in ("message", "ack", "info")}
APPOINTMENT = {
    "appointmentId": "3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f01",
    "method": "CreateAppointment",
    "created": "2026-11-22T10:00:00+01:00",
    "start": "2026-11-22T14:00:00+01:00",
    "status": "booked",
    "regulator": {"regulatorName": "Dorval", "regulatorFirstname": "Luc", "regulatorEmail": "l@example.org"},
}


def address(sender: str = SAS, recipient: str = SAMU, hours: float = 24) -> build.Address:
    return build.Address(f"{sender}_1", sender, recipient, NOW, NOW + timedelta(hours=hours))


def arrival(body: bytes, **changes: Any) -> Arrival:
    return msgspec.structs.replace(Arrival(SAS, body, "application/json", 2, {}, "dispatch"), **changes)


def run(incoming: Arrival, xml_clients: frozenset[str] = frozenset(), **options: Any) -> Dispatched:
    counter = itertools.count(1)
    context = DispatchContext(NOW, lambda: f"id{next(counter)}", xml_clients)
    return dispatch(incoming, context, exists=QUEUES.__contains__, **options)


def reported(result: Dispatched, queue: str, code: HubCode) -> Message:
    """The one error report of a result, checked for what all of them have in common."""
    (publication,) = result.publications
    assert publication.routing_key == queue
    assert publication.headers == {}
    assert result.code == code
    message = read(publication.body)
    assert message.kind == "Error"
    assert message.error is not None
    assert message.error["errorCode"] == {"statusCode": int(code), "statusString": code.name}
    assert message.error["errorCause"] == result.reason
    assert message.sender == "fr.health.hub"
    assert message.distribution_id == "fr.health.hub_id1"
    assert message.expires - message.sent == timedelta(days=1)
    assert f"{message.recipient}.info" == queue
    return message


def test_a_report_reaches_the_recipients_message_queue_unchanged() -> None:
    body = build.report(address(), APPOINTMENT)
    result = run(arrival(body))
    (publication,) = result.publications
    assert publication.routing_key == f"{SAMU}.message"
    assert publication.body == body
    assert publication.headers == {"x-death-original-routing-key": SAS}
    assert publication.expiration_ms is None
    assert (result.code, result.sender, result.distribution_id) == (0, SAS, f"{SAS}_1")


def test_an_acknowledgement_reaches_the_ack_queue() -> None:
    result = run(arrival(build.ack(address(SAMU, SAS), f"{SAS}_1"), routing_key=SAMU))
    assert [publication.routing_key for publication in result.publications] == [f"{SAS}.ack"]


@pytest.mark.parametrize("code", [HubCode.CONFLICT, HubCode.INSUFFICIENT_DATA])
def test_an_error_of_an_lrm_reaches_the_info_queue(code: HubCode) -> None:
    body = build.error(address(SAMU, SAS), code, "why", source={}, referenced=f"{SAS}_1")
    result = run(arrival(body, routing_key=SAMU))
    assert [publication.routing_key for publication in result.publications] == [f"{SAS}.info"]
    assert result.publications[0].headers == {"x-death-original-routing-key": SAMU}


@pytest.mark.parametrize("kind", ["Update", "Cancel"])
def test_every_other_kind_reaches_the_message_queue(kind: str) -> None:
    document = orjson.loads(build.report(address(), APPOINTMENT))
    document["distributionKind"] = kind
    result = run(arrival(orjson.dumps(document)))
    assert [publication.routing_key for publication in result.publications] == [f"{SAMU}.message"]


def test_a_senders_own_headers_travel_except_those_that_brokers_act_on() -> None:
    headers = {"mine": 1, "CC": ["x"], "BCC": ["y"], "x-death": [], "x-death-original-routing-key": "forged"}
    result = run(arrival(build.report(address(), APPOINTMENT), headers=headers))
    assert result.publications[0].headers == {"mine": 1, "x-death-original-routing-key": SAS}


@pytest.mark.parametrize(("hours", "expected"), [(1, 3_600_000), (24, None), (23.5, 84_600_000), (48, None)])
def test_an_expiry_before_the_queues_ttl_becomes_an_expiration(hours: float, expected: int | None) -> None:
    result = run(arrival(build.report(address(hours=hours), APPOINTMENT)))
    assert result.publications[0].expiration_ms == expected


def test_the_queues_ttl_is_a_setting() -> None:
    body = build.report(address(hours=1), APPOINTMENT)
    assert run(arrival(body), message_ttl_s=1800).publications[0].expiration_ms is None


@pytest.mark.parametrize(
    "value",
    [None, "", "application/json; charset=utf-8", "Application/JSON", "application/xml; charset=utf-8", "text/xml"],
)
def test_101_content_type_is_compared_exactly(value: str | None) -> None:
    result = run(arrival(build.report(address(), APPOINTMENT), content_type=value))
    message = reported(result, f"{SAS}.info", HubCode.NOT_ALLOWED_CONTENT_TYPE)
    assert message.error is not None
    assert message.error["referencedDistributionID"] == f"{SAS}_1"
    assert message.error["sourceMessage"]["senderID"] == SAS


@pytest.mark.parametrize("body", [b"{", b"", b"<a/>"])
def test_102_what_is_not_json(body: bytes) -> None:
    message = reported(run(arrival(body)), f"{SAS}.info", HubCode.UNRECOGNIZED_MESSAGE_FORMAT)
    assert message.error is not None
    assert "sourceMessage" not in message.error
    assert message.error["referencedDistributionID"] == NO_DISTRIBUTION_ID


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"content": [], "distributionID" : "%b", ', "application/json"),
        (b'[{"distributionID":"%b"}]', "application/json"),
        (b'{"content": [], "distributionID": "%b"}', "application/json"),
        (b"<a><distributionID>\n %b </distributionID>", "application/xml"),
        (b"<x:a xmlns:x='y'><x:distributionID>%b</x:distributionID></x:a>", "application/xml"),
        (b"<distributionID>%b</distributionID>", "application/json"),
        (b'"distributionID": "%b"', "text/plain"),
    ],
)
def test_the_id_of_a_message_that_cannot_be_parsed_or_whose_envelope_fails_is_taken_from_its_text(
    body: bytes, content_type: str
) -> None:
    result = run(arrival(body % f"{SAS}_17".encode(), content_type=content_type))
    error = read(result.publications[0].body).error
    assert error is not None
    assert error["referencedDistributionID"] == result.distribution_id == f"{SAS}_17"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (rb'{"distributionID": "a\u0062\"c"', 'ab"c'),
        (rb'{"distributionID": "a\x"', r"a\x"),
        (b"<distributionID>a&amp;b</distributionID>", "a&b"),
        (b'{"distributionID": 3, "distributionID": "second"', "second"),
        (b'{"distributionID": ""', ""),
        (b'{"distributionID": "' + b"x" * 2000 + b'"', ""),
        (b" " * 300_000 + b'{"distributionID": "far"', ""),
        (b"\xff", ""),
    ],
)
def test_an_id_in_a_text_is_read_as_its_form_writes_it_and_looked_for_within_bounds(body: bytes, found: str) -> None:
    assert run(arrival(body)).distribution_id == found


def test_a_message_with_several_items_is_routed_whole_and_its_faults_are_told_item_by_item() -> None:
    document = orjson.loads(build.report(address(), APPOINTMENT))
    document["content"] *= 2
    body = orjson.dumps(document)
    assert run(arrival(body)).publications[0].body == body
    document["content"].append({"jsonContent": {"embeddedJsonContent": {"message": {}}}})
    cause = run(arrival(orjson.dumps(document))).reason
    assert cause.startswith("Issues found on the $.content[2].jsonContent.embeddedJsonContent.message header:")


@pytest.mark.parametrize("extra", [b"[" * 60 + b"]" * 60, b"["], ids=["deep", "wide"])
def test_a_report_that_could_not_be_read_with_its_quotation_quotes_nothing(extra: bytes) -> None:
    head = build.report(address(), APPOINTMENT)[:-1] + b',"more":'
    if extra == b"[":  # as many values as are just read
        extra += b"1," * (MOST_VALUES - sum(map(head.count, (b",", b"[", b"{"))) - 2) + b"1]"
    body = head + extra + b"}"
    message = reported(run(arrival(body)), f"{SAS}.info", HubCode.INVALID_MESSAGE)
    assert message.error is not None
    assert "sourceMessage" not in message.error
    assert message.error["referencedDistributionID"] == f"{SAS}_1"


def test_a_content_of_another_use_case_is_routed_unread_and_noted() -> None:
    document = orjson.loads(build.report(address(), APPOINTMENT))
    message = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    message["createCase"] = {"whatever": [message.pop("appointment")]}
    body = orjson.dumps(document)
    result = run(arrival(body))
    assert (result.code, result.noted, result.publications[0].body) == (0, "createCase", body)
    assert run(arrival(build.report(address(), APPOINTMENT))).noted == ""


@pytest.mark.parametrize(("code", "strict", "expected"), [(409, False, 0), (409, True, 102), (701, True, 0)])
def test_409_of_an_lrm_is_forwarded_unless_the_hub_is_strict(code: int, strict: bool, expected: int) -> None:
    body = build.error(address(SAMU, SAS), HubCode(code), "again", source={}, referenced=f"{SAS}_1")
    result = run(arrival(body, routing_key=SAMU), strict=strict)
    assert result.code == expected
    if expected:
        reported(result, f"{SAMU}.info", HubCode.UNRECOGNIZED_MESSAGE_FORMAT)


def test_300_lists_each_issue_with_its_path() -> None:
    bad = {key: value for key, value in APPOINTMENT.items() if key != "regulator"} | {"status": "gone"}
    message = reported(run(arrival(build.report(address(), bad))), f"{SAS}.info", HubCode.INVALID_MESSAGE)
    assert message.error is not None
    cause = message.error["errorCause"]
    assert " - appointment.regulator: is missing but it is required" in cause
    assert " - appointment.status: does not have a value in the enumeration" in cause


def test_501_nobody_of_the_health_domain() -> None:
    body = build.report(address("fr.fire.sis033", "fr.fire.sis064"), APPOINTMENT)
    result = run(arrival(body, routing_key=SAS))
    reported(result, f"{SAS}.info", HubCode.UNROUTABLE_MESSAGE)
    assert "of message fr.fire.sis033_1 " in result.reason


def test_a_sender_of_another_domain_may_use_any_routing_key() -> None:
    result = run(arrival(build.report(address("fr.fire.sis033"), APPOINTMENT)))
    assert result.code == 0
    assert result.publications[0].headers["x-death-original-routing-key"] == "fr.fire.sis033"


def test_200_goes_to_the_routing_keys_owner_not_to_whom_the_message_claims() -> None:
    result = run(arrival(build.report(address(), APPOINTMENT), routing_key=SAMU))
    message = reported(result, f"{SAMU}.info", HubCode.SENDER_INCONSISTENCY)
    assert message.recipient == SAMU
    assert result.sender == SAMU


@pytest.mark.parametrize("mode", [None, 1, 0])
def test_100_a_message_that_is_not_persistent(mode: int | None) -> None:
    result = run(arrival(build.report(address(), APPOINTMENT), delivery_mode=mode))
    reported(result, f"{SAS}.info", HubCode.DELIVERY_MODE_INCONSISTENCY)


@pytest.mark.parametrize("identifier", ["1", "fr.health.hub_1", f"{SAS}.other_1", f"x{SAS}_1"])
def test_300_a_distribution_id_of_somebody_else(identifier: str) -> None:
    body = build.report(dataclasses.replace(address(), distribution_id=identifier), APPOINTMENT)
    message = reported(run(arrival(body)), f"{SAS}.info", HubCode.INVALID_MESSAGE)
    assert message.error is not None
    assert message.error["referencedDistributionID"] == identifier


@pytest.mark.parametrize("hours", [0, -1])
def test_400_a_message_that_expired_before_it_was_read(hours: int) -> None:
    result = run(arrival(build.report(address(hours=hours), APPOINTMENT)))
    reported(result, f"{SAS}.info", HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING)


def test_501_no_such_recipient_carries_the_right_id() -> None:
    result = run(arrival(build.report(address(recipient="fr.health.samu000"), APPOINTMENT)))
    message = reported(result, f"{SAS}.info", HubCode.UNROUTABLE_MESSAGE)
    assert message.error is not None
    assert message.error["referencedDistributionID"] == f"{SAS}_1"


def test_checks_apply_in_the_hubs_order() -> None:
    """Mend a message that has everything wrong, one fault at a time: each mending shows the next code."""
    nobody = address("fr.fire.a", "fr.fire.b", hours=-1)
    foreign = dataclasses.replace(address(recipient="fr.health.nobody", hours=-1), distribution_id="x_1")
    mendings: list[tuple[dict[str, Any], int]] = [
        ({}, 101),
        ({"content_type": "application/json"}, 102),
        ({"body": b"{}"}, 300),
        ({"body": build.report(nobody, APPOINTMENT)}, 501),
        ({"body": build.report(foreign, APPOINTMENT)}, 200),
        ({"routing_key": SAS}, 100),
        ({"delivery_mode": 2}, 300),
        ({"body": build.report(dataclasses.replace(foreign, distribution_id=f"{SAS}_1"), APPOINTMENT)}, 400),
        ({"body": build.report(address(recipient="fr.health.nobody"), APPOINTMENT)}, 501),
        ({"body": build.report(address(), APPOINTMENT)}, 0),
    ]
    incoming = arrival(b"{", content_type="text/plain", delivery_mode=1, routing_key=SAMU)
    for mending, code in mendings:
        incoming = msgspec.structs.replace(incoming, **mending)
        assert run(incoming).code == code, mending


def dead(body: bytes, **headers: Any) -> Dispatched:
    return run(arrival(body, headers=headers, queue="dispatch.dlq", routing_key=f"{SAMU}.message"))


def test_expired_message_reaches_the_senders_info_queue() -> None:
    result = dead(
        build.report(address(), APPOINTMENT),
        **{"x-death-original-routing-key": SAS, "x-first-death-reason": "expired", "x-first-death-queue": "q"},
    )
    message = reported(result, f"{SAS}.info", HubCode.DEAD_LETTER_QUEUED)
    assert message.error is not None
    assert message.error["referencedDistributionID"] == f"{SAS}_1"
    assert message.error["sourceMessage"]["distributionID"] == f"{SAS}_1"
    assert "'q' (expired)" in message.error["errorCause"]


def test_an_acknowledgement_that_died_comes_back_to_the_lrm() -> None:
    result = dead(build.ack(address(SAMU, SAS), f"{SAS}_1"), **{"x-death-original-routing-key": SAMU})
    reported(result, f"{SAMU}.info", HubCode.DEAD_LETTER_QUEUED)


@pytest.mark.parametrize("headers", [{}, {"x-death-original-routing-key": None}, {"x-death-original-routing-key": 3}])
def test_a_report_of_the_hub_itself_is_dropped_when_it_dies(headers: dict[str, Any]) -> None:
    result = dead(build.report(address(), APPOINTMENT), **headers)
    assert result.publications == ()
    assert result.code == 500


def test_a_dead_message_that_is_no_json_is_reported_all_the_same() -> None:
    reported(dead(b"\xff", **{"x-death-original-routing-key": SAS}), f"{SAS}.info", HubCode.DEAD_LETTER_QUEUED)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
VALID = orjson.loads(build.report(address(), APPOINTMENT))


@given(
    body=st.binary(max_size=60)
    | JSONS.map(orjson.dumps)
    | st.tuples(st.sampled_from(sorted(VALID)), JSONS | st.just("9999-12-31T23:59:59-23:59")).map(
        lambda change: orjson.dumps({**VALID, change[0]: change[1]})
    ),
    routing_key=st.sampled_from([SAS, "", "\ud800"]) | st.text(max_size=5),
    content_type=st.sampled_from(["application/json", "application/xml", "\udcff", None]),
    delivery_mode=st.none() | st.integers(0, 255),
    headers=st.dictionaries(st.sampled_from(["x-death-original-routing-key", "x"]), st.text(max_size=4) | st.none()),
    queue=st.sampled_from(["dispatch", "dispatch.dlq"]),
    xml_clients=st.sampled_from([frozenset(), frozenset({SAS, SAMU})]),
)
def test_never_raises_and_every_report_is_a_valid_message(xml_clients: frozenset[str], **fields: Any) -> None:
    result = run(Arrival(**fields), xml_clients=xml_clients)
    for publication in result.publications:
        if result.code:
            read(publication.body, publication.content_type)

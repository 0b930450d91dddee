"""ServiceRequest bodies (flow PDM): what is accepted, what is refused and where, what is emitted."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.servicerequest import ServiceRequest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.fhir.service_request import LONGEST_NEED, CareRequest, parse_request, render_request
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier

START = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
REQUEST = CareRequest(
    identifier=Identifier("urn:oid:1.2.250.1.999.4", "b6e39355-8a61-4556-b340-36f7b95fec6a"),
    need="Fièvre depuis trois jours",
    start=START,
    end=START + timedelta(minutes=30),
    authored=START,
    requester=Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS"),
    community="cpts-rive-gauche",
    name="Entraide CPTS Rive Gauche",
    town="33063",
    town_name="Bordeaux",
)
TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=50)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 2_000_000_000_000).map(lambda ms: EPOCH + timedelta(milliseconds=ms))


@st.composite
def requests(draw: st.DrawFn) -> CareRequest:
    start = draw(INSTANTS)
    return CareRequest(
        identifier=Identifier(draw(TEXT), draw(st.from_regex(r"[A-Za-z0-9.-]{1,64}", fullmatch=True))),
        need=draw(TEXT),
        start=start,
        end=start + timedelta(minutes=draw(st.integers(1, 1440))),
        authored=draw(INSTANTS),
        requester=Identifier(SYSTEM_SAS, draw(st.uuids().map(str)), "INTRN"),
        community=draw(TEXT),
        name=draw(TEXT),
        town=draw(st.from_regex(r"[0-9AB]{5}", fullmatch=True)),
        town_name=draw(TEXT),
        revoked=draw(st.booleans()),
    )


def body(**changes: Any) -> bytes:
    """The request above with elements replaced (None: left out)."""
    document = {**copy.deepcopy(orjson.loads(render_request(REQUEST))), **changes}
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def refusal(content: bytes) -> tuple[int, set[str | None]]:
    with pytest.raises(RequestError) as caught:
        parse_request(content)
    return caught.value.status, {issue.expression for issue in caught.value.issues}


@given(requests())
def test_what_is_emitted_is_read_as_the_same(request: CareRequest) -> None:
    assert parse_request(render_request(request, id=request.identifier.value)) == request


def test_what_is_emitted_is_fhir_and_names_no_patient() -> None:
    document = orjson.loads(render_request(REQUEST, id="1"))
    ServiceRequest.model_validate(document)
    assert document["subject"] == {"display": "patient non transmis"}
    assert (document["status"], document["intent"]) == ("active", "proposal")


def test_elements_beyond_those_that_are_emitted_are_judged_by_the_model() -> None:
    assert parse_request(body(priority="urgent")) == REQUEST
    assert refusal(body(priority=3))[0] == 400


@pytest.mark.parametrize(
    "name",
    ["identifier", "status", "intent", "code", "subject", "occurrencePeriod", "authoredOn", "requester", "performer"],
)
def test_what_is_mandatory(name: str) -> None:
    assert refusal(body(**{name: None})) == (400, {f"ServiceRequest.{name}"})


def test_the_town_is_mandatory() -> None:
    assert refusal(body(locationCode=None)) == (400, {"ServiceRequest.locationCode"})
    assert refusal(body(locationCode=[{"text": "Bordeaux"}])) == (400, {"ServiceRequest.locationCode[0].coding"})


@pytest.mark.parametrize(
    ("changes", "status", "where"),
    [
        ({"status": "draft"}, 422, "status"),
        ({"intent": "order"}, 422, "intent"),
        ({"identifier": [{"system": "s", "value": "a b"}]}, 422, "identifier[0].value"),
        ({"identifier": [{"system": "s", "value": "a"}] * 2}, 422, "identifier"),
        ({"code": {"text": "x" * (LONGEST_NEED + 1)}}, 422, "code.text"),
        ({"code": {"coding": [{"code": "1"}]}}, 400, "code.text"),
        ({"subject": {"display": "x", "reference": "Patient/1"}}, 422, "subject.reference"),
        ({"subject": {"identifier": {"value": "1"}}}, 422, "subject.identifier"),
        ({"contained": [{"resourceType": "Patient", "id": "p"}]}, 422, "contained"),
        ({"occurrencePeriod": {"start": "2026-11-23T10:30:00+01:00"}}, 400, "occurrencePeriod.end"),
        ({"authoredOn": "2026-11-23"}, 400, "authoredOn"),
        ({"authoredOn": "2026-02-30T10:30:00+01:00"}, 400, "authoredOn"),
        ({"requester": {"display": "x"}}, 400, "requester.identifier"),
        ({"performer": [{"display": "x"}]}, 400, "performer[0].identifier"),
        ({"locationCode": [{"text": "x", "coding": [{"code": "Bordeaux"}]}]}, 422, "locationCode[0].coding[0].code"),
    ],
)
def test_what_is_refused_and_where(changes: dict[str, Any], status: int, where: str) -> None:
    assert refusal(body(**changes)) == (status, {f"ServiceRequest.{where}"})


def test_a_period_that_ends_before_it_begins() -> None:
    period = {"start": "2026-11-23T10:30:00+01:00", "end": "2026-11-23T10:30:00+01:00"}
    assert refusal(body(occurrencePeriod=period)) == (422, {"ServiceRequest.occurrencePeriod.start"})


def test_the_requester_is_a_regulator() -> None:
    document = orjson.loads(render_request(REQUEST))
    identifier = document["requester"]["identifier"]
    identifier["system"] = SYSTEM_SAS
    where = "ServiceRequest.requester.identifier.type.coding[0].code"
    assert refusal(orjson.dumps(document)) == (422, {where})


def test_two_communities_cannot_be_asked_at_once() -> None:
    performer = orjson.loads(render_request(REQUEST))["performer"]
    assert refusal(body(performer=performer * 2)) == (422, {"ServiceRequest.performer"})


def test_another_resource_is_refused() -> None:
    assert refusal(body(resourceType="Appointment"))[0] == 400

"""INT_R03 bodies: what is accepted, what is refused and where, what is emitted (R03-*)."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from sandbox.fhir.appointment import (
    CATEGORY,
    OPERATOR,
    PROFILE_SOS,
    Conditional,
    parse_appointment,
    parse_conditional,
    render_appointment,
)
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, TYPES, Identifier
from sandbox.kernel.model import Appointment

REGULATOR = Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS")
TECHNICAL = Identifier(SYSTEM_SAS, "6f1c2b9e-3a54-4b8e-9d61-0c2f5a7b8d90", "INTRN")
OWN = Identifier("urn:oid:1.2.250.1.999.1", "b6e39355-8a61-4556-b340-36f7b95fec6a")
START = datetime(2026, 11, 23, 14, 0, tzinfo=PARIS)
APPOINTMENT = Appointment(
    identifier=OWN,
    operator=REGULATOR,
    status=AppointmentStatus.BOOKED,
    start=START,
    end=START + timedelta(minutes=15),
    created=datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=PARIS),
    practitioner="810100050075",
    category=OrientationCategory.PS,
)


def operator(code: str = "IDNPS", system: str = SYSTEM_PERSON, value: str = REGULATOR.value) -> dict[str, Any]:
    identifier = {"type": {"coding": [{"system": TYPES, "code": code}]}, "system": system, "value": value}
    return {"url": OPERATOR, "valueReference": {"identifier": identifier}}


def participant(value: str = "810100050075", status: str = "accepted", **changes: Any) -> dict[str, Any]:
    identifier = {
        "type": {"coding": [{"system": TYPES, "code": "IDNPS"}]},
        "system": SYSTEM_PERSON,
        "value": value,
    }
    return {"actor": {"identifier": {**identifier, **changes}}, "status": status}


ADM = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ADM"}]}
SOS_META = {"profile": [PROFILE_SOS]}

# The shape of the guide's example.
GUIDE: dict[str, Any] = {
    "resourceType": "Appointment",
    "id": "1",
    "meta": {"profile": ["http://sas.fr/fhir/StructureDefinition/FrAppointmentSAS"]},
    "extension": [operator()],
    "identifier": [{"system": OWN.system, "value": OWN.value}],
    "status": "booked",
    "start": "2026-11-23T14:00:00+01:00",
    "end": "2026-11-23T14:15:00+01:00",
    "participant": [participant()],
}


def body(**changes: Any) -> bytes:
    document = {**copy.deepcopy(GUIDE), **changes}
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def category(code: str, **value: Any) -> dict[str, Any]:
    return {"url": CATEGORY, **(value or {"valueCodeableConcept": {"coding": [{"code": code}]}})}


def refusal(content: bytes) -> tuple[int, set[str | None]]:
    with pytest.raises(RequestError) as caught:
        parse_appointment(content)
    return caught.value.status, {issue.expression for issue in caught.value.issues}


def test_the_guides_body_is_read():
    found = parse_appointment(body())
    assert (found.identifier, found.operator, found.status) == (OWN, REGULATOR, AppointmentStatus.BOOKED)
    assert (found.start, found.end) == (START, START + timedelta(minutes=15))
    assert (found.practitioner, found.category, found.created, found.sos) == ("810100050075", None, None, False)


def test_an_unprefixed_practitioner_id_is_prefixed():
    assert parse_appointment(body(participant=[participant("10100050075")])).practitioner == "810100050075"


def test_a_regulator_may_be_technical():
    extension = [operator("INTRN", SYSTEM_SAS, TECHNICAL.value)]
    assert parse_appointment(body(extension=extension)).operator == TECHNICAL


@pytest.mark.parametrize(
    ("code", "expected"),
    [("001", "PS"), ("002", "PDM"), ("003", "SOS"), ("604", "CPTS"), ("603", "MSP"), ("124", "CDS")],
)
def test_the_orientation_category_is_read(code: str, expected: str):
    assert parse_appointment(body(extension=[operator(), category(code)])).category == OrientationCategory(expected)


@pytest.mark.parametrize("value", [{"valueCoding": {"code": "604"}}, {"valueCode": "604"}])
def test_other_value_types_of_the_category_are_read(value: dict[str, Any]):
    found = parse_appointment(body(extension=[operator(), category("", **value)]))
    assert found.category is OrientationCategory.CPTS


@pytest.mark.parametrize("created", ["2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00.000Z", "2026-11-22T10:00:00"])
def test_created_is_read_with_or_without_offset(created: str):
    found = parse_appointment(body(created=created)).created
    assert found is not None
    assert found.astimezone(UTC) == datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize("status", ["pending", "booked", "fulfilled", "noshow", "cancelled"])
def test_statuses(status: str):
    assert parse_appointment(body(status=status)).status == status


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"extension": None}, "Appointment.extension"),
        ({"extension": [category("001")]}, "Appointment.extension"),
        ({"extension": [operator(), operator()]}, "Appointment.extension"),
        ({"extension": [{"url": OPERATOR}]}, "Appointment.extension[0].valueReference"),
        (
            {"extension": [{"url": OPERATOR, "valueReference": {"reference": "Practitioner/1"}}]},
            "Appointment.extension[0].valueReference.identifier",
        ),
        ({"extension": [operator(), {"url": ""}]}, "Appointment.extension[1].url"),
        (
            {"participant": [{"actor": {"identifier": {}}, "status": "accepted"}]},
            "Appointment.participant[0].actor.identifier",
        ),
        ({"identifier": None}, "Appointment.identifier"),
        ({"identifier": [{"value": "1"}]}, "Appointment.identifier[0].system"),
        ({"identifier": [{"system": "urn:x"}]}, "Appointment.identifier[0].value"),
        ({"status": None}, "Appointment.status"),
        ({"status": "reserved"}, "Appointment.status"),
        ({"start": None}, "Appointment.start"),
        ({"end": None}, "Appointment.end"),
        ({"start": "2026-11-23T14:00:00"}, "Appointment.start"),
        ({"start": "2026-11-23"}, "Appointment.start"),
        ({"start": "2026-02-30T14:00:00+01:00"}, "Appointment.start"),
        ({"created": "yesterday"}, "Appointment.created"),
        ({"participant": None}, "Appointment.participant"),
        ({"participant": [{"status": "accepted"}]}, "Appointment.participant[0].actor.identifier"),
        (
            {"participant": [{"actor": {"reference": "Practitioner/1"}, "status": "accepted"}]},
            "Appointment.participant[0].actor.identifier",
        ),
        ({"participant": [{"actor": "x", "status": "accepted"}]}, "Appointment.participant[0].actor"),
        ({"meta": {"profile": "x"}}, "Appointment.meta.profile"),
        ({"meta": SOS_META, "participant": [{"status": "needs-action"}]}, "Appointment.participant[0].type"),
    ],
)
def test_what_is_missing_or_unreadable_is_malformed(changes: dict[str, Any], expression: str):
    status, found = refusal(body(**changes))
    assert status == 400
    assert expression in found


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"status": "arrived"}, "Appointment.status"),
        ({"end": "2026-11-23T14:00:00+01:00"}, "Appointment.start"),
        ({"end": "2026-11-23T12:30:00Z"}, "Appointment.start"),
        (
            {"identifier": [{"system": "urn:x", "value": "1"}, {"system": "urn:y", "value": "2"}]},
            "Appointment.identifier",
        ),
        ({"participant": [participant(status="needs-action")]}, "Appointment.participant[0].status"),
        ({"participant": [participant(status="declined")]}, "Appointment.participant[0].status"),
        (
            {"participant": [participant(system=SYSTEM_SAS)]},
            "Appointment.participant[0].actor.identifier.system",
        ),
        (
            {"participant": [participant(type={"coding": [{"system": TYPES, "code": "INTRN"}]})]},
            "Appointment.participant[0].actor.identifier.type.coding[0].code",
        ),
        (
            {"extension": [operator("INTRN")]},
            "Appointment.extension[0].valueReference.identifier.type.coding[0].code",
        ),
        (
            {"extension": [operator("PI", "urn:x")]},
            "Appointment.extension[0].valueReference.identifier.type.coding[0].code",
        ),
        ({"extension": [operator(), category("", valueString="x")]}, "Appointment.extension[1]"),
        ({"extension": [operator(), category("999")]}, "Appointment.extension[1]"),
        ({"extension": [operator(), category("001"), category("604")]}, "Appointment.extension"),
        (
            {"meta": SOS_META, "extension": [operator(), {"url": "urn:x", "valueCode": "1"}]},
            "Appointment.extension[1].url",
        ),
        (
            {"meta": SOS_META, "participant": [{"type": [ADM], "status": "accepted"}]},
            "Appointment.participant[0].status",
        ),
    ],
)
def test_what_a_rule_refuses(changes: dict[str, Any], expression: str):
    status, found = refusal(body(**changes))
    assert status == 422
    assert expression in found


def test_all_that_is_wrong_is_told_at_once():
    status, found = refusal(body(status="x", start=None, identifier=[{"system": "urn:x"}]))
    assert status == 400
    assert found == {"Appointment.status", "Appointment.start", "Appointment.identifier[0].value"}


def test_an_sos_appointment_may_not_know_the_doctor_yet():
    found = parse_appointment(body(meta=SOS_META, participant=[{"type": [ADM], "status": "needs-action"}]))
    assert (found.practitioner, found.sos, found.participant_status) == (None, True, "needs-action")
    assert found.category is OrientationCategory.SOS


def test_an_sos_appointment_may_know_the_doctor():
    found = parse_appointment(body(meta=SOS_META, participant=[participant()]))
    assert (found.practitioner, found.participant_status) == ("810100050075", "accepted")


def test_the_practitioner_is_found_among_several_participants():
    others = [{"type": [ADM], "status": "accepted"}, participant("8" + "1" * 11)]
    assert parse_appointment(body(participant=others)).practitioner == "8" + "1" * 11


def test_extensions_that_we_do_not_know_are_left_alone():
    other = {"url": "http://example.org/x", "valueString": "y"}
    assert parse_appointment(body(extension=[other, operator()])).operator == REGULATOR


def test_further_elements_of_fhir_are_accepted_and_false_ones_refused():
    assert parse_appointment(body(minutesDuration=15, description="suite")).identifier == OWN
    assert refusal(body(minutesDuration="long")) == (400, {"Appointment.minutesDuration"})


def test_what_our_rules_told_is_not_told_twice_by_the_model():
    with pytest.raises(RequestError) as caught:
        parse_appointment(body(start="tomorrow", comment="x"))
    assert [issue.expression for issue in caught.value.issues] == ["Appointment.start"]


@pytest.mark.requirement("R03-9")
def test_rendering_is_read_back():
    assert parse_appointment(render_appointment(APPOINTMENT, id="7")) == APPOINTMENT


@pytest.mark.parametrize("given", [*OrientationCategory])
def test_every_category_is_read_back(given: OrientationCategory):
    changed = Appointment(OWN, REGULATOR, AppointmentStatus.BOOKED, START, APPOINTMENT.end, None, "810100050075", given)
    assert parse_appointment(render_appointment(changed)).category is given


def sos_appointment(practitioner: str | None, status: str) -> Appointment:
    return Appointment(
        OWN,
        TECHNICAL,
        AppointmentStatus.BOOKED,
        START,
        APPOINTMENT.end,
        practitioner=practitioner,
        category=OrientationCategory.SOS,
        sos=True,
        participant_status=status,
    )


@pytest.mark.parametrize(("practitioner", "status"), [(None, "needs-action"), ("810100050075", "accepted")])
def test_sos_is_emitted_with_the_operator_as_only_extension(practitioner: str | None, status: str):
    appointment = sos_appointment(practitioner, status)
    content = render_appointment(appointment)
    assert [extension["url"] for extension in orjson.loads(content)["extension"]] == [OPERATOR]
    assert parse_appointment(content) == appointment


def emitted(*extensions: dict[str, Any], profile: str, who: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole document that the profile wants for one of the appointments above, and nothing else."""
    return {
        "resourceType": "Appointment",
        "id": "7",
        "meta": {"profile": [profile]},
        "extension": list(extensions),
        "identifier": [{"system": "urn:oid:1.2.250.1.999.1", "value": "b6e39355-8a61-4556-b340-36f7b95fec6a"}],
        "status": "booked",
        "start": "2026-11-23T14:00:00.000+01:00",
        "end": "2026-11-23T14:15:00.000+01:00",
        "participant": [who],
        **more,
    }


ORIENTATION = {
    "url": "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-categorie-orientation",
    "valueCodeableConcept": {
        "coding": [
            {
                "system": "https://interop.esante.gouv.fr/ig/fhir/sas/CodeSystem/categorie-orientation-sas-codesystem",
                "code": "001",
            }
        ]
    },
}
PROFILE = "http://sas.fr/fhir/StructureDefinition/FrAppointmentSAS"
SOS = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/sas-sos-appointment"
OF_TECHNICAL = operator("INTRN", "urn:oid:1.2.250.1.213.3.6", TECHNICAL.value)


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize(
    ("appointment", "document"),
    [
        (
            APPOINTMENT,
            emitted(
                operator(), ORIENTATION, profile=PROFILE, who=participant(), created="2026-11-22T10:00:00.123+01:00"
            ),
        ),
        (
            sos_appointment(None, "needs-action"),
            emitted(OF_TECHNICAL, profile=SOS, who={"type": [ADM], "status": "needs-action"}),
        ),
        (
            sos_appointment("810100050075", "accepted"),
            emitted(OF_TECHNICAL, profile=SOS, who=participant()),
        ),
    ],
    ids=["practitioner", "sos", "sos-practitioner"],
)
def test_emitted_is_what_the_profile_wants_and_nothing_else(appointment: Appointment, document: dict[str, Any]):
    assert orjson.loads(render_appointment(appointment, id="7")) == document


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize(
    "appointment", [APPOINTMENT, sos_appointment(None, "needs-action"), sos_appointment("810100050075", "accepted")]
)
def test_rendering_meets_the_official_profile(appointment: Appointment, profile_errors: Any):
    assert profile_errors(orjson.loads(render_appointment(appointment, id="7"))) == []


@pytest.mark.parametrize(
    "query",
    [
        "identifier=urn:oid:1.2.3|abc",
        "Identifier=urn:oid:1.2.3|abc",
        "identifier=urn%3Aoid%3A1.2.3%7Cabc",
        "_format=json&identifier=%20urn:oid:1.2.3%7Cabc%20",
    ],
)
def test_a_conditional_is_read_however_it_is_encoded(query: str):
    assert parse_conditional(query) == Conditional("urn:oid:1.2.3", "abc")


def test_a_conditional_may_lack_its_system():
    token = parse_conditional("Identifier=3456780581%2F11242343")
    assert token == Conditional(None, "3456780581/11242343")
    assert token.matches(REGULATOR)
    assert not Conditional("urn:x", REGULATOR.value).matches(REGULATOR)
    assert not parse_conditional("identifier=%7C3456780581/11242343").matches(REGULATOR)


@pytest.mark.parametrize(
    "query",
    ["", "identifier=", "identifier=urn:x|", "identifier=a|b|c", "identifier=a,b", "identifier=a&Identifier=b", "id=3"],
)
def test_a_conditional_that_names_nobody_is_malformed(query: str):
    with pytest.raises(RequestError) as caught:
        parse_conditional(query)
    assert caught.value.status == 400

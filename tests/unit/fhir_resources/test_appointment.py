"""INT_R03 bodies: what is accepted, what is refused and where, what is emitted (R03-*)."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from sandbox.fhir.appointment import (
    Conditional,
    parse_conditional,
    receive_appointment,
    render_appointment,
)
from sandbox.fhir.nos import (
    APPOINTMENT_PROFILE,
    CATEGORY,
    MARKETPLACE_APPOINTMENT_PROFILE,
    OPERATOR,
    SOS_APPOINTMENT_PROFILE,
)
from sandbox.fhir.profiles import check
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import IG_VERSIONS, AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, TYPES, Identifier
from sandbox.kernel.model import Appointment
from tests.support.appointments import parse_appointment

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
SOS_META = {"profile": [SOS_APPOINTMENT_PROFILE]}

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


@pytest.mark.parametrize(
    ("created", "first"), [("2030", "2030-01-01"), ("2030-07", "2030-07-01"), ("2030-07-14", "2030-07-14")]
)
def test_created_may_be_a_partial_date_as_fhir_allows(created: str, first: str):
    found = parse_appointment(body(created=created)).created
    assert found is not None
    assert found.isoformat()[:19] == f"{first}T00:00:00"


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


def findings(content: bytes) -> list[tuple[str, str]]:
    return [(each.requirement, each.path) for each in receive_appointment(content).findings]


PROFILES = (APPOINTMENT_PROFILE, SOS_APPOINTMENT_PROFILE, MARKETPLACE_APPOINTMENT_PROFILE)
IMPLIED = dict(zip(PROFILES, (None, OrientationCategory.SOS, OrientationCategory.PDM), strict=True))
SOUGHT = {"type": [ADM], "status": "needs-action"}


@pytest.mark.requirement("R03-11", "R03-13")
@pytest.mark.parametrize("profile", PROFILES)
def test_a_doctor_may_still_be_sought_in_every_profile(profile: str):
    content = body(meta={"profile": [profile]}, status="pending", participant=[SOUGHT])
    found = parse_appointment(content)
    assert (found.practitioner, found.participant_status) == (None, "needs-action")
    assert (found.sos, found.marketplace) == (profile == PROFILES[1], profile == PROFILES[2])
    assert found.category is IMPLIED[profile]
    assert findings(content) == []
    known = body(meta={"profile": [profile]}, status="pending", participant=[participant(status="needs-action")])
    assert (parse_appointment(known).practitioner, findings(known)) == ("810100050075", [])


@pytest.mark.requirement("R03-11")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("row", [SOUGHT, participant(status="needs-action")], ids=["unknown", "known"])
@pytest.mark.parametrize("status", ["booked", "fulfilled", "noshow", "cancelled"])
def test_needs_action_is_taken_with_a_finding_unless_pending(profile: str, row: dict[str, Any], status: str):
    content = body(meta={"profile": [profile]}, status=status, participant=[row])
    assert parse_appointment(content).participant_status == "needs-action"
    assert findings(content) == [("R03-11", "Appointment.participant[0].status")]


def test_every_participant_is_looked_at():
    rows = [participant(), SOUGHT]
    assert findings(body(participant=rows)) == [("R03-11", "Appointment.participant[1].status")]
    assert findings(body(status="pending", participant=rows)) == []
    assert refusal(body(status="nothing", participant=rows)) == (400, {"Appointment.status"})


def test_an_appointment_that_never_had_a_doctor_is_cancelled_without_one():
    content = body(meta=SOS_META, status="cancelled", participant=[{"type": [ADM], "status": "accepted"}])
    found = parse_appointment(content)
    assert (found.practitioner, found.participant_status, findings(content)) == (None, "accepted", [])
    assert render_appointment(found) == render_appointment(parse_appointment(render_appointment(found)))


@pytest.mark.requirement("R03-12")
def test_the_operator_belongs_in_the_first_place():
    other = {"url": "http://example.org/x", "valueString": "y"}
    assert findings(body(extension=[operator(), other])) == []
    assert findings(body(extension=[other, operator()])) == [("R03-12", "Appointment.extension[0]")]
    assert findings(body(extension=[category("604"), operator()])) == [("R03-12", "Appointment.extension[0]")]


@pytest.mark.parametrize("value", ["81234567", "12345678", "10100050075", "8101000500751", "0123", "x"])
def test_an_id_that_is_no_prefixed_rpps_or_adeli_is_a_finding(value: str):
    content = body(participant=[participant(value)])
    assert findings(content) == [("R03-9", "Appointment.participant[0].actor.identifier.value")]


@pytest.mark.parametrize("value", ["810100050075", "0339900015", "02A9900015"])
def test_a_prefixed_id_is_none(value: str):
    assert findings(body(participant=[participant(value)])) == []


@pytest.mark.requirement("R03-13")
def test_the_marketplace_may_leave_the_operator_to_the_creation():
    meta = {"profile": [MARKETPLACE_APPOINTMENT_PROFILE]}
    found = parse_appointment(body(meta=meta, extension=None))
    assert found.operator == Identifier("", "")
    assert "extension" not in orjson.loads(render_appointment(found))
    assert parse_appointment(body(meta=meta)).operator == REGULATOR
    assert refusal(body(meta=meta, extension=[operator(), operator()])) == (400, {"Appointment.extension"})
    assert parse_appointment(body(meta=meta, extension=[category("604")])).category is OrientationCategory.CPTS
    assert refusal(body(meta=SOS_META, extension=None)) == (400, {"Appointment.extension"})


@pytest.mark.parametrize("meta", [SOS_META, {"profile": [MARKETPLACE_APPOINTMENT_PROFILE]}])
def test_the_category_of_the_extension_decides_over_that_of_the_profile(meta: dict[str, Any]):
    found = parse_appointment(body(meta=meta, extension=[operator(), category("001")]))
    assert found.category is OrientationCategory.PS
    assert parse_appointment(render_appointment(found)) == found


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"modifierExtension": [{"url": "urn:x", "valueCode": "not"}]}, "Appointment.modifierExtension[0]"),
        ({"implicitRules": "urn:x"}, "Appointment.implicitRules"),
        (
            {"participant": [{**participant(), "modifierExtension": [{"url": "urn:x", "valueCode": "not"}]}]},
            "Appointment.participant[0].modifierExtension[0]",
        ),
        (
            {"contained": [{"resourceType": "Location", "id": "a", "implicitRules": "urn:x"}]},
            "Appointment.contained[0].implicitRules",
        ),
    ],
)
def test_what_may_turn_the_meaning_around_is_refused(changes: dict[str, Any], expression: str):
    assert refusal(body(**changes)) == (422, {expression})


@pytest.mark.parametrize("octet", ["\x00", "\x07", "\x08", "\x0b", "\x0c", "\x1f"])
def test_control_characters_are_refused_wherever_they_stand(octet: str):
    damaged = body(
        identifier=[{"system": OWN.system, "value": f"a{octet}b"}],
        participant=[participant(f"8101{octet}")],
        description=f"a{octet}",
    )
    assert refusal(damaged) == (
        400,
        {
            "Appointment.identifier[0].value",
            "Appointment.participant[0].actor.identifier.value",
            "Appointment.description",
        },
    )


def test_line_ends_and_tabs_are_admitted():
    assert parse_appointment(body(description="a\tb\r\nc")).identifier == OWN


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


def sos_appointment(practitioner: str | None, status: AppointmentStatus) -> Appointment:
    sought = practitioner is None and status is AppointmentStatus.PENDING
    return Appointment(
        OWN,
        TECHNICAL,
        status,
        START,
        APPOINTMENT.end,
        practitioner=practitioner,
        category=OrientationCategory.SOS,
        sos=True,
        participant_status="needs-action" if sought else "accepted",
    )


EMITTED_BY_SOS = [
    sos_appointment(None, AppointmentStatus.PENDING),
    sos_appointment("810100050075", AppointmentStatus.BOOKED),
    sos_appointment(None, AppointmentStatus.CANCELLED),
]
MARKETPLACE = replace(
    EMITTED_BY_SOS[0], operator=REGULATOR, sos=False, marketplace=True, category=OrientationCategory.PDM
)


@pytest.mark.parametrize("appointment", [*EMITTED_BY_SOS, MARKETPLACE])
def test_sos_and_marketplace_are_emitted_with_the_operator_as_only_extension(appointment: Appointment):
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
        (EMITTED_BY_SOS[0], emitted(OF_TECHNICAL, profile=SOS, who=SOUGHT, status="pending")),
        (EMITTED_BY_SOS[1], emitted(OF_TECHNICAL, profile=SOS, who=participant())),
        (
            EMITTED_BY_SOS[2],
            emitted(OF_TECHNICAL, profile=SOS, who={"type": [ADM], "status": "accepted"}, status="cancelled"),
        ),
    ],
    ids=["practitioner", "sos-pending", "sos-practitioner", "sos-cancelled"],
)
def test_emitted_is_what_the_profile_wants_and_nothing_else(appointment: Appointment, document: dict[str, Any]):
    assert orjson.loads(render_appointment(appointment, id="7")) == document


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize("ig", IG_VERSIONS)
@pytest.mark.parametrize("appointment", [APPOINTMENT, *EMITTED_BY_SOS])
def test_rendering_meets_the_profile_of_both_versions(appointment: Appointment, ig: str):
    assert check(orjson.loads(render_appointment(appointment, id="7")), ig) == []


@pytest.mark.requirement("R03-9")
@pytest.mark.parametrize("ig", IG_VERSIONS)
@pytest.mark.parametrize("appointment", [APPOINTMENT, *EMITTED_BY_SOS])
def test_rendering_meets_the_official_profile(appointment: Appointment, ig: str, profile_errors: Any):
    assert profile_errors(orjson.loads(render_appointment(appointment, id="7")), ig) == []


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


@pytest.mark.parametrize(
    "query", ["identifier=urn:x|a%00b", "identifier=urn:x%09|ab", "_format=%00&identifier=urn:x|a"]
)
def test_a_conditional_has_no_control_characters(query: str):
    with pytest.raises(RequestError) as caught:
        parse_conditional(query)
    (issue,) = caught.value.issues
    assert (caught.value.status, issue.code) == (400, "value")
    assert issue.expression == f"http.{query.partition('=')[0]}"


def test_a_conditional_may_lack_its_system():
    token = parse_conditional("Identifier=3456780581%2F11242343")
    assert token == Conditional(None, "3456780581/11242343")
    assert token.matches(REGULATOR)
    assert not Conditional("urn:x", REGULATOR.value).matches(REGULATOR)
    assert not parse_conditional("identifier=%7C3456780581/11242343").matches(REGULATOR)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "identifier=",
        "identifier=urn:x|",
        "identifier=a|b|c",
        "identifier=a,b",
        "identifier=a&Identifier=b",
        "id=3",
        "identifier=a%00b",
    ],
)
def test_a_conditional_that_names_nobody_is_malformed(query: str):
    with pytest.raises(RequestError) as caught:
        parse_conditional(query)
    assert caught.value.status == 400

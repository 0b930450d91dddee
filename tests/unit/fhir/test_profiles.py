"""Our own statement of the profiles: what the official definitions cannot say, and shapes that are none."""

from __future__ import annotations

import json

import pytest

from sandbox.fhir import nos
from sandbox.fhir.profiles import check
from sandbox.kernel.identifiers import SYSTEM_PERSON, TYPES

SLOT = {
    "resourceType": "Slot",
    "id": "s1",
    "meta": {"profile": [nos.SLOT_PROFILE], "security": [{"system": nos.VISIBILITY, "code": "PUBLIC"}]},
    "serviceType": [{"coding": [{"system": nos.CONSULTATION, "code": "AMB"}]}],
    "appointmentType": {"coding": [{"system": nos.BOOKING, "code": "ROUTINE"}]},
    "schedule": {"reference": "Schedule/1"},
    "status": "free",
    "start": "2026-11-23T09:00:00.000+01:00",
    "end": "2026-11-23T09:15:00.000+01:00",
    "comment": "https://editeur.example/rdv?a=1",
}
SHORT = {"extension": [{"url": nos.SERVICE_TYPE, "valueReference": {"reference": "HealthcareService/1"}}],
         "coding": [{"system": nos.ESTABLISHMENT_SHORT, "code": "604"}]}  # fmt: skip
INTERNAL = {"coding": [{"system": nos.CORE_TYPES, "code": "INTRN"}]}
CPTS_META = {"profile": [nos.CPTS_SLOT_PROFILE], "security": [{"system": nos.VISIBILITY, "code": "CPTS"}]}


def requirements(resource):
    return {finding.requirement for finding in check(resource)}


def test_a_right_slot_has_no_findings():
    assert check(SLOT) == []
    assert check({**SLOT, "meta": CPTS_META, "serviceType": [SHORT]}) == []  # the short system is accepted


@pytest.mark.parametrize(
    ("change", "requirement"),
    [
        ({"start": "2026-11-23T09:00:00+01:00"}, "R01-45"),
        ({"start": "2026-11-23T08:00:00.000Z"}, "R01-45"),
        ({"end": "2026-11-23T09:00:00.000+01:00"}, "R01-11"),
        ({"comment": "javascript:alert(1)"}, "R01-25"),
        ({"comment": None}, ""),
        ({"schedule": {"reference": "Practitioner/1"}}, "R01-12"),
        ({"appointmentType": {"coding": [{"system": nos.BOOKING, "code": "FOLLOWUP"}]}}, "R01-49"),
        ({"serviceType": [{"coding": [{"system": "urn:x", "code": "AMB"}]}]}, "R01-24"),
        ({"serviceType": [{"coding": ["AMB"]}]}, "R01-24"),
        ({"serviceType": [{"text": "AMB"}]}, "R01-24"),
        ({"serviceType": ["AMB"]}, "R01-24"),
        ({"serviceType": [{"coding": [{"system": nos.CONSULTATION, "code": "XXX"}]}]}, "R01-48"),
        ({"serviceType": [{"coding": [{"system": nos.ESTABLISHMENT, "code": "604"}]}]}, "R04-2"),
        ({"serviceType": [SHORT]}, "R04-2"),
        ({"meta": CPTS_META}, "R04-2"),
        ({"meta": {"profile": [nos.SLOT_PROFILE]}}, "R01-23"),
        ({"meta": {"profile": [nos.SLOT_PROFILE, nos.SLOT_PROFILE]}}, ""),
        ({"meta": {"profile": ["urn:other"]}}, ""),
        ({"meta": "x"}, ""),
        ({"resourceType": "Schedule"}, ""),
        ({"specialty": [{}]}, ""),
        ({"comment": ["https://x.example", "https://y.example"]}, "R01-25"),
        ({"schedule": "Schedule/1"}, "R01-12"),
    ],
)
def test_each_deviation_names_its_requirement(change, requirement):
    assert requirement in requirements({**SLOT, **change})


def test_bookable_slot_without_url_is_found_and_a_walk_in_needs_none():
    without = {key: value for key, value in SLOT.items() if key != "comment"}
    assert requirements(without) == {"R01-25"}
    assert check({**without, "appointmentType": {"coding": [{"system": nos.BOOKING, "code": "WALKIN"}]}}) == []


def test_contained_location_must_be_the_one_referred_to():
    location = {
        "resourceType": "Location", "id": "a", "meta": {"profile": [nos.LOCATION_PROFILE]},
        "identifier": [{"type": INTERNAL, "system": "urn:x", "value": "1"}],
        "address": {"line": ["1 rue X"], "city": "Y", "postalCode": "33000"},
    }  # fmt: skip
    role = {
        "resourceType": "PractitionerRole", "id": "r", "meta": {"profile": [nos.ROLE_PROFILE]}, "contained": [location],
        "practitioner": {"reference": "https://x.example/Practitioner/1"},
        "organization": {
            "identifier": {
                "type": {"coding": [{"system": nos.CORE_TYPES, "code": "IDNST"}]},
                "system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1330000011",
            }
        },
        "location": [{"reference": "#a"}],
    }  # fmt: skip
    assert check(role) == []
    assert requirements({**role, "location": [{"reference": "#b"}]}) == {"R01-22"}
    assert "R01-22" in requirements({**role, "contained": [{"resourceType": "Patient", "id": "a"}]})
    six = {**location["address"], "postalCode": "330000"}
    assert "R01-40" in requirements({**role, "contained": [{**location, "address": six}]})
    assert "R01-38" in requirements(
        {**role, "contained": [{**location, "address": {"city": "Y", "postalCode": "33000"}}]}
    )


def bundle(profile=nos.BUNDLE_PROFILE, **more):
    entry = {"fullUrl": "https://x.example/Slot/s1", "resource": SLOT, "search": {"mode": "match"}}
    link = [{"relation": "self", "url": "https://x.example/Slot"}]
    return {
        "resourceType": "Bundle", "meta": {"profile": [profile]}, "type": "searchset", "total": 1, "link": link,
        "entry": [entry], **more,
    }  # fmt: skip


def test_bundles_are_judged_with_their_entries():
    assert check(bundle()) == []
    assert "R01-14" in requirements(bundle(type="collection"))
    assert "R01-L" in requirements(bundle(link=[{"relation": "next", "url": "https://x.example"}]))
    assert "R01-13" in requirements(bundle(entry=[{"resource": SLOT}]))
    assert "R01-10" in requirements(bundle(entry=[{**bundle()["entry"][0], "resource": {**SLOT, "status": "busy"}}]))
    assert "R01-13" in requirements(bundle(entry=["x"]))
    assert "R01-13" in requirements(bundle(entry=[{"fullUrl": "urn:x", "resource": 7, "search": {"mode": "match"}}]))
    wrong = check(bundle(nos.SOS_BUNDLE_PROFILE))
    assert {finding.text for finding in wrong} >= {"no Location in it", "not the profile of a Slot here"}
    assert check(bundle(nos.SOS_BUNDLE_PROFILE, total=0, entry=None) | {"entry": []})[0].text == "empty element"


def test_what_was_asked_to_be_included_must_be_there():
    def link(query):
        return [{"relation": "self", "url": f"https://x.example/Slot?{query}"}]

    asked = bundle(link=link("_include=Slot%3Aschedule&_include:iterate=Schedule:actor"))
    assert [(each.requirement, each.path) for each in check(asked)] == [
        ("R01-12", "Bundle.entry[0].resource.schedule.reference")
    ]
    assert check(bundle(link=link("_include=Slot:other&_revinclude=Slot:schedule"))) == []
    broken = bundle(link=link("_include=Slot:schedule"), entry=[{**bundle()["entry"][0], "resource": 7}])
    assert requirements(broken) == {"R01-13"}
    assert "R01-L" in requirements(bundle(link=None))


def test_empty_cpts_and_sos_answers_are_not_asked_for_entries_and_have_one_link():
    for profile in (nos.CPTS_BUNDLE_PROFILE, nos.SOS_BUNDLE_PROFILE):
        empty = bundle(profile, total=0)
        del empty["entry"]
        assert check(empty) == []
        twice = [*empty["link"], {"relation": "next", "url": "https://x.example"}]
        assert requirements({**empty, "link": twice}) == {"R01-L"}


OPERATOR = {
    "url": nos.OPERATOR,
    "valueReference": {
        "identifier": {"type": {"coding": [{"code": "IDNPS"}]}, "system": SYSTEM_PERSON, "value": "3456780581/1"}
    },
}
DOCTOR = {
    "type": {"coding": [{"system": TYPES, "code": "IDNPS"}]},
    "system": SYSTEM_PERSON,
    "value": "819800000309",
}
ADM = [{"coding": [{"system": nos.PARTICIPATION, "code": "ADM"}]}]
APPOINTMENT = {
    "resourceType": "Appointment",
    "meta": {"profile": [nos.APPOINTMENT_PROFILE]},
    "extension": [OPERATOR],
    "identifier": [{"system": "urn:oid:1.2.3", "value": "a"}],
    "status": "booked",
    "start": "2026-11-23T09:00:00.000+01:00",
    "end": "2026-11-23T09:15:00.000+01:00",
    "participant": [{"actor": {"identifier": DOCTOR}, "status": "accepted"}],
}
OTHER = {"url": "urn:x", "valueCode": "y"}
ELSEWHERE = [{"actor": {"identifier": {**DOCTOR, "value": "81234567"}}, "status": "accepted"}]
NEEDED = [{"actor": {"identifier": DOCTOR}, "status": "needs-action"}]
SOUGHT = [{"type": ADM, "status": "needs-action"}]
ODD = {"url": nos.OPERATOR, "valueReference": {"identifier": {"type": {"coding": [{"code": "INTRN"}]},
       "system": SYSTEM_PERSON}}}  # fmt: skip


@pytest.mark.requirement("R03-9", "R03-11", "R03-12")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, set()),
        ({"status": "pending", "participant": SOUGHT}, set()),
        ({"participant": NEEDED}, {"R03-11"}),
        ({"participant": SOUGHT}, {"R03-11"}),
        ({"extension": [OTHER, OPERATOR]}, {"R03-12"}),
        ({"extension": [OPERATOR, OTHER]}, set()),
        ({"extension": [OTHER]}, {"R03-7"}),
        ({"extension": [ODD]}, {"R03-7"}),
        ({"extension": ["x"]}, {"R03-7"}),
        ({"participant": ELSEWHERE}, {"R03-9"}),
        ({"participant": [{"status": "accepted"}]}, {"R03-9"}),
        ({"participant": ["x"]}, {"R03-9"}),
        ({"participant": [{"actor": {"identifier": DOCTOR}, "status": "declined"}]}, {"R03-9"}),
        ({"status": "arrived"}, {"R03-9"}),
        ({"start": "2026-11-23T09:00:00"}, {"R03-9"}),
        ({"identifier": []}, {"", "R03-9"}),
    ],
)
def test_appointments_are_judged(change, expected):
    assert requirements({**APPOINTMENT, **change}) == expected


@pytest.mark.requirement("R03-13")
def test_sos_and_the_marketplace_admit_no_other_extension_and_only_the_marketplace_none():
    for profile in (nos.SOS_APPOINTMENT_PROFILE, nos.MARKETPLACE_APPOINTMENT_PROFILE):
        stated = {**APPOINTMENT, "meta": {"profile": [profile]}}
        assert requirements(stated) == set()
        assert requirements({**stated, "extension": [OPERATOR, OTHER]}) == {"R03-9"}
        bare = {name: value for name, value in stated.items() if name != "extension"}
        assert requirements(bare) == ({"R03-7"} if profile == nos.SOS_APPOINTMENT_PROFILE else set())


def test_a_version_that_is_chosen_judges_more_narrowly():
    pending = {**APPOINTMENT, "status": "pending", "participant": NEEDED}
    assert [check(pending, ig) == [] for ig in (None, "1.1.0", "1.2.0")] == [True, False, True]
    core = {**DOCTOR, "type": {"coding": [{"system": nos.CORE_TYPES, "code": "IDNPS"}]}}
    other = {**APPOINTMENT, "participant": [{"actor": {"identifier": core}, "status": "accepted"}]}
    assert [check(other, ig) == [] for ig in (None, "1.1.0", "1.2.0")] == [True, False, False]


@pytest.mark.parametrize(("ig", "folder"), [("1.1.0", "ig-sas-1.1.0"), ("1.2.0", "ig-sas-1.2.0-ci")])
def test_official_organizations_of_cpts_are_of_their_version(shared, ig, folder):
    for path in (shared / "reference" / folder / "examples").glob("Organization-*CPTS*.json"):
        assert check(json.loads(path.read_text(encoding="utf-8")), ig) == []


def test_official_examples_agree_with_our_rules(shared):
    """But for `search.mode`, which came with 1.2.0, and two examples that miss their own profile."""
    found = {}
    for path in sorted((shared / "reference" / "ig-sas-1.1.0" / "examples").glob("*.json")):
        resource = json.loads(path.read_text(encoding="utf-8"))
        if resource["resourceType"] != "Appointment":
            findings = [finding for finding in check(resource) if not finding.path.endswith(".search")]
            found |= {path.stem: [finding.requirement for finding in findings]} if findings else {}
    assert found == {
        "Practitioner-ExamplePractitionerRegul1": ["R02-1"],
        "PractitionerRole-ExamplePractitionerRoleAgregateur": ["R01-20", "R01-20"],  # neither type nor system
    }

"""Our own statement of the profiles: what the official definitions cannot say, and shapes that are none."""

from __future__ import annotations

import json

import pytest

from sandbox.fhir import nos
from sandbox.fhir.profiles import check

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

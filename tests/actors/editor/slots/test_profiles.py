"""Answers are valid by the official definitions, where these are available, and always by our own rules; both agree."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.editor.fhir.slots import answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.queries.search import slot_query
from tests.actors.editor.slots.answers import of, thin

EXAMPLES = [
    "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "practitioner_adeli",
    "practitioner_no_phone", "practitioner_no_slots", "practitioner_cpts", "practitioner_two_cpts_one_slot",
    "practitioner_two_cpts_two_slots", "sos_associations", "sos_two_sites",
]  # fmt: skip


# An INT_R04 answer also holds slots that no CPTS sees. The definition wants the extension in the slice `referencecpts`
# only; the validator wants it in every slot.
ALARM = "Slot.serviceType.extension:sas-servicetype-r5: Profile slice"


@pytest.mark.requirement("R01-9", "R01-13", "R01-31", "R01-32", "R04-1", "SOS-3")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_meets_our_own_rules(editors, name):
    bundle = editors.bundle(name)
    assert bundle["total"] or name == "practitioner_no_slots"
    assert check(bundle) == []


@pytest.mark.requirement("R01-9", "R01-13", "R01-31", "R01-32", "R04-1", "SOS-3")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_meets_the_official_profiles(editors, official, name):
    assert official(thin(editors.bundle(name, 24))) == []


def day_of(editors, slug, ids):
    """The answer about a day of these people."""
    query = slot_query(ids, editors.now, editors.now + timedelta(days=1), cpts=slug == "rdv-commune")
    return json.loads(answer_slots(editors.server(slug), query))


@pytest.fixture(params=["agenda-azur", "rdv-commune"])
def procedural(editors, request):
    """A day of people who are not in a persona file."""
    return day_of(editors, request.param, [person.id for person in editors.population.of_editor(request.param)[-8:]])


@pytest.fixture
def mixed(editors):
    """A day with slots that a CPTS sees and slots that it does not."""
    return day_of(editors, "rdv-commune", ["819800000077", "819800000119"])


def test_procedural_people_meet_our_own_rules(procedural):
    assert procedural["total"] > 0
    assert check(procedural) == []


def test_procedural_people_meet_the_official_profiles(procedural, official):
    assert [error for error in official(thin(procedural)) if ALARM not in error] == []


def test_answer_with_slots_that_cpts_see_and_others_meets_our_own_rules(mixed):
    seen = {"CPTS" in {label["code"] for label in slot["meta"]["security"]} for slot in of(mixed, "Slot")}
    assert seen == {True, False}
    assert check(mixed) == []


def test_answer_with_slots_that_cpts_see_and_others_meets_the_official_profiles(mixed, official):
    assert [error for error in official(thin(mixed)) if ALARM not in error] == []


# (example, resource type, path to spoil, new value or None to remove it, requirement that our finding names)
DAMAGED = [
    ("practitioner_one_site", "Slot", ("start",), "demain", "R01-45"),
    ("practitioner_one_site", "Slot", ("start",), None, "R01-45"),
    ("practitioner_one_site", "Slot", ("end",), None, "R01-45"),
    ("practitioner_one_site", "Slot", ("status",), "busy", "R01-10"),
    ("practitioner_one_site", "Slot", ("schedule",), None, "R01-12"),
    ("practitioner_one_site", "Practitioner", ("identifier",), None, "R01-16"),
    ("practitioner_one_site", "Practitioner", ("identifier", 0, "system"), "urn:oid:1.2.3", "R01-17"),
    ("practitioner_one_site", "Practitioner", ("identifier", 0, "type", "coding", 0, "code"), "INTRN", "R01-17"),
    ("practitioner_one_site", "PractitionerRole", ("contained",), None, "R01-22"),
    ("practitioner_one_site", "PractitionerRole", ("location",), None, "R01-22"),
    ("practitioner_one_site", "PractitionerRole", ("organization", "identifier", "system"), "urn:oid:1", "R01-20"),
    ("practitioner_one_site", "PractitionerRole", ("contained", 0, "address", "city"), None, "R01-39"),
    ("practitioner_one_site", "PractitionerRole", ("contained", 0, "address", "postalCode"), None, "R01-40"),
    ("practitioner_one_site", "Schedule", ("actor",), None, "R01-12"),
    ("practitioner_cpts", "Slot", ("meta", "security", 0, "code"), "VIP", "R01-46"),
    ("practitioner_cpts", "HealthcareService", ("providedBy",), None, "R04-3"),
    ("practitioner_cpts", "Organization", ("identifier", 0, "value"), "339900011", "R04-4"),
    ("practitioner_cpts", "Organization", ("identifier",), None, "R04-4"),
    ("sos_two_sites", "Slot", ("meta", "security", 0, "code"), "PRO", "R01-46"),
    ("sos_two_sites", "Schedule", ("actor",), None, "SOS-4"),
    ("sos_two_sites", "Location", ("name",), None, "SOS-5"),
    ("sos_two_sites", "Location", ("managingOrganization",), None, "SOS-5"),
    ("sos_two_sites", "Location", ("identifier", 0, "type", "coding", 0, "code"), "IDNST", "R01-37"),
    ("sos_two_sites", "Organization", ("identifier", 0, "value"), "99900300000018", "SOS-6"),
]
IDS = [f"{case[1]}.{'.'.join(map(str, case[2]))}={case[3]}" for case in DAMAGED]


def spoil(editors, case) -> dict[str, Any]:
    name, kind, path, value, _ = case
    wanted = [entry["resource"] for entry in editors.bundle(name)["entry"] if entry["resource"]["resourceType"] == kind]
    resource = copy.deepcopy(wanted[0])
    node: Any = resource
    for step in path[:-1]:
        node = node[step]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return resource


@pytest.mark.parametrize("case", DAMAGED, ids=IDS)
def test_damaged_resource_is_found_by_our_rules_with_its_requirement(editors, case):
    assert case[4] in [finding.requirement for finding in check(spoil(editors, case))]


@pytest.mark.parametrize("case", DAMAGED, ids=IDS)
def test_damaged_resource_is_refused_by_the_official_profiles_too(editors, official, case):
    assert official(spoil(editors, case))

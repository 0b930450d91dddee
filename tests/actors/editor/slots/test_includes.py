"""Resources sent with slots: CPTS and their services, requested includes, and refused ones (INT_R04)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir import nos
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.errors import RequestError
from tests.actors.editor.slots.answers import of


def cpts_of(slot):
    return [
        extension["valueReference"]["reference"].removeprefix("HealthcareService/")
        for concept in slot["serviceType"]
        for extension in concept.get("extension", ())
    ]


@pytest.mark.requirement("R04-5", "R04-6")
def test_slot_of_two_cpts_names_both_and_slots_of_two_cpts_name_one_each(editors):
    both = of(editors.bundle("practitioner_two_cpts_one_slot"), "Slot")
    assert {tuple(cpts_of(slot)) for slot in both} == {("1339900011", "1339900029")}
    each = of(editors.bundle("practitioner_two_cpts_two_slots"), "Slot")
    assert {tuple(cpts_of(slot)) for slot in each} == {("1699900012",), ("1699900020",)}
    for slot in both + each:
        assert [coding["code"] for coding in slot["meta"]["security"]] == ["CPTS"]
    bundle = editors.bundle("practitioner_two_cpts_two_slots")
    assert {each["providedBy"]["reference"] for each in of(bundle, "HealthcareService")} == {
        f"Organization/{each['id']}" for each in of(bundle, "Organization")
    }


@pytest.mark.requirement("R04-1")
def test_int_r04_answer_uses_cpts_profiles_for_all_slots_and_the_shared_ones_for_the_rest(editors):
    query = slot_query(["819800000077", "819800000119"], editors.now, editors.now + timedelta(days=3), cpts=True)
    bundle = json.loads(answer_slots(editors.server("rdv-commune"), query))
    assert bundle["meta"]["profile"] == [nos.CPTS_BUNDLE_PROFILE]
    slots = of(bundle, "Slot")
    assert {slot["meta"]["profile"][0] for slot in slots} == {nos.CPTS_SLOT_PROFILE}
    seen = [bool(cpts_of(slot)) for slot in slots]
    assert True in seen
    assert False in seen  # those of the practitioner without CPTS are as in INT_R01
    assert all(any(c["code"] == "CPTS" for c in slot["meta"]["security"]) == bool(cpts_of(slot)) for slot in slots)
    assert of(bundle, "Schedule")[0]["meta"]["profile"] == [nos.SCHEDULE_PROFILE]
    assert len(bundle["link"]) == 1


def test_answer_without_any_slot_that_cpts_see_looks_as_in_int_r01(editors):
    query = slot_query(["819800000119"], editors.now, editors.now + timedelta(days=3), cpts=True)
    bundle = json.loads(answer_slots(editors.server("rdv-commune"), query))
    assert bundle["meta"]["profile"] == [nos.BUNDLE_PROFILE]
    assert {slot["meta"]["profile"][0] for slot in of(bundle, "Slot")} == {nos.SLOT_PROFILE}
    empty = json.loads(answer_slots(editors.server("rdv-commune"), query.replace("819800000119", "819800000000")))
    assert (empty["total"], empty["meta"]["profile"]) == (0, [nos.CPTS_BUNDLE_PROFILE])


def test_without_its_include_an_int_r04_editor_answers_as_int_r01(editors):
    query = slot_query(["819800000077"], editors.now, editors.now + timedelta(days=3), cpts=False)
    bundle = json.loads(answer_slots(editors.server("rdv-commune"), query))
    assert bundle["meta"]["profile"] == [nos.BUNDLE_PROFILE]
    assert {slot["meta"]["profile"][0] for slot in of(bundle, "Slot")} == {nos.SLOT_PROFILE}
    assert not of(bundle, "HealthcareService")
    full = editors.bundle("practitioner_cpts")
    assert [{**slot, "meta": slot["meta"]["security"]} for slot in of(bundle, "Slot")] == [
        {**slot, "meta": slot["meta"]["security"]} for slot in of(full, "Slot")
    ]


def test_editor_without_int_r04_refuses_its_includes_and_ignores_them_only_when_asked_to(editors):
    query = slot_query(["819800000010"], editors.now, editors.now + timedelta(days=1), cpts=True)
    with pytest.raises(RequestError) as caught:
        answer_slots(editors.server("agenda-azur"), query)
    assert [(issue.code, issue.expression) for issue in caught.value.issues] == [
        ("not-supported", "http._include"), ("not-supported", "http._include:iterate"),
    ]  # fmt: skip
    plain = slot_query(["819800000010"], editors.now, editors.now + timedelta(days=1), cpts=False)
    server = editors.server("agenda-azur")
    assert answer_slots(server, query, lenient=True) == answer_slots(server, plain)


def test_what_one_editor_or_caller_was_answered_makes_nothing_acceptable_to_another(editors):
    """The same query: an editor with INT_R04 accepts it, one without refuses it, also after the other has answered,
    lenient or not."""
    query = slot_query(["819800000077"], editors.now, editors.now + timedelta(days=1), cpts=True)
    strange = query.replace("_include=Slot:schedule", "foo=bar&_include=Slot:schedule")
    for _ in range(2):
        assert json.loads(answer_slots(editors.server("rdv-commune"), query))["total"] > 0
        assert json.loads(answer_slots(editors.server("agenda-azur"), query, lenient=True))["total"] == 0
        assert json.loads(answer_slots(editors.server("rdv-commune"), strange, lenient=True))["total"] > 0
        for slug, refused in (("agenda-azur", query), ("rdv-commune", strange), ("agenda-azur", strange)):
            with pytest.raises(RequestError):
                answer_slots(editors.server(slug), refused)


@pytest.mark.requirement("R01-28", "R01-30")
@pytest.mark.parametrize(
    ("includes", "kinds"),
    [
        ("", {"Slot"}),
        ("&_include=Slot:schedule", {"Slot", "Schedule"}),
        ("&_include:iterate=Schedule:actor", {"Slot"}),
        (
            "&_include:iterate=Schedule:actor&_include=Slot:schedule",
            {"Slot", "Schedule", "Practitioner", "PractitionerRole"},
        ),
        ("&_include=Slot:service-type-reference", {"Slot", "HealthcareService"}),
        ("&_include:iterate=HealthcareService:organization", {"Slot"}),
        (
            "&_include:iterate=HealthcareService:organization&_include=Slot:service-type-reference",
            {"Slot", "HealthcareService", "Organization"},
        ),
    ],
)  # fmt: skip
def test_only_what_was_asked_for_is_included(editors, includes, kinds):
    query = slot_query(["819800000077"], editors.now, editors.now + timedelta(days=3), cpts=False)
    bare = "&".join(part for part in query.split("&") if not part.startswith("_include"))
    bundle = json.loads(answer_slots(editors.server("rdv-commune"), bare + includes))
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == kinds
    modes = {entry["resource"]["resourceType"]: entry["search"]["mode"] for entry in bundle["entry"]}
    assert modes == {kind: "match" if kind == "Slot" else "include" for kind in kinds}


def test_sos_answer_matches_schedules_and_counts_slots(editors):
    bundle = editors.bundle("sos_associations")
    assert bundle["total"] == len(of(bundle, "Slot")) > 0
    modes = {(entry["resource"]["resourceType"], entry["search"]["mode"]) for entry in bundle["entry"]}
    assert modes == {("Schedule", "match"), ("Slot", "include"), ("Location", "include"), ("Organization", "include")}
    assert (len(of(bundle, "Schedule")), len(of(bundle, "Location")), len(of(bundle, "Organization"))) == (3, 3, 2)
    sites = {site["id"]: site for site in of(bundle, "Location")}
    assert sites["sos-bordeaux-merignac"]["hoursOfOperation"] == [
        {"daysOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "allDay": True}
    ]
    assert sites["sos-rennes-nord"]["hoursOfOperation"][0]["closingTime"] == "23:30:00"
    visibilities = {c["code"] for slot in of(bundle, "Slot") for c in slot["meta"]["security"]}
    assert visibilities <= {"PUBLIC", "SNP"}


@pytest.mark.requirement("SOS-1", "SOS-10")
def test_sos_includes_are_only_sent_when_asked_for(editors):
    bare = "&".join(part for part in editors.query("sos_two_sites").split("&") if "nclude" not in part)
    server = editors.server("garde-plus")
    bundle = json.loads(answer_schedules(server, bare))
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"Schedule"}
    assert bundle["total"] > 2
    slots = json.loads(answer_schedules(server, bare + "&_revinclude=Slot:schedule"))
    assert {entry["resource"]["resourceType"] for entry in slots["entry"]} == {"Schedule", "Slot"}
    sites = json.loads(answer_schedules(server, bare + "&_include=Schedule:actor"))
    assert {entry["resource"]["resourceType"] for entry in sites["entry"]} == {"Schedule", "Location"}
    orphan = json.loads(answer_schedules(server, bare + "&_include:iterate=Location:organization"))
    assert {entry["resource"]["resourceType"] for entry in orphan["entry"]} == {"Schedule"}
    unknown = json.loads(answer_schedules(server, bare.replace("399900300000018", "399999999999999")))
    assert (unknown["total"], "entry" in unknown, unknown["meta"]["profile"]) == (0, False, [nos.SOS_BUNDLE_PROFILE])

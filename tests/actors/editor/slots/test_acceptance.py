"""The acceptance requirements of slot searches, one by one, checked as an acceptance kit would: on the JSON of whole
answers."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta

import pytest

from sandbox.config import load_settings
from sandbox.editor.fhir.slots import answer_slots
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS
from sandbox.population.load import load_population
from tests.actors.editor.slots.answers import Answer, Json, coded
from tests.actors.editor.slots.conftest import NOW, LocalEditors

ONE, TWO, PAIR, ADELI = "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "practitioner_adeli"
NO_PHONE, CPTS = "practitioner_no_phone", "practitioner_cpts"
ONE_SLOT, TWO_SLOTS = "practitioner_two_cpts_one_slot", "practitioner_two_cpts_two_slots"
PRACTITIONERS = [ONE, TWO, PAIR, ADELI, NO_PHONE]
EVERY_CPTS, SOS = [CPTS, ONE_SLOT, TWO_SLOTS], ["sos_associations", "sos_two_sites"]
SYSTEM = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture(params=PRACTITIONERS)
def r01(request, editors) -> Answer:
    return Answer(editors.bundle(request.param))


@pytest.fixture(params=EVERY_CPTS)
def r04(request, editors) -> Answer:
    return Answer(editors.bundle(request.param))


@pytest.fixture(params=SOS)
def sos(request, editors) -> Answer:
    return Answer(editors.bundle(request.param))


# --- INT_R01


@pytest.mark.requirement("R01-5", "R01-6", "R01-7")
@pytest.mark.parametrize("hours", [1, 5, 26, 72])
@pytest.mark.parametrize("shift", [0, 3, 50])
def test_slots_are_all_those_of_the_window_and_no_other(editors, hours, shift):
    start = editors.now + timedelta(hours=shift)
    whole = Answer(editors.bundle(ONE, 24 * 8)).all("Slot")
    part = editors.bundle(ONE, hours, start)
    inside = [
        slot for slot in whole if start <= datetime.fromisoformat(slot["start"]) <= start + timedelta(hours=hours)
    ]
    assert [entry["resource"] for entry in part.get("entry", ())][: len(inside)] == inside
    assert part["total"] == len(inside)


@pytest.mark.requirement("R01-8", "SOS-10")
@pytest.mark.parametrize("name", [ONE, CPTS, "sos_two_sites"])
def test_nothing_free_is_an_empty_searchset(editors, name):
    bundle = editors.bundle(name, 1, editors.now.replace(hour=3) + timedelta(days=60))
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 0)
    assert "entry" not in bundle


@pytest.mark.requirement("R01-10", "R01-47")
def test_every_slot_is_free(r01):
    assert {slot["status"] for slot in r01.all("Slot")} == {"free"}


@pytest.mark.requirement("R01-47")
def test_what_is_taken_or_kept_for_own_patients_is_not_sent(editors):
    server = editors.server("agenda-azur")
    place = editors.population.practitioner("819800000010").places[0]
    sent = {datetime.fromisoformat(slot["start"]) for slot in Answer(editors.bundle(ONE, 72)).all("Slot")}
    step = timedelta(minutes=place.agenda.slot_minutes)
    day = (editors.now + timedelta(days=1)).replace(hour=place.agenda.opens.hour, minute=0)
    offered = [day + step * number for number in range(int(timedelta(hours=3) / step))]
    assert 0 < sum(each in sent for each in offered) < len(offered)  # the rest is taken, or for own patients
    assert all(server.agenda.is_free(slot["id"], editors.now) for slot in Answer(editors.bundle(ONE)).all("Slot"))


@pytest.mark.requirement("R01-11", "R01-45")
def test_start_and_end_have_milliseconds_and_the_local_offset(r01):
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")
    for slot in r01.all("Slot"):
        assert form.fullmatch(slot["start"])
        assert form.fullmatch(slot["end"])
        start, end = datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])
        assert start < end
        assert start.utcoffset() == start.astimezone(PARIS).utcoffset()


@pytest.mark.requirement("R01-12", "R01-21")
def test_slot_leads_to_its_schedule_its_role_and_its_practitioner(r01):
    for slot in r01.all("Slot"):
        actors = r01.actors(slot)
        assert set(actors) == {"Practitioner", "PractitionerRole"}
        assert r01.at(actors["PractitionerRole"]["practitioner"]["reference"]) is actors["Practitioner"]


@pytest.mark.requirement("R01-14")
def test_bundle_is_a_searchset(r01):
    assert r01.document["type"] == "searchset"


@pytest.mark.requirement("R01-15", "R01-19")
def test_there_is_a_practitioner_and_a_role(r01):
    assert r01.all("Practitioner")
    assert r01.all("PractitionerRole")


@pytest.mark.requirement("R01-16", "R01-17", "R01-18")
@pytest.mark.parametrize("name", PRACTITIONERS)
def test_practitioner_is_the_one_asked_for_by_his_prefixed_national_id(editors, name):
    _, ids = editors.example(name)
    found = Answer(editors.bundle(name)).all("Practitioner")
    assert [each["identifier"][0]["value"] for each in found] == ids
    for identifier in (each["identifier"][0] for each in found):
        assert identifier["system"] == "urn:oid:1.2.250.1.71.4.2.1"
        assert identifier["type"]["coding"][0]["code"] == "IDNPS"
        assert re.fullmatch(r"8\d{11}|0\w{9}", identifier["value"])


@pytest.mark.requirement("R01-20")
def test_role_has_the_identifier_of_its_structure(editors):
    prefixes = set()
    for name in PRACTITIONERS:
        for role in Answer(editors.bundle(name)).all("PractitionerRole"):
            identifier = role["organization"]["identifier"]
            assert identifier["system"] == "urn:oid:1.2.250.1.71.4.2.2"
            assert identifier["type"]["coding"][0]["code"] == "IDNST"
            assert re.fullmatch(r"1\d{9}|3\d{14}|4\d{14}", identifier["value"])
            prefixes.add(identifier["value"][0])
    assert len(prefixes) > 1


@pytest.mark.requirement("R01-22", "R01-37", "R01-38", "R01-39", "R01-40")
def test_role_contains_its_location_as_the_agenda_knows_it(editors):
    for name in PRACTITIONERS:
        for role in Answer(editors.bundle(name)).all("PractitionerRole"):
            _, place = editors.population.place(role["id"])
            (location,) = role["contained"]
            assert [each["reference"] for each in role["location"]] == [f"#{location['id']}"]
            identifier = location["identifier"][0]
            assert identifier["type"]["coding"][0]["code"]
            assert identifier["system"]
            assert identifier["value"]
            address = location["address"]
            assert (address["line"], address["city"]) == ([place.line], place.city)
            assert address["postalCode"] == place.postal_code
            assert re.fullmatch(r"\d{5}", address["postalCode"])


@pytest.mark.requirement("R01-23", "R01-46")
def test_visibility_is_in_the_security_labels(r01):
    for slot in r01.all("Slot"):
        labels = slot["meta"]["security"]
        assert {label["system"] for label in labels} == {SYSTEM}
        codes = [label["code"] for label in labels]
        assert codes
        assert len(set(codes)) == len(codes)
        assert set(codes) <= {"PUBLIC", "PRO", "SNP", "CPTS"}


@pytest.mark.requirement("R01-24", "R01-48")
def test_consultation_types_are_codes(r01):
    for slot in r01.all("Slot"):
        types = coded(slot["serviceType"], ACT_CODE)
        assert types
        assert set(types) <= {"AMB", "HH", "VR"}


@pytest.mark.requirement("R01-25", "R01-49")
def test_slot_that_can_be_booked_says_so_and_where(editors):
    seen = set()
    for name in PRACTITIONERS:
        for slot in Answer(editors.bundle(name)).all("Slot"):
            (code,) = coded([slot["appointmentType"]], "http://terminology.hl7.org/CodeSystem/v2-0276")
            seen.add(code)
            assert code in ("ROUTINE", "WALKIN")
            assert re.fullmatch(r"https?://\S+\?\S+", slot["comment"])
    assert seen == {"ROUTINE", "WALKIN"}


@pytest.mark.requirement("R01-33")
@pytest.mark.parametrize("name", PRACTITIONERS)
def test_name_is_as_the_agenda_knows_it(editors, name):
    for each in Answer(editors.bundle(name)).all("Practitioner"):
        person = editors.population.practitioner(each["id"])
        assert (each["name"][0]["family"], each["name"][0]["given"]) == (person.family, [person.given])


@pytest.mark.requirement("R01-34", "R01-35", "R01-36")
@pytest.mark.parametrize("name", PRACTITIONERS)
def test_phone_is_sent_in_its_form_when_known_and_left_out_when_not(editors, name):
    answer = Answer(editors.bundle(name))
    for role in answer.all("PractitionerRole"):
        person, _ = editors.population.place(role["id"])
        for resource in (role, answer.at(role["practitioner"]["reference"])):
            if person.phone is None:
                assert "telecom" not in resource
            else:
                (telecom,) = resource["telecom"]
                assert telecom["system"] == "phone"
                assert re.fullmatch(r"\+33\d{9}", telecom["value"])
    assert (name == NO_PHONE) == (person.phone is None)


@pytest.mark.requirement("R01-41")
def test_reasons_are_texts_and_specialties_their_own_element(editors):
    reasons = set()
    for slot in Answer(editors.bundle(TWO)).all("Slot"):
        for concept in slot["serviceType"]:
            assert ("text" in concept) != ("coding" in concept)
            reasons.add(concept.get("text"))
        (code,) = coded(
            slot["specialty"],
            "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
        )
        assert code.startswith("SM")
    assert len(reasons - {None}) > 1


@pytest.mark.requirement("R01-42", "R01-43")
def test_each_place_has_its_schedule_its_role_and_its_slots(editors):
    answer = Answer(editors.bundle(TWO))
    person = editors.population.practitioner("819800000028")
    assert len(answer.all("Practitioner")) == 1
    assert {each["id"] for each in answer.all("Schedule")} == {place.id for place in person.places}
    assert len(answer.all("PractitionerRole")) == len(person.places) == 2
    cities = {place.id: place.city for place in person.places}
    for slot in answer.all("Slot"):
        role = answer.actors(slot)["PractitionerRole"]
        assert role["contained"][0]["address"]["city"] == cities[slot["id"].partition(".")[0]]


@pytest.mark.requirement("R01-44")
def test_each_of_several_practitioners_has_his_own_resources_and_slots(editors):
    answer = Answer(editors.bundle(PAIR))
    _, ids = editors.example(PAIR)
    assert [each["id"] for each in answer.all("Practitioner")] == ids
    alone = {}
    for id in ids:
        query = slot_query([id], editors.now, editors.now + timedelta(hours=72), cpts=False)
        alone[id] = Answer(json.loads(answer_slots(editors.server("agenda-azur"), query)))
    for kind in ("Slot", "Schedule", "PractitionerRole"):
        assert answer.all(kind) == [each for id in ids for each in alone[id].all(kind)]
    for slot in answer.all("Slot"):
        owner = answer.actors(slot)["Practitioner"]["id"]
        assert slot["id"] in alone[owner].resources["Slot"]


@pytest.mark.requirement("R01-P")
def test_answer_about_25_practitioners_takes_less_than_a_second():
    editors = LocalEditors(load_population(load_settings({"preset": "national"}, {})))
    ids = [person.id for person in editors.population.of_editor("agenda-azur")[:25]]
    query = slot_query(ids, NOW, NOW + timedelta(days=3), cpts=False)
    server = editors.server("agenda-azur")
    began = time.perf_counter()
    body = answer_slots(server, query)
    assert time.perf_counter() - began < 1
    assert json.loads(body)["total"] > 0


# --- INT_R04


@pytest.mark.requirement("R04-1", "R04-2")
def test_slot_that_cpts_see_says_so_and_names_each_of_them(r04):
    (profile,) = r04.document["meta"]["profile"]
    assert profile.endswith("/sas-cpts-bundle-aggregator")
    for slot in r04.all("Slot"):
        assert "CPTS" in [label["code"] for label in slot["meta"]["security"]]
        concepts = [each for each in slot["serviceType"] if "extension" in each]
        assert concepts
        for concept in concepts:
            (coding,) = concept["coding"]
            assert coding["code"] == "604"
            (extension,) = concept["extension"]
            assert extension["url"] == "http://hl7.org/fhir/5.0/StructureDefinition/extension-Slot.serviceType"
            assert r04.at(extension["valueReference"]["reference"])["resourceType"] == "HealthcareService"


@pytest.mark.requirement("R04-3", "R04-4")
def test_services_and_organizations_go_in_pairs_under_the_finess(r04):
    pairs = [service["providedBy"]["reference"] for service in r04.all("HealthcareService")]
    assert len(set(pairs)) == len(pairs) == len(r04.all("Organization"))
    for reference in pairs:
        organization = r04.at(reference)
        (identifier,) = organization["identifier"]
        assert (identifier["system"], identifier["type"]["coding"][0]["code"]) == (
            "urn:oid:1.2.250.1.71.4.2.2", "IDNST",
        )  # fmt: skip
        assert re.fullmatch(r"1\d{9}", identifier["value"])
        assert organization["name"]


def cpts_of(slot: Json) -> list[str]:
    return [each["extension"][0]["valueReference"]["reference"] for each in slot["serviceType"] if "extension" in each]


@pytest.mark.requirement("R04-5")
def test_slot_of_two_cpts_names_both_and_has_their_code_alone(editors):
    for slot in Answer(editors.bundle(ONE_SLOT)).all("Slot"):
        assert len(set(cpts_of(slot))) == 2
        assert [label["code"] for label in slot["meta"]["security"]] == ["CPTS"]


@pytest.mark.requirement("R04-6")
def test_slots_of_two_cpts_name_one_each(editors):
    slots = Answer(editors.bundle(TWO_SLOTS)).all("Slot")
    assert {len(cpts_of(slot)) for slot in slots} == {1}
    assert len({cpts_of(slot)[0] for slot in slots}) == 2
    assert {label["code"] for slot in slots for label in slot["meta"]["security"]} == {"CPTS"}


# --- SOS Médecins


@pytest.mark.requirement("SOS-2")
@pytest.mark.parametrize("hours", [1, 7, 30])
def test_sos_slots_are_those_of_the_window(editors, hours):
    start = editors.now + timedelta(hours=4)
    inside = Answer(editors.bundle("sos_two_sites", hours, start)).all("Slot")
    whole = Answer(editors.bundle("sos_two_sites", 72)).all("Slot")
    end = start + timedelta(hours=hours)
    assert inside == [slot for slot in whole if start <= datetime.fromisoformat(slot["start"]) <= end]


@pytest.mark.requirement("SOS-4", "SOS-8")
def test_each_site_has_its_schedule_that_names_its_location(sos):
    sites = [schedule["actor"][0]["reference"] for schedule in sos.all("Schedule")]
    assert all(len(schedule["actor"]) == 1 for schedule in sos.all("Schedule"))
    assert len(set(sites)) == len(sites) == len(sos.all("Location")) > 1
    assert {sos.at(reference)["resourceType"] for reference in sites} == {"Location"}
    for slot in sos.all("Slot"):
        assert sos.at(slot["schedule"]["reference"])["id"] == slot["id"].partition(".")[0]


@pytest.mark.requirement("SOS-5")
def test_site_has_name_address_phone_and_opening_hours(sos):
    for location in sos.all("Location"):
        assert location["name"]
        assert location["address"]["line"]
        assert location["address"]["city"]
        assert re.fullmatch(r"\d{5}", location["address"]["postalCode"])
        assert re.fullmatch(r"\+33\d{9}", location["telecom"][0]["value"])
        assert location["identifier"][0]["value"]
        for hours in location["hoursOfOperation"]:
            assert set(hours["daysOfWeek"]) <= {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
            assert hours.get("allDay") or hours["openingTime"] < hours["closingTime"]


@pytest.mark.requirement("SOS-6")
def test_site_belongs_to_an_organization_under_its_siret(sos):
    for location in sos.all("Location"):
        organization = sos.at(location["managingOrganization"]["reference"])
        (identifier,) = organization["identifier"]
        assert identifier["system"] == "urn:oid:1.2.250.1.71.4.2.2"
        assert re.fullmatch(r"3\d{14}", identifier["value"])
        assert organization["name"]


@pytest.mark.requirement("SOS-7")
def test_sos_slots_are_for_the_public_or_the_snp(sos):
    for slot in sos.all("Slot"):
        codes = {label["code"] for label in slot["meta"]["security"]}
        assert codes
        assert codes <= {"PUBLIC", "SNP"}


@pytest.mark.requirement("SOS-11")
def test_the_kits_cases_of_sos_are_at_hand(editors):
    """ANS's suite needs: one association with one site, one with two, two with exactly three sites in all."""
    cases = {"sos_one_site": [1], "sos_two_sites": [2], "sos_associations": [1, 2]}
    for name, sizes in cases.items():
        _, sirets = editors.example(name)
        assert sorted(len(editors.population.sos[siret].sites) for siret in sirets) == sizes
        answer = Answer(editors.bundle(name))
        assert len(answer.all("Location")) == len(answer.all("Schedule")) == sum(sizes)
        for location in answer.all("Location"):
            assert location["name"]
            assert all(location["address"][part] for part in ("line", "city", "postalCode"))
            assert re.fullmatch(r"\+33\d{9}", location["telecom"][0]["value"])
        assert sos_types(answer) == {"AMB", "VR"}
        assert all(slot["comment"] for slot in answer.all("Slot"))


@pytest.mark.requirement("SOS-11")
def test_home_visits_have_an_agenda_beside_the_examples_of_the_kit(editors):
    answer = Answer(editors.bundle("sos_home_visits"))
    assert len(answer.all("Location")) == 2
    assert sos_types(answer) == {"AMB", "VR", "HH"}
    assert editors.example("sos_home_visits")[1][0] not in editors.example("sos_associations")[1]


def sos_types(answer):
    concepts = [concept for slot in answer.all("Slot") for concept in slot["serviceType"]]
    return {coding["code"] for concept in concepts for coding in concept.get("coding", ())}


@pytest.mark.requirement("SOS-9")
def test_several_associations_are_in_one_answer(editors):
    answer = Answer(editors.bundle("sos_associations"))
    _, ids = editors.example("sos_associations")
    assert {each["identifier"][0]["value"] for each in answer.all("Organization")} == set(ids)
    assert len(ids) > 1

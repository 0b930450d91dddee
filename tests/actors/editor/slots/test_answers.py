"""An editor's answers: their form, links, reads, and what bookings change."""

from __future__ import annotations

import gc
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sandbox.editor.fhir.reads import read
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir import nos
from sandbox.fhir.queries.search import slot_query
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import Flow
from tests.actors.editor.slots.answers import of, url

ALL = [
    "practitioner_one_site", "practitioner_two_sites", "practitioner_pair", "practitioner_adeli",
    "practitioner_no_phone", "practitioner_cpts", "practitioner_two_cpts_one_slot",
    "practitioner_two_cpts_two_slots", "sos_associations", "sos_two_sites",
]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 23, 10, 3, tzinfo=PARIS),
        datetime(2026, 11, 21, 23, 59, tzinfo=PARIS),  # Saturday night
        datetime(2026, 12, 25, 0, 0, tzinfo=PARIS),
        datetime(2027, 3, 27, 22, 30, tzinfo=PARIS),  # the clocks change
    ],
)
def test_every_example_has_free_slots_in_the_next_three_days(editors_of, population, name, now):
    editors = editors_of(population.seed, now)
    end = now.replace(hour=23, minute=59) + timedelta(days=2)
    bundle = editors.bundle(name, (end - now).total_seconds() / 3600)
    assert bundle["total"] > 0
    _, ids = editors.example(name)
    found = {each["id"] for kind in ("Practitioner", "Organization") for each in of(bundle, kind)}
    assert set(ids) <= found


@pytest.mark.requirement("R01-8")
def test_example_without_slots_has_an_empty_bundle_and_so_has_a_stranger(editors):
    empty = editors.bundle("practitioner_no_slots")
    assert (empty["type"], empty["total"]) == ("searchset", 0)
    assert "entry" not in empty
    assert empty["meta"]["profile"] == [nos.BUNDLE_PROFILE]
    for ids in (["810000000000"], ["819800000077"]):  # nobody; somebody of another editor
        query = slot_query(ids, editors.now, editors.now + timedelta(days=3), cpts=False)
        assert json.loads(answer_slots(editors.server("agenda-azur"), query))["total"] == 0


@pytest.mark.requirement("R01-18")
def test_practitioner_stored_without_prefix_is_found_either_way_and_answered_with_it(editors):
    window = (editors.now, editors.now + timedelta(days=1))
    query = slot_query(["819800000028"], *window, cpts=False)
    server = editors.server("agenda-azur")
    bodies = [
        json.loads(answer_slots(server, query.replace("819800000028", key))) for key in ("819800000028", "19800000028")
    ]
    assert [len(of(body, "Slot")) for body in bodies] == [bodies[0]["total"]] * 2
    assert bodies[0]["entry"] == bodies[1]["entry"]
    (practitioner,) = of(bodies[1], "Practitioner")
    assert practitioner["identifier"][0]["value"] == "819800000028"


@pytest.mark.requirement("R01-42")
def test_two_places_are_two_schedules_and_two_roles_of_one_practitioner(editors):
    bundle = editors.bundle("practitioner_two_sites")
    counts = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
    assert (counts["Schedule"], counts["PractitionerRole"], counts["Practitioner"]) == (2, 2, 1)
    roles = {role["id"]: role["contained"][0]["address"]["city"] for role in of(bundle, "PractitionerRole")}
    assert set(roles.values()) == {"Rennes", "Bruz"}
    for schedule in of(bundle, "Schedule"):
        kinds = [actor["reference"].partition("/")[0] for actor in schedule["actor"]]
        assert kinds == ["Practitioner", "PractitionerRole"]


@pytest.mark.requirement("R01-35", "R01-36")
def test_phone_is_corrected_and_no_telecom_is_sent_when_unknown(editors):
    bundle = editors.bundle("practitioner_two_sites", 24)
    for kind in ("Practitioner", "PractitionerRole"):
        assert all(each["telecom"] == [{"system": "phone", "value": "+33261910002"}] for each in of(bundle, kind))
    without = editors.bundle("practitioner_no_phone", 24)
    assert not [
        each for kind in ("Practitioner", "PractitionerRole") for each in of(without, kind) if "telecom" in each
    ]


@pytest.mark.requirement("R01-41")
def test_free_text_specialty_is_sent_as_text(editors):
    query = slot_query(["819800000119"], editors.now, editors.now + timedelta(days=1), cpts=False)
    slots = of(json.loads(answer_slots(editors.server("rdv-commune"), query)), "Slot")
    assert slots
    assert all(slot["specialty"] == [{"text": "Médecine polyvalente d'urgence"}] for slot in slots)


def test_each_slot_carries_its_own_booking_url_with_a_query_string(editors):
    for slot in of(editors.bundle("practitioner_one_site", 24), "Slot"):
        assert slot["comment"] == f"http://127.0.0.1:8001/agenda-azur/rdv?slot={slot['id']}"
        assert slot["id"].startswith("duvallon-bordeaux.2026112")


def test_search_that_an_editor_does_not_offer_is_refused(editors):
    with pytest.raises(RequestError) as caught:
        answer_slots(editors.server("garde-plus"), editors.query("practitioner_one_site"))
    assert (caught.value.status, caught.value.issues[0].code) == (404, "not-supported")
    with pytest.raises(RequestError) as caught:
        answer_schedules(editors.server("agenda-azur"), editors.query("sos_two_sites"))
    assert caught.value.status == 404


@pytest.mark.requirement("R01-L")
def test_self_link_repeats_the_query(editors):
    query = editors.query("practitioner_one_site")
    assert url(editors.bundle("practitioner_one_site")) == f"https://127.0.0.1:8043/agenda-azur/fhir/Slot?{query}"
    sos = url(editors.bundle("sos_two_sites"))
    assert sos == f"https://127.0.0.1:8043/garde-plus/fhir/Schedule?{editors.query('sos_two_sites')}"


@pytest.mark.parametrize("name", ALL)
def test_every_full_url_resolves_to_the_same_resource(editors, name):
    slug, _ = editors.example(name)
    server = editors.server(slug)
    for entry in editors.bundle(name, 24)["entry"]:
        kind, key = entry["fullUrl"].removeprefix(server.fhir_base).strip("/").split("/")
        resource = entry["resource"]
        assert (resource["resourceType"], resource["id"]) == (kind, key)
        found = json.loads(read(server, kind, key))
        if kind == "Slot":  # alone, it is in the form that fits it
            assert found.pop("meta")["security"] == resource.pop("meta")["security"]
        assert found == resource


@pytest.mark.parametrize(
    ("slug", "kind", "key"),
    [
        ("agenda-azur", "Slot", "duvallon-bordeaux.20261123T0931Z"),
        ("agenda-azur", "Slot", "duvallon-bordeaux"),
        ("agenda-azur", "Slot", "nowhere.20261123T0930Z"),
        ("agenda-azur", "Schedule", "escoubes-pessac"),
        ("agenda-azur", "PractitionerRole", "nowhere"),
        ("agenda-azur", "Practitioner", "819800000077"),
        ("agenda-azur", "Practitioner", "19800000010"),
        ("agenda-azur", "Location", "sos-rennes-nord"),
        ("agenda-azur", "Organization", "1339900011"),
        ("agenda-azur", "HealthcareService", "1339900011"),
        ("rdv-commune", "Organization", "399900300000018"),
        ("rdv-commune", "HealthcareService", "1000000000"),
        ("garde-plus", "Schedule", "nowhere"),
        ("garde-plus", "Patient", "1"),
    ],
)
def test_what_an_editor_does_not_have_cannot_be_read(editors, slug, kind, key):
    assert read(editors.server(slug), kind, key) is None


def test_taken_slot_is_not_found_until_it_is_released(editors):
    server = editors.server("agenda-azur")
    before = editors.bundle("practitioner_one_site")
    (first, *_) = of(before, "Slot")
    server.agenda.take(first["id"])
    during = editors.bundle("practitioner_one_site")
    assert first["id"] not in [slot["id"] for slot in of(during, "Slot")]
    assert during["total"] == before["total"] - 1
    assert read(server, "Slot", first["id"]) is None
    server.agenda.release(first["id"])
    assert editors.bundle("practitioner_one_site") == before


@pytest.mark.requirement("R01-5")
def test_slot_disappears_once_it_has_started(editors):
    (first, *_) = of(editors.bundle("practitioner_one_site"), "Slot")
    start = datetime.fromisoformat(first["start"])
    editors.now = start
    assert first["id"] in [slot["id"] for slot in of(editors.bundle("practitioner_one_site"), "Slot")]
    editors.now = start + timedelta(milliseconds=1)
    assert first["id"] not in [slot["id"] for slot in of(editors.bundle("practitioner_one_site"), "Slot")]
    assert read(editors.server("agenda-azur"), "Slot", first["id"]) is None


def test_nothing_is_offered_beyond_the_horizon_or_in_the_past(editors):
    assert editors.bundle("practitioner_one_site", 24, editors.now + timedelta(days=40))["total"] == 0
    assert editors.bundle("practitioner_one_site", 24, editors.now - timedelta(days=2))["total"] == 0
    assert editors.bundle("practitioner_one_site", -24)["total"] == 0


def test_windows_that_overlap_share_their_slots_and_cut_the_days_at_their_bounds(editors):
    name = "practitioner_one_site"
    whole = of(editors.bundle(name), "Slot")
    start = editors.now + timedelta(hours=5)
    part = of(editors.bundle(name, 30, start), "Slot")
    inside = [slot for slot in whole if start <= datetime.fromisoformat(slot["start"]) <= start + timedelta(hours=30)]
    assert part == inside
    assert 0 < len(part) < len(whole)
    assert of(editors.bundle(name), "Slot") == whole


def test_kept_practitioners_are_bounded_in_octets_and_freed_at_once(editors):
    server = replace(editors.server("agenda-azur"), cache_octets=160_000)
    editors.servers["agenda-azur"] = server
    names = ("practitioner_one_site", "practitioner_two_sites", "practitioner_adeli", "practitioner_no_phone")
    bodies = [editors.body(name) for name in names for _ in range(2)][::2]
    cached = server.cache.agendas
    assert 0 < len(cached) < len(names)
    assert sum(len(each) for agenda in cached.values() for each in agenda.rendered.values()) <= 160_000
    gc.collect()
    cached.clear()
    assert gc.collect() == 0  # no reference cycle was left
    assert [editors.body(name) for name in names] == bodies


def test_same_seed_and_clock_give_identical_bytes(editors_of, population, editors):
    other = editors_of(population.seed, editors.now)
    for name in ALL:
        assert editors.body(name) == editors.body(name) == other.body(name)
    assert editors_of(7, editors.now).body("practitioner_one_site") != editors.body("practitioner_one_site")


def test_editor_that_speaks_only_int_r04_offers_the_slot_search(editors):
    server = editors.server("rdv-commune")
    only = replace(server, editor=replace(server.editor, flows=(Flow.INT_R04,)))
    assert json.loads(answer_slots(only, editors.query("practitioner_cpts")))["total"] > 0

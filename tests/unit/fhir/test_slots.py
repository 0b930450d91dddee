"""Rendering: bytes by template, offsets on the nights when the clocks change, bounded fragments."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from weakref import WeakSet
from zoneinfo import ZoneInfo

import pytest

from sandbox.fhir.profiles import check
from sandbox.fhir.resources import (
    dumps,
    practitioner_resource,
    role_resource,
    site_resource,
)
from sandbox.fhir.slots import FRAMES_KEPT, INSTANTS_KEPT, KEPT, KINDS_KEPT, R01, R04, SOS, Renderer, kinds
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import (
    AgendaTemplate,
    ConsultationSite,
    Cpts,
    OpeningHours,
    Palette,
    Place,
    Practitioner,
    SlotKind,
    SosAssociation,
)
from sandbox.population.agendas.agenda import PlannedSlot, slot_pattern, zone_of
from sandbox.population.agendas.calendar import Region

KIND = SlotKind(("PUBLIC", "PRO"), ("AMB", "VR"), 'Fièvre à 100 % "forte"', False)
PLACE = Place("p-1", "330000018", "1 rue X", "33000", "Bordeaux", "33063", 44.8, -0.5, local_id="9")
PERSON = Practitioner(
    "819800000010", "DUVALLON", "Amélie", "x", (PLACE,), phone="01.99.00.12.34", stored_id="19800000010"
)
SITE = ConsultationSite("s-1", "Site", None, "2 rue Y", "35000", "Rennes", "35238", 48.1, -1.6,
                        (OpeningHours((0, 6), time(8), time(0)), OpeningHours((1,), time(8), time(19, 30))),
                        AgendaTemplate())  # fmt: skip
ASSOCIATION = SosAssociation("399900300000018", "SOS", "x", (SITE,))


@pytest.fixture
def renderer():
    return Renderer("https://h.example/a%20b/fhir", "http://h.example/ui", "urn:oid:1.2.3")


def planned(kind=KIND, *times):
    return [PlannedSlot(int(each.timestamp()), int(each.timestamp()) + 900, None, kind) for each in times]


@dataclass(frozen=True, eq=False)
class Candidates:
    starts: tuple[int, ...]
    length: int = 900


def candidates(*times):
    return Candidates(tuple(int(each.timestamp()) for each in times))


@dataclass(frozen=True)
class Week:
    """Of what kinds candidates are, and which of them are asked for: one kind and all of them unless told otherwise."""

    palette: Palette = field(default_factory=lambda: Palette((KIND,)))
    codes: tuple[int, ...] | None = None
    marks: tuple[int, ...] | None = None


def rendered(renderer, form, specialty, zone, some, week=None):
    """The entries of these candidates of schedule p-1."""
    week, count = week or Week(), len(some.starts)
    known = kinds(form, specialty, week.palette)
    codes, marks = week.codes or (0,) * count, week.marks or (1,) * count
    return renderer.slots(form, b"p-1", known, zone, some, codes, marks)


def entries(rendered: bytes):
    return json.loads(b"[" + rendered.removeprefix(b",") + b"]")


def test_slot_says_what_it_is(renderer):
    (entry,) = entries(
        rendered(renderer, R01, ("SM54", "MG"), PARIS, candidates(datetime(2026, 7, 1, 0, 15, tzinfo=PARIS)))
    )
    assert entry["fullUrl"] == "https://h.example/a%20b/fhir/Slot/p-1.20260630T2215Z"
    assert entry["search"] == {"mode": "match"}
    slot = entry["resource"]
    assert (slot["start"], slot["end"]) == ("2026-07-01T00:15:00.000+02:00", "2026-07-01T00:30:00.000+02:00")
    assert slot["comment"] == "http://h.example/ui/rdv?slot=p-1.20260630T2215Z"
    assert [concept["coding"][0]["code"] for concept in slot["serviceType"][:2]] == ["AMB", "VR"]
    assert slot["serviceType"][2] == {"text": 'Fièvre à 100 % "forte"'}
    assert slot["specialty"][0]["text"] == "MG"
    assert check(slot) == []


def test_walk_in_slot_has_its_url_too_and_sos_slots_have_no_specialty(renderer):
    kind = SlotKind(("SNP",), ("HH",), None, True)
    (slot,) = planned(kind, datetime(2026, 11, 23, 9, tzinfo=PARIS))
    resource = json.loads(renderer.slot(SOS, "s-1", ("SM54", None), PARIS, slot))
    assert resource["appointmentType"]["coding"][0]["code"] == "WALKIN"
    assert "rdv?slot=" in resource["comment"]
    assert "specialty" not in resource
    assert check(resource) == []


def test_slot_without_known_specialty_sends_none(renderer):
    (slot,) = planned(KIND, datetime(2026, 11, 23, 9, tzinfo=PARIS))
    assert "specialty" not in json.loads(renderer.slot(R01, "p-1", (None, None), PARIS, slot))


@pytest.mark.parametrize("insee", ["33063", "97411", "97105"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 11, 23)])  # noqa: DTZ001
def test_offsets_are_those_in_force_at_each_end(renderer, insee, day):
    zone = zone_of(insee)
    template = AgendaTemplate(days=(0, 6), opens=time(0), closes=time(0), lunch=None, slot_minutes=45, own_patients=0.0)
    plan = slot_pattern(template, Region(zone)).plan(1, "p-1", day.toordinal())
    some = Candidates(tuple(plan.starts), plan.length)
    found = entries(rendered(renderer, R01, ("SM54", None), zone, some, Week(plan.palette, tuple(plan.codes))))
    for slot, entry in zip(plan.slots(), found, strict=True):
        for key, instant in (("start", slot.start), ("end", slot.end)):
            expected = datetime.fromtimestamp(instant, zone).isoformat(timespec="milliseconds")
            assert entry["resource"][key] == expected


def test_no_slots_are_no_bytes(renderer):
    assert rendered(renderer, R01, (None, None), PARIS, candidates()) == b""


def test_only_candidates_that_have_a_mark_are_rendered(renderer):
    times = [datetime(2026, 11, 23, 9, at, tzinfo=PARIS) for at in (0, 15, 30)]
    some, other = candidates(*times), KIND._replace(walkin=True)
    week = Week(Palette((KIND, other)), (0, 1, 1), (1, 0, 128))
    found = entries(rendered(renderer, R01, (None, None), PARIS, some, week))
    assert [entry["resource"]["id"] for entry in found] == ["p-1.20261123T0800Z", "p-1.20261123T0830Z"]
    codes = [entry["resource"]["appointmentType"]["coding"][0]["code"] for entry in found]
    assert codes == ["ROUTINE", "WALKIN"]


def test_ids_and_phones_are_corrected_whatever_the_agenda_stores():
    person, role = (
        json.loads(each) for each in (practitioner_resource(PERSON), role_resource(PERSON, PLACE, "urn:oid:1"))
    )
    assert person["identifier"][0]["value"] == "819800000010"
    assert person["telecom"] == role["telecom"] == [{"system": "phone", "value": "+33199001234"}]
    assert role["organization"]["identifier"]["value"] == "1330000018"
    assert check(person) == check(role) == []


def test_phone_that_is_no_number_and_unknown_values_are_left_out():
    person = replace(PERSON, phone="poste 12", specialty=None, specialty_text=None)
    assert "telecom" not in json.loads(practitioner_resource(person))
    assert "specialty" not in json.loads(role_resource(person, PLACE, "urn:oid:1"))
    assert dumps({"a": "", "b": [], "c": {}, "d": None, "e": 0, "f": False}) == b'{"e":0,"f":false}'


def test_opening_hours_that_end_with_the_day_are_written_as_its_last_minute():
    site = json.loads(site_resource(ASSOCIATION, SITE, "urn:oid:1"))
    assert site["hoursOfOperation"] == [
        {"daysOfWeek": ["mon", "sun"], "openingTime": "08:00:00", "closingTime": "23:59:00"},
        {"daysOfWeek": ["tue"], "openingTime": "08:00:00", "closingTime": "19:30:00"},
    ]
    assert "telecom" not in site
    assert check(site) == []


def test_fragments_are_kept_and_the_oldest_are_dropped(renderer):
    first = renderer.schedule(PERSON, PLACE)
    assert renderer.schedule(PERSON, PLACE) is first
    for number in range(KEPT):
        renderer.cpts(Cpts(f"1{number:09d}", "CPTS", None, ()))
    again = renderer.schedule(PERSON, PLACE)
    assert again is not first
    assert again == first


def test_candidates_are_held_for_a_while_and_released(renderer):
    held = WeakSet()
    for number in range(FRAMES_KEPT + 50):
        some = candidates(datetime(2026, 11, 23, 9, number % 60, tzinfo=PARIS))
        held.add(some)
        assert rendered(renderer, R01, ("SM54", None), PARIS, some) == rendered(
            renderer, R01, ("SM54", None), PARIS, some
        )
    del some
    assert FRAMES_KEPT // 2 < len(held) <= FRAMES_KEPT


def test_the_kinds_of_a_week_are_kept_and_the_oldest_are_dropped(renderer):
    some, week = candidates(datetime(2026, 11, 23, 9, tzinfo=PARIS)), Week()
    known, entry = kinds(R01, ("SM54", None), week.palette), rendered(renderer, R01, ("SM54", None), PARIS, some, week)
    assert kinds(R01, ("SM54", None), week.palette) is known
    assert rendered(renderer, R04, ("SM54", None), PARIS, some, week) != entry
    for number in range(KINDS_KEPT):
        kinds(R01, (f"SM{number}", None), week.palette)
    assert kinds(R01, ("SM54", None), week.palette) is not known
    for specialty in ("SM26", "SM53"):
        assert specialty in rendered(renderer, R01, (specialty, None), PARIS, some, week).decode()
    assert rendered(renderer, R01, ("SM54", None), PARIS, some, week) == entry


def test_instants_of_many_days_do_not_pile_up():
    zone, began = ZoneInfo("Pacific/Noumea"), int(datetime(2026, 11, 23, tzinfo=PARIS).timestamp())  # nobody else's

    def added(batch: int) -> int:
        """Blocks of memory that stay allocated after as many instants as may be kept."""
        before = sys.getallocatedblocks()
        starts = tuple(range(began + 60 * batch * INSTANTS_KEPT, began + 60 * (batch + 1) * INSTANTS_KEPT, 60))
        renderer = Renderer("https://h.example", "http://h.example", "urn:oid:1")
        renderer.slots(R01, b"p-1", {0: b"}"}, zone, Candidates(starts, 60), (0,), (1,))
        del renderer, starts
        return sys.getallocatedblocks() - before

    gc.collect()  # what earlier tests have left is not freed meanwhile
    of_the_first = added(0)
    assert of_the_first > INSTANTS_KEPT
    assert sum(map(added, (1, 2, 3))) < of_the_first / 2


def test_bundle_is_one_document_with_or_without_entries(renderer):
    empty = json.loads(renderer.bundle(R04, 0, "Slot", "a=1", []))
    assert "entry" not in empty
    full = json.loads(renderer.bundle(R01, 2, "Slot", "a=1", [renderer.included(PERSON, [PLACE])], "a=2"))
    assert [entry["resource"]["resourceType"] for entry in full["entry"]] == [
        "Practitioner",
        "Schedule",
        "PractitionerRole",
    ]
    assert [entry["fullUrl"].rpartition("/fhir/")[2] for entry in full["entry"]] == [
        "Practitioner/819800000010",
        "Schedule/p-1",
        "PractitionerRole/p-1",
    ]
    assert [link["relation"] for link in full["link"]] == ["self", "next"]
    assert full["link"][1]["url"] == "https://h.example/a%20b/fhir/Slot?a=2"

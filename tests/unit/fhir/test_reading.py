"""What the SAS core understands of an editor's answer: cured defects, lost entries, and a finding for each."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.fhir import nos
from sandbox.fhir.reader.reading import SlotPlace, read_bundle
from sandbox.fhir.slots import R04, SOS, Renderer, kinds
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import (
    AgendaTemplate,
    ConsultationSite,
    Cpts,
    Palette,
    Place,
    Practitioner,
    SlotKind,
    SosAssociation,
)

RENDERER = Renderer("https://h.example/fhir", "http://h.example/ui", "urn:oid:1.2.3")
PLACE = Place("p-1", "1330000018", "1 rue X", "33000", "Bordeaux", "33063", 44.8, -0.5, local_id="9")
PERSON = Practitioner("819800000010", "DUVALLON", "Amélie", "x", (PLACE,), phone="+33199001234", cpts=("1339900011",))
CPTS = Cpts("1339900011", "CPTS Rive Gauche", None, ())
SITE = ConsultationSite(
    "s-1", "Site", "+33199001234", "2 rue Y", "35000", "Rennes", "35238", 48.1, -1.6, (), AgendaTemplate()
)
ASSOCIATION = SosAssociation("399900300000018", "SOS Rennes", "x", (SITE,))
KIND = SlotKind(("PUBLIC", "CPTS"), ("AMB",), "Fièvre", False, ("1339900011",))
START = datetime(2026, 11, 23, 9, tzinfo=PARIS)


@dataclass(frozen=True, eq=False)
class Candidates:
    starts: tuple[int, ...]
    length: int = 900


def slots(form, schedule, specialty, kind):
    two = Candidates(tuple(int(START.timestamp()) + at * 900 for at in (0, 1)))
    return RENDERER.slots(form, schedule, kinds(form, specialty, Palette((kind,))), PARIS, two, b"\0\0", b"\1\1")


BODY = RENDERER.bundle(
    R04, 2, "Slot", "",
    [slots(R04, b"p-1", ("SM54", None), KIND), RENDERER.included(PERSON, (PLACE,)), RENDERER.service(CPTS),
     RENDERER.cpts(CPTS)],
)  # fmt: skip
SITES = RENDERER.bundle(
    SOS, 2, "Schedule", "",
    [RENDERER.site_schedule(SITE), slots(SOS, b"s-1", (None, None), SlotKind(("SNP",), ("HH",), None, False)),
     RENDERER.site(ASSOCIATION, SITE), RENDERER.sos(ASSOCIATION)],
)  # fmt: skip


def damaged(body: bytes, kind: str, change: Any) -> bytes:
    """The body after `change(resource)` of the first resource of that type."""
    bundle = copy.deepcopy(json.loads(body))
    change(next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind))
    return json.dumps(bundle).encode()


def test_practitioners_answer_is_understood_whole():
    reading = read_bundle(BODY)
    assert (reading.findings, reading.total, reading.following) == ([], 2, None)
    slot = reading.slots[0]
    assert (slot.schedule, slot.slot_id, slot.start) == ("p-1", "p-1.20261123T0800Z", START)
    assert (slot.practitioner, slot.family, slot.given, slot.phone) == (
        "819800000010",
        "DUVALLON",
        "Amélie",
        "+33199001234",
    )
    assert (slot.visibilities, slot.types, slot.reasons, slot.specialties) == (
        ("PUBLIC", "CPTS"), ("AMB",), ("Fièvre",), ("SM54",),
    )  # fmt: skip
    assert slot.cpts == (("1339900011", "CPTS Rive Gauche"),)
    assert slot.place == SlotPlace("1 rue X", "33000", "Bordeaux", "9")
    assert (slot.structure, slot.walkin, slot.sos) == ("1330000018", False, None)
    assert slot.comment == "http://h.example/ui/rdv?slot=p-1.20261123T0800Z"


def test_sos_answer_is_understood_whole():
    reading = read_bundle(SITES)
    assert reading.findings == []
    slot = reading.slots[0]
    assert (slot.sos, slot.site, slot.phone) == (("399900300000018", "SOS Rennes"), "Site", "+33199001234")
    assert (slot.practitioner, slot.place) == (None, SlotPlace("2 rue Y", "35000", "Rennes", "s-1"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"resourceType":"OperationOutcome"}', b"\xff", b"<html>"])
def test_body_that_is_no_bundle_gives_a_finding_and_no_slots(body):
    reading = read_bundle(body)
    assert (reading.slots, reading.total) == ([], None)
    assert [finding.requirement for finding in reading.findings] == ["R01-13"]


def test_empty_bundle_is_fine_and_next_link_is_told():
    empty = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
        "link": [{"relation": "next", "url": "https://x"}],
    }
    reading = read_bundle(json.dumps(empty).encode())
    assert (reading.slots, reading.findings, reading.following) == ([], [], "https://x")


@pytest.mark.parametrize("url", ["", "  ", None])
def test_a_next_link_that_leads_nowhere_hides_no_wrong_total(url):
    bundle = json.loads(BODY)
    bundle["link"] = [*bundle.get("link", ()), {"relation": "next", "url": url}]
    assert "Bundle.total" not in {finding.path for finding in read_bundle(json.dumps(bundle).encode()).findings}
    bundle["total"] += 5
    reading = read_bundle(json.dumps(bundle).encode())
    assert reading.following is None
    assert "Bundle.total" in {finding.path for finding in reading.findings}


def update(**more):
    return lambda resource: resource.update(more)


def without(key):
    return lambda resource: resource.pop(key)


LOSES = [
    (update(status="busy"), "R01-10"),
    (without("status"), "R01-10"),
    (update(start="demain"), "R01-11"),
    (without("end"), "R01-11"),
    (update(end="2026-11-23T08:00:00.000+01:00"), "R01-11"),
    (update(start="0001-01-01T00:00:00.000+14:00", end=17), "R01-11"),
    (without("schedule"), "R01-12"),
    (update(schedule={"reference": "Practitioner/1"}), "R01-12"),
]


@pytest.mark.parametrize(("change", "requirement"), LOSES)
def test_bad_slot_loses_only_itself(change, requirement):
    reading = read_bundle(damaged(BODY, "Slot", change))
    assert [slot.slot_id for slot in reading.slots] == ["p-1.20261123T0815Z"]
    assert requirement in [finding.requirement for finding in reading.findings]


def set_security(*codes):
    return lambda slot: slot["meta"].update(security=[{"system": nos.VISIBILITY, "code": code} for code in codes])


def types(*concepts):
    return lambda slot: slot.update(serviceType=[*concepts, *slot["serviceType"][2:]])


CURED = [
    ("Slot", update(start="2026-11-23T09:00:00"), "R01-45", "start", START),
    ("Slot", update(start="2026-11-23T08:00:00Z"), "R01-45", "start", START),
    ("Slot", set_security(), "R01-23", "visibilities", ()),
    ("Slot", set_security("VIP", "CPTS"), "R01-46", "visibilities", ("CPTS",)),
    ("Slot", types({"text": "VR"}), "R01-24", "types", ("VR",)),
    ("Slot", types({"coding": [{"system": "urn:x", "code": "1", "display": "Toux"}]}), "R01-48", "reasons", ("Toux",)),
    ("Slot", without("appointmentType"), "R01-49", "walkin", False),
    ("Slot", without("comment"), "R01-25", "comment", None),
    ("Slot", update(comment="javascript:alert(1)"), "R01-25", "comment", None),
    ("Slot", types({"coding": [{"system": nos.ESTABLISHMENT, "code": "604"}]}), "R04-2", "types", ()),
    ("Slot", update(specialty=[{"text": "Toutes"}, {}]), None, "specialties", ("Toutes",)),
    (
        "Practitioner",
        lambda p: p["identifier"][0].update(value="19800000010"),
        "R01-17",
        "practitioner",
        "819800000010",
    ),
    ("Practitioner", lambda p: p["identifier"][0].update(system="urn:x"), "R01-16", "practitioner", None),
    ("Practitioner", without("identifier"), "R01-16", "practitioner", None),
    ("Practitioner", without("name"), None, "family", ""),
    ("PractitionerRole", lambda r: r["telecom"][0].update(value="01 99 00 12 34"), "R01-35", "phone", "+33199001234"),
    ("PractitionerRole", without("telecom"), None, "phone", "+33199001234"),
    ("PractitionerRole", update(telecom=[{"system": "email", "value": "x@y.example"}]), None, "phone", "+33199001234"),
    ("PractitionerRole", without("contained"), "R01-22", "place", None),
    (
        "PractitionerRole",
        lambda r: r["contained"][0]["address"].pop("line"),
        "R01-38",
        "place",
        SlotPlace("", "33000", "Bordeaux", "9"),
    ),
    (
        "PractitionerRole",
        lambda r: r["contained"][0]["address"].update(postalCode="3300", city=""),
        "R01-40",
        "place",
        SlotPlace("1 rue X", "3300", "", "9"),
    ),
    (
        "PractitionerRole",
        lambda r: r["organization"]["identifier"].update(value="330000018"),
        "R01-20",
        "structure",
        "1330000018",
    ),
    ("PractitionerRole", without("organization"), "R01-20", "structure", None),
    ("Schedule", update(actor=[{"reference": "PractitionerRole/p-1"}]), "R01-15", "practitioner", "819800000010"),
    ("Schedule", update(actor=[{"reference": "Practitioner/819800000010"}]), "R01-19", "place", None),
    ("Schedule", update(id="other"), "R01-12", "practitioner", None),
    ("HealthcareService", update(id="other"), "R04-2", "cpts", ()),
    ("HealthcareService", without("providedBy"), "R04-3", "cpts", ()),
    ("Organization", update(id="other"), "R04-3", "cpts", ()),
    ("Organization", without("identifier"), "R04-4", "cpts", ()),
    (
        "Organization",
        lambda o: o["identifier"][0].update(value="339900011"),
        "R04-4",
        "cpts",
        (("1339900011", "CPTS Rive Gauche"),),
    ),
]


@pytest.mark.parametrize(("kind", "change", "requirement", "attribute", "expected"), CURED)
def test_curable_defect_keeps_the_slot_and_gives_a_finding(kind, change, requirement, attribute, expected):
    reading = read_bundle(damaged(BODY, kind, change))
    assert len(reading.slots) == 2
    assert getattr(reading.slots[0], attribute) == expected
    assert [finding for finding in reading.findings if finding.requirement == requirement] or requirement is None
    assert bool(reading.findings) == (requirement is not None)


@pytest.mark.parametrize(
    ("kind", "change", "requirement", "attribute", "expected"),
    [
        ("Location", without("managingOrganization"), "SOS-6", "sos", None),
        ("Organization", without("identifier"), "SOS-6", "sos", None),
        ("Organization", lambda o: o["identifier"][0].update(value="99900300000018"), "SOS-6", "sos",
         ("399900300000018", "SOS Rennes")),
        ("Location", without("name"), "SOS-5", "site", None),
        ("Location", lambda site: site["telecom"][0].update(value="12"), "R01-35", "phone", None),
    ],
)  # fmt: skip
def test_curable_defect_of_a_site_keeps_its_slots(kind, change, requirement, attribute, expected):
    reading = read_bundle(damaged(SITES, kind, change))
    assert len(reading.slots) == 2
    assert getattr(reading.slots[0], attribute) == expected
    assert requirement in [finding.requirement for finding in reading.findings]


def test_walk_in_without_url_is_no_defect():
    def change(slot):
        slot["appointmentType"]["coding"][0]["code"] = "WALKIN"
        del slot["comment"]

    reading = read_bundle(damaged(BODY, "Slot", change))
    assert (reading.slots[0].walkin, reading.findings) == (True, [])


def test_absolute_references_and_urn_full_urls_are_followed():
    text = BODY.decode().replace('"reference":"Practitioner/', '"reference":"https://h.example/fhir/Practitioner/')
    text = text.replace('"fullUrl":"https://h.example/fhir/Schedule/p-1"', '"fullUrl":"urn:uuid:1"')
    text = text.replace('"reference":"Schedule/p-1"', '"reference":"urn:uuid:1"')
    reading = read_bundle(text.encode())
    assert reading.findings == []
    assert {(slot.schedule, slot.practitioner) for slot in reading.slots} == {("p-1", "819800000010")}


def test_entries_without_full_url_are_understood_and_an_empty_reference_names_nothing():
    bundle = json.loads(BODY)
    for entry in bundle["entry"]:
        del entry["fullUrl"]
    assert len(read_bundle(json.dumps(bundle).encode()).slots) == 2
    bundle["entry"][0]["resource"]["schedule"] = {"reference": ""}
    assert len(read_bundle(json.dumps(bundle).encode()).slots) == 1


def test_total_may_count_schedules_for_sos_but_not_anything_else():
    assert read_bundle(SITES.replace(b'"total":2', b'"total":1')).findings == []
    assert [each.path for each in read_bundle(BODY.replace(b'"total":2', b'"total":7')).findings] == ["Bundle.total"]
    assert read_bundle(BODY.replace(b'"total":2', b'"total":"2"')).total is None


def test_bundle_of_another_type_and_entries_without_resource_are_told():
    reading = read_bundle(BODY.replace(b'"searchset"', b'"collection"').replace(b'"entry":[', b'"entry":[{},'))
    assert [finding.requirement for finding in reading.findings] == ["R01-13", "R01-14"]
    assert len(reading.slots) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_nothing_that_an_editor_sends_breaks_the_reading(data):
    """Any node of a correct answer is replaced by any value."""
    bundle = json.loads(data.draw(st.sampled_from([BODY, SITES])))
    node: Any = bundle
    while True:
        keys = list(range(len(node)) if isinstance(node, list) else node)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            node[key] = data.draw(JSON)
            break
        node = node[key]
    reading = read_bundle(json.dumps(bundle).encode())
    assert all(slot.start < slot.end for slot in reading.slots)
    assert all(finding.text for finding in reading.findings)

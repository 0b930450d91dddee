"""Findings about an editor's answer: one per cause, with the resource that has the fault."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from sandbox.fhir.reader import quick
from sandbox.fhir.reader.reading import read_bundle
from sandbox.fhir.rules import MOST_FINDINGS, Finding, Findings, natural
from tests.unit.fhir.test_reading import BODY, SITES, damaged

ROLE, PERSON = "PractitionerRole/p-1", "Practitioner/819800000010"


def told(body: bytes) -> list[str]:
    return [str(finding) for finding in read_bundle(body).findings]


def updated(**more: Any) -> Any:
    return lambda resource: resource.update(more)


@pytest.mark.parametrize(
    ("body", "kind", "change", "expected"),
    [
        (BODY, "Practitioner", lambda one: one["identifier"][0].update(value="19800000010"),
         f"R01-17 {PERSON}.identifier[0].value: '19800000010' lacks its prefix"),
        (BODY, "PractitionerRole", lambda one: one["organization"]["identifier"].update(value="330000018"),
         f"R01-20 {ROLE}.organization.identifier.value: '330000018' instead of the prefixed id of a structure"),
        (BODY, "PractitionerRole", lambda one: one["organization"]["identifier"].pop("value"),
         f"R01-20 {ROLE}.organization.identifier.value: nothing instead of the prefixed id of a structure"),
        (BODY, "PractitionerRole", lambda one: one.pop("organization"),
         f"R01-20 {ROLE}.organization.identifier.value: nothing instead of the prefixed id of a structure"),
        (BODY, "PractitionerRole", lambda one: one["telecom"][0].update(value="01 99 00 12 34"),
         f"R01-35 {ROLE}.telecom[0].value: '01 99 00 12 34' has not the form +33…"),
        (BODY, "PractitionerRole", lambda one: one["contained"][0]["address"].pop("postalCode"),
         f"R01-40 {ROLE}.contained[0].address.postalCode: the postal code is nothing instead of five digits"),
        (BODY, "PractitionerRole", lambda one: one.pop("contained"),
         f"R01-22 {ROLE}.contained: the Location is not in the PractitionerRole"),
        (BODY, "Organization", lambda one: one["identifier"][0].update(value="339900011"),
         "R04-4 Organization/1339900011.identifier.value: '339900011' instead of the prefixed id of a structure "
         "(2 places)"),
        (SITES, "Location", lambda one: one.pop("name"), "SOS-5 Location/s-1.name: a Location without a name"),
        (SITES, "Organization", lambda one: one.pop("identifier"),
         "SOS-6 Organization/399900300000018.identifier.value: nothing instead of the prefixed id of a structure"),
        (BODY, "Slot", lambda one: one.pop("status"),
         "R01-10 Slot/p-1.20261123T0800Z.status: nothing instead of free"),
        (BODY, "Slot", lambda one: one.pop("appointmentType"),
         "R01-49 Slot/p-1.20261123T0800Z.appointmentType: nothing instead of ROUTINE or WALKIN"),
        (BODY, "Slot", lambda one: one["meta"].pop("security"),
         "R01-23 Slot/p-1.20261123T0800Z.meta.security: nothing instead of PUBLIC, PRO, SNP, CPTS"),
        (BODY, "Slot", lambda one: one.pop("start"),
         "R01-11 Slot/p-1.20261123T0800Z.start: start is nothing instead of an instant"),
        (BODY, "Slot", updated(id=""), None),
    ],
)  # fmt: skip
def test_the_path_names_the_resource_in_which_the_fault_is(
    body: bytes, kind: str, change: Any, expected: str | None
) -> None:
    assert told(damaged(body, kind, change)) == ([] if expected is None else [expected])


def test_a_location_beside_the_person_does_not_make_a_site_of_his_agenda() -> None:
    bundle = json.loads(BODY)
    place = {"resourceType": "Location", "id": "l-1", "name": "Cabinet", "address": {"city": "Bordeaux"}}
    bundle["entry"].append({"resource": place, "search": {"mode": "include"}})
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Schedule":
            entry["resource"]["actor"].append({"reference": "Location/l-1"})
    reading = read_bundle(json.dumps(bundle).encode())
    assert [str(finding) for finding in reading.findings] == [
        "R01-42 Schedule/p-1.actor: a Location beside the person: its place is in the PractitionerRole"
    ]
    assert [(slot.practitioner, slot.sos, slot.site) for slot in reading.slots] == [
        (slot.practitioner, None, None) for slot in read_bundle(BODY).slots
    ]


@pytest.mark.parametrize(
    ("kind", "change", "requirement", "path", "text"),
    [
        ("Slot", updated(serviceType={}), "R01-9", "Slot/p-1.20261123T0800Z.serviceType",
         "serviceType is an object instead of a list"),
        ("Slot", lambda one: one["meta"].update(security=["PUBLIC"]), "R01-9",
         "Slot/p-1.20261123T0800Z.meta.security[0]", "meta.security is 'PUBLIC' instead of an object"),
        ("Slot", updated(comment=7), "R01-9", "Slot/p-1.20261123T0800Z.comment", "comment is 7 instead of a string"),
        ("Slot", updated(schedule="Schedule/p-1"), "R01-9", "Slot/p-1.20261123T0800Z.schedule",
         "schedule is 'Schedule/p-1' instead of an object"),
        ("Schedule", updated(actor={}), "R01-12", "Schedule/p-1.actor", "actor is an object instead of a list"),
        ("Practitioner", updated(name="Duvallon"), "R01-32", f"{PERSON}.name", "name is 'Duvallon' instead of a list"),
        ("PractitionerRole", updated(telecom=[True]), "R01-31", f"{ROLE}.telecom[0]",
         "telecom is true instead of an object"),
        ("PractitionerRole", lambda one: one["contained"][0]["address"].update(line="1 rue X"), "R01-31",
         f"{ROLE}.contained[0].address.line", "contained.address.line is '1 rue X' instead of a list"),
        ("Organization", updated(name=["x"]), "R04-3", "Organization/1339900011.name",
         "name is a list instead of a string"),
        ("HealthcareService", updated(providedBy=[]), "R04-2", "HealthcareService/1339900011.providedBy",
         "providedBy is a list instead of an object"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_a_finding(kind: str, change: Any, requirement: str, path: str, text: str) -> None:
    found = read_bundle(damaged(BODY, kind, change)).findings
    assert (requirement, path, text) in [(each.requirement, each.path, each.text) for each in found]


@pytest.mark.parametrize(
    ("change", "path", "text"),
    [
        ({"entry": {}}, "Bundle.entry", "entry is an object instead of a list"),
        ({"entry": [7]}, "Bundle.entry[0]", "an entry is 7 instead of an object"),
        ({"link": {}}, "Bundle.link", "Bundle.link is an object instead of a list"),
        ({"link": [{"relation": "next", "url": 7}]}, "Bundle.link[0].url", "Bundle.link.url is 7 instead of a string"),
        ({"total": None}, "Bundle.total", "nothing, but there are 2 slots"),
    ],
)
def test_an_envelope_of_another_type_is_a_finding(change: dict[str, Any], path: str, text: str) -> None:
    found = read_bundle(json.dumps({**json.loads(BODY), **change}).encode()).findings
    assert (path, text) in [(each.path, each.text) for each in found]


def test_a_type_that_is_none_and_says_nothing_more_is_told() -> None:
    body = damaged(BODY, "Slot", lambda one: one.update(serviceType=[{"coding": [{"system": "urn:x", "code": "1"}]}]))
    assert "R01-48 Slot/p-1.20261123T0800Z.serviceType[0].coding[0]: 'urn:x|1' is no consultation type" in told(body)
    assert read_bundle(body).slots[0].reasons == ()


def test_a_resource_without_id_is_named_by_its_entry() -> None:
    body = damaged(BODY, "Slot", lambda one: one.update(id=None, status="busy"))
    assert told(body) == ["R01-10 Bundle.entry[0].resource.status: 'busy' instead of free"]


def test_a_missing_schedule_is_one_finding_however_many_slots_name_it() -> None:
    bundle = json.loads(BODY)
    (schedule,) = [each for each in bundle["entry"] if each["resource"]["resourceType"] == "Schedule"]
    bundle["entry"].remove(schedule)
    assert told(json.dumps(bundle).encode()) == ["R01-12 Schedule/p-1: the Schedule is not in the answer"]


def test_a_cause_is_counted_and_its_first_place_told() -> None:
    bundle = json.loads(BODY)
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Slot":
            entry["resource"]["status"] = "busy"
    assert told(json.dumps(bundle).encode()) == [
        "R01-10 Slot/p-1.20261123T0800Z.status: 'busy' instead of free (2 places)"
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda one: one["serviceType"].append({"text": "x" * 300}), "a reason of over 200 characters is cut"),
        (
            lambda one: one.update(serviceType=[{"text": f"n{at}"} for at in range(30)]),
            "more than 20 reasons: the others",
        ),
        (lambda one: one.update(id="x" * 65), "an id of over 64 characters"),
        (lambda one: one.update(comment="https://e/" + "x" * 2100), "is no URL of a page"),
    ],
)
def test_what_nobody_could_show_is_cut_or_left_out(change: Any, text: str) -> None:
    reading = read_bundle(damaged(BODY, "Slot", change))
    assert any(text in finding.text for finding in reading.findings)
    assert all(len(each) <= 200 for slot in reading.slots for each in slot.reasons)
    assert all(len(slot.reasons) <= 20 for slot in reading.slots)


def test_findings_are_bounded_and_in_the_natural_order_of_their_requirements() -> None:
    findings = Findings()
    for number in (49, 5, 13, 6):
        findings.wrong(f"R01-{number}", "x", "y")
    findings.wrong("R01-P", "x", "y")
    assert [each.requirement for each in findings.all()] == ["R01-5", "R01-6", "R01-13", "R01-49", "R01-P"]
    for number in range(100):
        findings.add(Finding("SOS-1", "x", f"cause {number}"))
    findings.add(Finding("SOS-1", "x", "cause 0", count=4))
    assert len(findings) == MOST_FINDINGS
    assert {each.text: each.count for each in findings.all()}["cause 0"] == 5


def test_ids_are_sorted_as_people_count() -> None:
    assert sorted(["R01-49", "R04-1", "R01-P", "R01-5"], key=natural) == ["R01-5", "R01-49", "R01-P", "R04-1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BODY.replace("Amélie".encode(), "Amélie".encode("latin-1")), "not UTF-8: octet 0xE9"),
        (BODY.replace(b'"status":"free"', b'"x":' + b"[" * 1100 + b"]" * 1100), "levels of objects"),
        (BODY.replace(b'"total":2', b'"total":1e99999'), "a number that is out of range"),
        (BODY.replace(b'"total":2', b'"total":' + b"9" * 400), "a number that is out of range"),
        (b'{"resourceType":"Bundle","entry":[' + b"{}," * 300_000 + b"{}]}", "elements (at most 500000)"),
        (b'{"resourceType":"Bundle","entry":[' + b"{}," * 20_000 + b"{}]}", "20001 entries (at most 20000)"),
        (b'{"resourceType":"Bundle","entry":[{"x":[' + b"[]," * 6000 + b"[]]}]}", "elements (at most 5000)"),
        (b"[" * 3000, "not an object"),
        (b'{"x":' + b"[" * 3000 + b"]" * 3000 + b"}", "levels of objects"),
        (b'{"resourceType":"Bundle","entry":[{"x":' + b"[" * 99 + b"]" * 99 + b"}]}", "more than 64 levels"),
        (b'{"resourceType":"Bundle","entry":[{]}', "not JSON"),
        (b'["x"]', "not an object"),
    ],
)
def test_what_cannot_be_read_gives_one_finding_and_its_reason(body: bytes, reason: str) -> None:
    for _ in range(2):
        reading = read_bundle(body)
        assert reading.slots == []
        (finding,) = reading.findings
        assert (finding.requirement, finding.path) == ("R01-13", "Bundle")
        assert finding.text.startswith("cannot be read: ")
        assert reason in finding.text


def test_what_is_kept_of_answers_is_bounded_by_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts differ each time, and must not accumulate in the caches."""
    quick._TERMS.clear()
    quick._KNOWN.clear()
    monkeypatch.setattr(quick._TERMS, "most", 40_000)
    monkeypatch.setattr(quick._KNOWN, "most", 100_000)
    bodies = [BODY.replace("Fièvre".encode(), b"%06d" % at + b"x" * 150) for at in range(300)]
    read_bundle(BODY)
    tracemalloc.start()
    try:
        for body in bodies:
            assert read_bundle(body).slots
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert quick._TERMS.octets <= quick._TERMS.most
    assert quick._KNOWN.octets <= quick._KNOWN.most
    assert grown < 2 * (quick._TERMS.most + quick._KNOWN.most)
    quick._TERMS.clear()
    quick._KNOWN.clear()


def test_a_time_that_is_no_time_is_not_remembered() -> None:
    before = quick._times.cache_info().currsize
    for at in range(10):
        read_bundle(damaged(BODY, "Slot", lambda one, at=at: one.update(start=f"{at}" * 10_000)))
    assert quick._times.cache_info().currsize <= before + 1

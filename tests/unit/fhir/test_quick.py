"""The fast reader of an answer returns the same as the slow one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.fhir.reader import quick, reading
from sandbox.fhir.reader.quick import exact_instant, quick_bundle
from sandbox.fhir.reader.reading import Reading, read_bundle
from tests.unit.fhir.test_reading import BODY, SITES, damaged


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Empty the caches."""
    quick._TERMS.clear()
    quick._KNOWN.clear()


def slowly(body: bytes) -> Reading:
    return reading._read_slowly(body)


def ordered(found: Reading) -> tuple[Any, ...]:
    return (
        sorted(found.slots, key=lambda slot: slot.slot_id),
        sorted(found.findings, key=lambda each: (each.requirement, each.path, each.text)),
        found.total,
        found.following,
    )


def change(**values: Any) -> Any:
    return lambda slot: slot.update(values)


DAMAGED = [
    change(status="busy"),
    change(start="2026-11-23T09:00:00"),
    change(start="2026-11-23T09:00:00.000+99:00"),
    change(start="yesterday"),
    change(end="2026-11-23T08:00:00.000+01:00"),
    change(end="9999-12-31T23:59:59.000-14:00"),
    change(start="0001-01-01T00:00:00.000+14:00"),
    change(schedule={"reference": "Schedule/unknown"}),
    change(schedule={"reference": "Location/x"}),
    change(schedule={"reference": "https://h.example/fhir/Schedule/p-1"}),
    change(schedule={}),
    change(comment=""),
    change(comment="javascript:alert(1)"),
    change(comment="", appointmentType={"coding": [{"code": "WALKIN"}]}),
    change(appointmentType={}),
    change(meta={}),
    change(serviceType=[{"text": "AMB"}]),
    change(serviceType=[{"coding": [{"system": "x", "code": "y", "display": "Fièvre"}]}]),
    change(id=7),
    lambda slot: slot.pop("meta"),
    lambda slot: slot.pop("serviceType"),
]


@pytest.mark.parametrize("how", DAMAGED)
@pytest.mark.parametrize("body", [BODY, SITES])
def test_a_damaged_slot_is_read_alike(body: bytes, how: Any) -> None:
    answer = damaged(body, "Slot", how)
    assert ordered(read_bundle(answer)) == ordered(slowly(answer))
    assert ordered(read_bundle(body)) == ordered(slowly(body))
    assert ordered(read_bundle(answer)) == ordered(slowly(answer))  # the cached values change nothing


@pytest.mark.parametrize(
    "document",
    [
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "Bundle", "type": "searchset", "total": True},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{}]},
        {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": None}, {"resource": {"a": 1}}]},
        {"resourceType": "Bundle", "type": "searchset", "total": 0, "link": [{"relation": "next", "url": "http://x"}]},
        {"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": [{"fullUrl": "x", "resource": []}]},
    ],
)
def test_any_bundle_is_read_alike(document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    assert ordered(read_bundle(body)) == ordered(slowly(body))


def test_an_answer_that_is_known_again_is_read_alike_with_its_next_page() -> None:
    document = json.loads(BODY)
    document["link"].append({"relation": "next", "url": " https://h.example/fhir/next "})
    body = json.dumps(document).encode()
    for _ in range(2):
        found = read_bundle(body)
        assert ordered(found) == ordered(slowly(body))
        assert found.following == "https://h.example/fhir/next"
    assert len(quick._KNOWN) == 1


@pytest.mark.parametrize("kind", ["Schedule", "Practitioner", "PractitionerRole"])
def test_an_answer_with_elements_that_nobody_knows_is_known_again_all_the_same(kind: str) -> None:
    document = json.loads(BODY)
    for entry in document["entry"]:
        if entry["resource"]["resourceType"] == kind:
            entry["resource"]["language"] = "fr"
    body = json.dumps(document).encode()
    for _ in range(2):
        assert ordered(read_bundle(body)) == ordered(slowly(body))
    assert len(quick._KNOWN) == 1


def test_company_that_says_something_else_is_another() -> None:
    """Each element of each resource other than a Slot is part of the cache key."""
    read_bundle(BODY)
    document = json.loads(BODY)
    for entry in document["entry"]:
        resource = entry["resource"]
        for element in set(resource) - {"resourceType"} if resource["resourceType"] != "Slot" else ():
            kept = resource[element]
            resource[element] = [] if isinstance(kept, list) else "" if isinstance(kept, str) else {}
            body = json.dumps(document).encode()
            assert ordered(read_bundle(body)) == ordered(slowly(body)), (resource["resourceType"], element)
            resource[element] = kept


def test_what_is_known_again_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick._TERMS, "most", 4000)
    monkeypatch.setattr(quick._KNOWN, "most", 20_000)
    for body in (BODY, SITES, damaged(SITES, "Slot", change(serviceType=[{"text": "Toux"}])), BODY):
        assert ordered(read_bundle(body)) == ordered(slowly(body))
        assert quick._TERMS.octets <= 4000
        assert 0 < quick._KNOWN.octets <= 20_000


def test_what_is_no_bundle_is_none() -> None:
    assert quick_bundle(b"{") is None
    assert quick_bundle(b'{"resourceType":"Patient"}') is None


@pytest.mark.parametrize(
    "text", ["2026-11-23T09:00:00Z", "2026-11-23 09:00:00.000+01:00", "2026-13-23T09:00:00.000+01:00"]
)
def test_only_the_guides_own_form_is_exact(text: str) -> None:
    assert exact_instant(text) is None

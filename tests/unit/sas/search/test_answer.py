"""One editor's answer with its pages: which are followed, what is said of those that are not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.fhir.reader.reading import read_bundle
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Practitioner
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.answer import MOST_PAGES, MOST_SLOTS, Answer, address_of, admissible
from sandbox.sas.search.criteria import Criteria, read_criteria
from sandbox.sas.search.editor_queries import EditorQuery
from tests.unit.sas.search.bundles import bundle, practitioner_bundle, practitioner_resources, slot

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
FIRST = "https://agenda.exemple:8443/fhir/Slot?status=free"


@pytest.fixture
def person(population: Population) -> Practitioner:
    return next(iter(population.practitioners()))


@pytest.fixture
def answer(population: Population, person: Practitioner) -> Answer:
    query = EditorQuery(population.editors[person.editor], Flow.INT_R01, "Slot?", frozenset({person.id}))
    return Answer(query, criteria(population))


def criteria(population: Population, **more: str) -> Criteria:
    return read_criteria({"town": "Bordeaux", **more}, Directory(population), SPECIALTIES, NOW)


def page(person: Practitioner, hour: int, following: str | None = None, **more: Any) -> bytes:
    links = [] if following is None else [{"relation": "next", "url": following}]
    return practitioner_bundle((person, [NOW + timedelta(hours=hour)]), link=links, **more)


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://agenda.exemple:8443/fhir?_getpages=a1&_getpagesoffset=50", None),
        ("https://AGENDA.exemple:8443/other/path", None),
        ("?_getpages=a1", "https://agenda.exemple:8443/fhir/Slot?_getpages=a1"),
        ("Slot?page=2", "https://agenda.exemple:8443/fhir/Slot?page=2"),
        ("/pages/2#top", "https://agenda.exemple:8443/pages/2"),
        ("?name=Zoé l'été|x", "https://agenda.exemple:8443/fhir/Slot?name=Zo%C3%A9%20l'%C3%A9t%C3%A9|x"),
        ("?a=%20", "https://agenda.exemple:8443/fhir/Slot?a=%20"),
    ],
)
def test_a_page_of_the_editor_is_followed(link: str, address: str | None) -> None:
    assert address_of(link, FIRST) == (address or link)


def test_a_port_that_goes_without_saying_is_the_same() -> None:
    assert address_of("https://e.exemple:443/x", "https://e.exemple/fhir/Slot") == "https://e.exemple:443/x"


@pytest.mark.parametrize(
    "link",
    [
        "https://autre.exemple:8443/fhir?_getpages=a1",
        "https://agenda.exemple/fhir?page=2",
        "http://agenda.exemple:8443/fhir?page=2",
        "//autre.exemple/x",
        "https://moi@agenda.exemple:8443/fhir",
        "https://agenda.exemple:99999/fhir",
        "https://[::1/fhir",
        "javascript:alert(1)",
        "?x=" + "y" * 8000,
    ],
)
def test_a_page_elsewhere_is_not_followed_and_slots_are_said_to_be_missing(
    answer: Answer, person: Practitioner, link: str
) -> None:
    assert answer.take(page(person, 1, link), FIRST) is None
    assert (answer.short, len(answer.slots)) == ("next-elsewhere", 1)
    (finding,) = answer.findings
    assert (finding.requirement, finding.path) == ("R01-13", "Bundle.link.where(relation = 'next').url")
    assert link[:70] in finding.text


def test_total_is_judged_over_all_pages(answer: Answer, person: Practitioner) -> None:
    second = answer.take(page(person, 1, "?page=2", total=2), FIRST)
    assert second is not None
    assert answer.take(page(person, 2, total=2), second) is None
    assert ([slot.start.hour for slot in answer.slots], answer.findings, answer.short) == ([11, 12], [], "")


@pytest.mark.parametrize(("total", "said"), [(7, "7"), (None, "nothing"), (1, "1")])
def test_a_total_that_counts_something_else_is_told_once(
    answer: Answer, person: Practitioner, total: int | None, said: str
) -> None:
    second = answer.take(page(person, 1, "?page=2", total=total), FIRST)
    assert second is not None
    answer.take(page(person, 2, total=total), second)
    assert [str(each) for each in answer.findings] == [f"R01-13 Bundle.total: {said}, but there are 2 slots on 2 pages"]


def test_pages_in_a_circle_end(answer: Answer, person: Practitioner) -> None:
    second = answer.take(page(person, 1, "?page=2"), FIRST)
    assert second is not None
    assert answer.take(page(person, 2, FIRST), second) is None
    assert (answer.short, len(answer.slots)) == ("next-repeats", 2)


def test_pages_without_end_end(answer: Answer, person: Practitioner) -> None:
    url: str | None = FIRST
    for number in range(MOST_PAGES):
        assert url is not None
        url = answer.take(page(person, 1 + number, f"?page={number}"), url)
    assert url is None
    assert (answer.short, len(answer.slots)) == ("next-many", MOST_PAGES)


def test_slots_beyond_the_most_are_said_to_be_missing(answer: Answer, person: Practitioner) -> None:
    starts = [NOW + timedelta(seconds=20 * at) for at in range(MOST_SLOTS + 2)]
    body = bundle(
        [slot(person.places[0].id, each, id=f"s{each:%d%H%M%S}") for each in starts], practitioner_resources(person)
    )
    assert answer.take(body, FIRST) is None
    assert (answer.short, answer.offered, len(answer.slots)) == ("slots-many", MOST_SLOTS, MOST_SLOTS)


def test_a_cause_on_several_pages_is_one_finding(answer: Answer, person: Practitioner) -> None:
    second = answer.take(page(person, -1, "?page=2", total=2), FIRST)
    assert second is not None
    answer.take(page(person, -2, total=2), second)
    (finding,) = answer.findings
    assert (finding.requirement, finding.count) == ("R01-5", 2)
    assert str(finding).endswith("is before the window (2 places)")


def test_a_page_that_is_no_bundle_makes_the_whole_unreadable(answer: Answer, person: Practitioner) -> None:
    assert answer.take(b"\xe9", FIRST) is None
    assert not answer.readable
    assert [each.path for each in answer.findings] == ["Bundle"]


def test_what_the_filters_leave_out_is_offered_all_the_same(population: Population, person: Practitioner) -> None:
    query = EditorQuery(population.editors[person.editor], Flow.INT_R01, "Slot?", frozenset({person.id}))
    found = Answer(query, criteria(population, reason="toux"))
    found.take(page(person, 1), FIRST)
    assert (found.offered, found.slots) == (1, [])


def test_what_was_not_asked_for_is_dropped_and_told(person: Practitioner) -> None:
    slots = read_bundle(practitioner_bundle((person, [NOW + timedelta(hours=1)]))).slots
    end = NOW + timedelta(days=3)
    kept, findings = admissible(slots, {person.id}, NOW, end)
    assert (kept, findings) == (list(slots), [])
    kept, findings = admissible(slots, {"810000000001"}, NOW, end)
    assert kept == []
    assert [finding.requirement for finding in findings] == ["R01-16"]


@pytest.mark.parametrize(
    ("shift", "requirement"), [(timedelta(minutes=-1), "R01-5"), (timedelta(days=3, minutes=1), "R01-6")]
)
def test_slots_before_and_after_the_window_are_dropped_and_told(
    person: Practitioner, shift: timedelta, requirement: str
) -> None:
    slots = read_bundle(practitioner_bundle((person, [NOW + shift]))).slots
    kept, findings = admissible(slots, {person.id}, NOW, NOW + timedelta(days=3))
    assert kept == []
    assert [finding.requirement for finding in findings] == [requirement]


def test_a_slot_of_nobody_is_dropped_without_a_second_finding(person: Practitioner) -> None:
    reading = read_bundle(bundle([slot("lost", NOW), slot("lost", NOW + timedelta(hours=1))], []))
    assert [str(each) for each in reading.findings] == [
        "R01-12 Schedule/lost: the Schedule is not in the answer",
    ]
    end = NOW + timedelta(days=3)
    assert admissible(reading.slots, {person.id}, NOW, end) == ([], [])

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sandbox.fhir.reader.reading import FreeSlot
from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Practitioner, Structure
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.directory.origins import SourceName
from sandbox.sas.directory.participation import kinds_of, takes_part
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.criteria import Filters, read_criteria
from sandbox.sas.search.lots import Lot
from sandbox.sas.search.merging import Answers, Merger
from sandbox.sas.search.sources import narrowed

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
EDITOR = SourceName("rdv-commune", "RDV Commune")


class Table:
    """A search whose answers are made by hand."""

    def __init__(self, directory: Directory, **changes: object) -> None:
        made = read_criteria({"town": "Bordeaux", "order": "distance"}, directory, SPECIALTIES, NOW)
        self.directory, self.criteria = directory, replace(made, **changes)  # type: ignore[arg-type]
        self.answers = Answers()
        self.merger = Merger(self.criteria, directory, SPECIALTIES, self.answers)
        self.everybody = [each.practitioner for each in directory.candidates("SM54", self.criteria.area)]

    def lot(self, people: Iterable[Practitioner]) -> Lot:
        candidates = [Candidate(each.id, float(at), self.directory.population) for at, each in enumerate(people)]
        return Lot(self.criteria.area, candidates, ())

    def answered(self, person: Practitioner, *slots: FreeSlot) -> None:
        self.answers.add(EDITOR, [person.id], narrowed(slots, self.criteria))

    def shown(self, *lots: Lot) -> list[list[tuple[str, str]]]:
        """(kind, id) of the cards with slots, by lot."""
        represented: set[str] = set()
        return [
            [
                (card.kind, card.id)
                for card in (
                    self.merger.draw(each) for each in self.merger.cards(self.merger.outlines(lot), represented)[0]
                )
            ]
            for lot in lots
        ]


def slot(person: Practitioner, **changes: object) -> FreeSlot:
    start = NOW + timedelta(hours=1)
    values = {"visibilities": ("PUBLIC",), "types": ("AMB",), **changes}
    return FreeSlot(person.places[0].id, "s", start, start + timedelta(minutes=15), person.id, **values)  # type: ignore[arg-type]


@pytest.fixture
def members(directory: Directory) -> list[Practitioner]:
    """Who takes part through a CPTS of Bordeaux."""
    zone = directory.cpts_of(directory.population.towns["33063"])
    found = [each for each in Table(directory).everybody if zone & {*each.cpts}]
    assert len(found) >= 3
    first = next(iter(zone & {*found[0].cpts}))
    return [each for each in found if zone & {*each.cpts} == {first}][:3]


@pytest.fixture
def alone(directory: Directory) -> Practitioner:
    return next(each for each in Table(directory).everybody if not each.cpts and not kinds_of(each))


def test_the_first_member_with_slots_is_the_card_of_his_cpts(
    directory: Directory, members: list[Practitioner], alone: Practitioner
) -> None:
    table = Table(directory)
    one, two, three = members
    for person in (two, three, alone):
        table.answered(person, slot(person))
    table.answered(one)
    assert table.shown(table.lot([one, two, three, alone])) == [[("cpts", two.id), ("practitioner", alone.id)]]


def test_a_cpts_has_one_card_in_all_lots(directory: Directory, members: list[Practitioner]) -> None:
    table = Table(directory)
    lots = [table.lot([each]) for each in members]
    table.answered(members[1], slot(members[1]))
    table.answered(members[2], slot(members[2]))
    assert table.shown(*lots) == [[], [("cpts", members[1].id)], []]
    table.answered(members[0], slot(members[0]))  # comes late, is first
    assert table.shown(*lots) == [[("cpts", members[0].id)], [], []]


def test_members_of_a_cpts_of_elsewhere_have_cards_of_their_own(
    directory: Directory, members: list[Practitioner]
) -> None:
    lyon = directory.places.locality("Lyon")
    table = Table(directory, place=lyon)
    for person in members:
        table.answered(person, slot(person))
    assert table.shown(table.lot(members)) == [[("practitioner", each.id) for each in members]]


def test_the_preferred_doctor_comes_first_and_keeps_his_card(
    directory: Directory, members: list[Practitioner], alone: Practitioner
) -> None:
    table = Table(directory, preferred=members[1].id)
    for person in (alone, *members):
        table.answered(person, slot(person))
    (shown,) = table.shown(table.lot([alone, *members]))
    assert shown == [("practitioner", members[1].id), ("practitioner", alone.id), ("cpts", members[0].id)]


def test_who_was_not_answered_for_is_neither_free_nor_busy(directory: Directory, alone: Practitioner) -> None:
    table = Table(directory)
    lot = table.lot([alone])
    assert table.merger.cards(table.merger.outlines(lot), set()) == ([], [])
    table.answered(alone)
    assert [each.id for each in table.merger.cards(table.merger.outlines(lot), set())[1]] == [alone.id]


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), True),
        (Filters(visibilities=frozenset({"SNP", "PUBLIC"})), True),
        (Filters(visibilities=frozenset({"SNP"})), False),
        (Filters(types=frozenset({"AMB"})), True),
        (Filters(types=frozenset({"HH", "VR"})), False),
        (Filters(booking="with"), True),
        (Filters(booking="without"), False),
    ],
)
def test_filters_of_slots(directory: Directory, alone: Practitioner, filters: Filters, passes: bool) -> None:
    table = Table(directory, filters=filters)
    table.answered(alone, slot(alone))
    assert bool(table.shown(table.lot([alone]))[0]) is passes


@pytest.mark.parametrize(("reason", "passes"), [("fievre", True), ("Fièvre de l'enfant", True), ("visite", False)])
def test_a_reason_is_told_without_accents(directory: Directory, alone: Practitioner, reason: str, passes: bool) -> None:
    table = Table(directory, reason=reason)
    table.answered(alone, slot(alone, reasons=("Fièvre de l'enfant",)))
    assert bool(table.shown(table.lot([alone]))[0]) is passes


@pytest.mark.parametrize(("within", "count"), [(0.5, 1), (1.5, 2), (None, 3)])
def test_distance_leaves_out_who_is_farther(directory: Directory, within: float | None, count: int) -> None:
    table = Table(directory, filters=Filters(within_km=within))
    assert len(table.merger.outlines(table.lot(table.everybody[:3]))) == count


def test_kinds_leave_out_the_others(directory: Directory, members: list[Practitioner], alone: Practitioner) -> None:
    table = Table(directory, filters=Filters(kinds=frozenset({"cpts"})))
    assert {each.id for each in table.merger.outlines(table.lot([alone, *members]))} == {each.id for each in members}
    sos = replace(table.lot([alone]), associations=directory.associations(table.criteria.area))
    only = Table(directory, filters=Filters(kinds=frozenset({"sos"})))
    assert {each.id for each in only.merger.outlines(sos)} == {each.siret for each in sos.associations} != set()


def test_those_of_a_cds_take_no_part_unless_through_something_else(alone: Practitioner) -> None:
    def within(kind: str, **changes: object) -> Practitioner:
        group = Structure("1330000018", kind, "x", "1 rue X", "33000", "Bordeaux", "33063", 44.8, -0.5)  # type: ignore[arg-type]
        return replace(alone, places=(replace(alone.places[0], group=group),), **changes)  # type: ignore[arg-type]

    assert (kinds_of(alone), takes_part(kinds_of(alone))) == (frozenset(), True)
    assert (kinds_of(within("MSP")), takes_part(kinds_of(within("MSP")))) == ({"msp"}, True)
    assert (kinds_of(within("CDS")), takes_part(kinds_of(within("CDS")))) == ({"cds"}, False)
    both = kinds_of(within("CDS", cpts=("1339900011",)))
    assert (both, takes_part(both)) == ({"cds", "cpts"}, True)


def test_participants_come_before_the_others(population: Population, directory: Directory) -> None:
    table = Table(directory)
    outlines = table.merger.outlines(table.lot(table.everybody))
    part = [takes_part(kinds_of(each.owner.practitioner)) for each in outlines if isinstance(each.owner, Candidate)]
    assert part == sorted(part, reverse=True)

"""The directory: the population as the platform sees it, searchable by specialty and area. Pure.

A search costs the area, not the country: places of practice are kept per specialty in cells of a coarse grid, as
arrays of coordinates; the practitioners of a département are read into it when a search first touches the département.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier, prefixed_person, regulator_identifier
from sandbox.kernel.model import ConsultationSite, Place, Practitioner, Regulator, SosAssociation, Town
from sandbox.kernel.text.words import folded
from sandbox.population.agendas.leave import absent, pattern_of
from sandbox.population.people import Population
from sandbox.population.procedural import FREE_TEXTS, Settled
from sandbox.sas.directory import participation
from sandbox.sas.directory.areas import KM_PER_DEGREE, Area, distance_km
from sandbox.sas.directory.places import Places
from sandbox.sas.directory.specialties import GENERAL_MEDICINE

CELL_DEGREES = 0.1  # 11 km from south to north
GENERAL = "SM54"
UNCODED = ""  # group of those whose specialty has no code

_Key = tuple[int, int]  # row and column of a cell


@dataclass(frozen=True, slots=True)
class Candidate:
    """A practitioner whom an editor can be asked about; `distance_km` is that of the nearest place, `external` whether
    his editor is a vendor's real server.

    Of the thousands around a city few are ever asked, so the person behind the id is looked up when needed.
    """

    id: str
    distance_km: float
    population: Population = field(repr=False, compare=False)
    external: bool = False

    @property
    def practitioner(self) -> Practitioner:
        """The person."""
        found = self.population.practitioner(self.id)
        assert found is not None, self.id
        return found


@dataclass(slots=True)
class _Cell:
    """The places of one specialty in one cell: whose they are, and their latitudes and longitudes in turn."""

    ids: list[str] = field(default_factory=list)
    spots: array[float] = field(default_factory=lambda: array("d"))


class Directory:
    """Indexes over one population, made at start-up and again when other people have come.

    `disabled`: slugs of the editors that are not to be asked now.
    """

    def __init__(self, population: Population, disabled: Callable[[], Collection[str]] = frozenset) -> None:
        self._source, self.disabled = population, disabled
        self._begin()
        population.watch(self._begin)

    def _begin(self) -> None:
        population = self.population = self._source.current
        handmade = [*population.handmade()]
        self.places = Places(population.towns)
        self.work = 0  # places that searches have looked at
        self._cells: dict[str, dict[_Key, _Cell]] = defaultdict(lambda: defaultdict(_Cell))
        self._unread = dict(population.procedural.departments)
        editors = population.editors
        self._external = {person.id for person in handmade if editors[person.editor].external}
        self._addresses = dict(_addresses(handmade, population))
        texts = [*(person.specialty_text or "" for person in handmade), *(FREE_TEXTS if population.count else ())]
        self._texts = {folded(text): text for text in texts if text}
        for person in handmade:
            spots = tuple((place.lat, place.lon) for place in person.places)
            self._index(Settled(person.id, person.editor, person.specialty, spots))

    def _index(self, person: Settled) -> None:
        if not self._is_interfaced(person.editor):
            return
        cells = self._cells[_group(person.specialty or UNCODED)]
        for spot in person.spots:
            cell = cells[_cell(*spot)]
            cell.ids.append(person.id)
            cell.spots.extend(spot)

    def _read(self, area: Area) -> None:
        """Index the départements that the area touches and that were not read yet."""
        low, high = _corners(area)
        for code, (south, north, west, east) in [*self._unread.items()]:
            if south <= high[0] and low[0] <= north and west <= high[1] and low[1] <= east:
                del self._unread[code]
                for person in self.population.procedural.settled_in(code):
                    self._index(person)

    def _is_interfaced(self, slug: str) -> bool:
        editor = self.population.editors.get(slug)
        return editor is not None and (editor.speaks(Flow.INT_R01) or editor.speaks(Flow.INT_R04))

    def town(self, insee: str = "", name: str = "") -> Town | None:
        """The town by INSEE code, else by name, as `Places.town`."""
        return self.places.town(insee, name)

    def specialty_text(self, words: str) -> str | None:
        """The words that practitioners without a code have for their specialty, as they are written; None if nobody."""
        return self._texts.get(folded(words))

    def candidates(self, specialty: str, area: Area, besides: Collection[str] = ()) -> list[Candidate]:
        """Interfaced practitioners of a specialty with a place in the area, in the order of the dataset.

        The three codes of general medicine are one specialty; what is no code is the words of those who have none.
        `besides`: ids that are left out.
        """
        self._read(area)
        coded = specialty not in self._texts.values()
        cells = self._cells.get(_group(specialty) if coded else UNCODED, {})
        found: dict[str, float] = {}
        for cell in _cells_of(area):
            if (held := cells.get(cell)) is not None:
                self.work += _gather(found, held, area)
        candidates = [self._candidate(id, distance) for id, distance in found.items() if id not in besides]
        if not coded:
            candidates = [each for each in candidates if each.practitioner.specialty_text == specialty]
        if off := self.disabled():
            candidates = [each for each in candidates if each.practitioner.editor not in off]
        return candidates

    def _candidate(self, id: str, distance: float) -> Candidate:
        return Candidate(id, distance, self.population, id in self._external)

    def away(self, person: Practitioner, days: Collection[date]) -> bool:
        """Is he on leave on all these days, wherever he consults; of a vendor's real server nobody knows."""
        if not person.places or self.population.editors[person.editor].external:
            return False
        return all(
            pattern_of(self.population.seed, place.id) in absent(place.agenda.leave, day.toordinal())
            for place in person.places
            for day in days
        )

    def accepts_extra(self, person: Practitioner) -> bool:
        """Would he take a patient beside his agenda; of a vendor's real server nobody knows."""
        return person.id not in self._external and participation.accepts_extra(person, self.population.seed)

    def candidate(self, id: str, area: Area) -> Candidate | None:
        """A practitioner wherever he is, for a search around another place; None when no editor of his can be asked."""
        person = self.population.practitioner(id)
        if person is None or not self._is_interfaced(person.editor) or person.editor in self.disabled():
            return None
        distances = (distance_km(area.lat, area.lon, place.lat, place.lon) for place in person.places)
        return self._candidate(id, min(distances, default=0.0))

    def associations(self, area: Area) -> list[SosAssociation]:
        """SOS associations with a consultation site in the area whose editor speaks the SOS search."""
        off = self.disabled()
        return [
            association
            for association in self.population.sos.values()
            if self._speaks_sos(association)
            and association.editor not in off
            and any(distance_km(area.lat, area.lon, site.lat, site.lon) <= area.radius_km for site in association.sites)
        ]

    def _speaks_sos(self, association: SosAssociation) -> bool:
        editor = self.population.editors.get(association.editor)
        return editor is not None and editor.speaks(Flow.SOS)

    def cpts_of(self, town: Town) -> frozenset[str]:
        """FINESS of the CPTS whose zone of intervention holds the town."""
        return frozenset(cpts.finess for cpts in self.population.cpts.values() if town.insee in cpts.zone)

    def regulator(self, identifier: Identifier) -> Regulator | None:
        """The account of exactly that pair (system, value): a value under another system is somebody else."""
        key = regulator_identifier(identifier).key
        regulator = self.population.regulator(key)
        return regulator if regulator is not None and regulator.identifier.key == key else None

    def practitioner(self, national_id: str) -> Practitioner | None:
        """By national id, prefixed or not."""
        return self.population.practitioner(prefixed_person(national_id))

    def search_at(self, editor: str) -> dict[str, str] | None:
        """Parameters of a search at the address of an external editor's first place: what it has is on the first page.

        None for the sandbox's own editors, for one that is disabled, and for one that holds nobody.
        """
        return None if editor in self.disabled() else self._addresses.get(editor)

    def doctor(self, national_id: str) -> Practitioner | None:
        """Whoever an appointment may name: a practitioner, or a doctor of an SOS association. By national id."""
        return self.population.doctor(national_id)

    def organization_of(self, practitioner: Practitioner) -> str | None:
        """The CPTS that he takes part through, else his structure when he has only one, or his association; prefixed
        IDNST."""
        if practitioner.cpts:
            return practitioner.cpts[0]
        if not practitioner.places:
            association = self.population.association_of(practitioner.id)
            return association.siret if association is not None else None
        structures = {place.structure for place in practitioner.places}
        return structures.pop() if len(structures) == 1 else None

    def association_of(self, editor: str) -> str | None:
        """SIRET of the SOS association that an editor serves, when it serves only one."""
        served = [association.siret for association in self.population.sos.values() if association.editor == editor]
        return served[0] if len(served) == 1 else None


def _addresses(people: Iterable[Practitioner], population: Population) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each external editor: where a search finds it, the first of its practitioners stronger than its sites."""
    wheres: list[tuple[str, Place | ConsultationSite, str]]
    wheres = [(each.editor, site, GENERAL) for each in population.sos.values() for site in each.sites[:1]]
    wheres += [(each.editor, each.places[0], each.specialty or GENERAL) for each in [*people][::-1] if each.places]
    for slug, at, specialty in wheres:
        if population.editors[slug].external:
            yield slug, {"place": f"{at.line}, {at.postal_code} {at.city}", "specialty": specialty}


def _group(specialty: str) -> str:
    return GENERAL if specialty in GENERAL_MEDICINE else specialty


def _cell(lat: float, lon: float) -> _Key:
    return math.floor(lat / CELL_DEGREES), math.floor(lon / CELL_DEGREES)


def _corners(area: Area) -> tuple[tuple[float, float], tuple[float, float]]:
    """The south-western and the north-eastern corner of the square around the circle, in degrees."""
    north = area.radius_km / KM_PER_DEGREE
    east = north / max(0.05, math.cos(math.radians(area.lat)))
    return (area.lat - north, area.lon - east), (area.lat + north, area.lon + east)


def _cells_of(area: Area) -> Iterator[_Key]:
    """Every cell that this square touches."""
    low, high = _corners(area)
    first, last = _cell(*low), _cell(*high)
    for row in range(first[0], last[0] + 1):
        for column in range(first[1], last[1] + 1):
            yield row, column


def _gather(found: dict[str, float], cell: _Cell, area: Area) -> int:
    """Add who has a place of the cell in the area; the nearest of his places counts. How many places were looked at."""
    spots = iter(cell.spots)
    for id, lat, lon in zip(cell.ids, spots, spots, strict=True):
        distance = distance_km(area.lat, area.lon, lat, lon)
        if distance <= area.radius_km and distance < found.get(id, math.inf):
            found[id] = distance
    return len(cell.ids)

"""The directory: the population as the platform sees it, searchable by specialty and area. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import Identifier, prefixed_person, regulator_identifier
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, Regulator, SosAssociation, Town
from sandbox.kernel.text.words import folded
from sandbox.population.agendas.leave import absent, pattern_of
from sandbox.population.people import Population
from sandbox.population.procedural import FREE_TEXTS
from sandbox.sas.directory import participation
from sandbox.sas.directory.areas import Area, distance_km
from sandbox.sas.directory.grid import GENERAL, UNCODED
from sandbox.sas.directory.people_index import PeopleIndex
from sandbox.sas.directory.places import Places


@dataclass(frozen=True, slots=True)
class Candidate:
    """A practitioner whom a source of slots can be asked about; `distance_km` is that of the nearest place, `external`
    whether his editor is a vendor's real server.

    Only few of the thousands of practitioners around a city are ever asked about, so the person's data are looked up
    when needed.
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


class Directory:
    """Indexes over one population, made at the start and again when the population changes.

    `disabled`: slugs of the editors that must not be asked now.
    """

    def __init__(self, population: Population, disabled: Callable[[], Collection[str]] = frozenset) -> None:
        self._source, self.disabled = population, disabled
        self._begin()
        population.watch(self._begin)

    def _begin(self) -> None:
        population = self.population = self._source.current
        handmade = [*population.handmade()]
        self.places = Places(population.towns)
        self._index = PeopleIndex(population, self._is_interfaced)
        self._external = {person.id for person in handmade if self.is_external(person.editor)}
        self._addresses = dict(_addresses(handmade, population))
        texts = [*(person.specialty_text or "" for person in handmade), *(FREE_TEXTS if population.count else ())]
        self._texts = {folded(text): text for text in texts if text}

    def _is_interfaced(self, slug: str) -> bool:
        editor = self.population.editors.get(slug)
        return editor is not None and (editor.speaks(Flow.INT_R01) or editor.speaks(Flow.INT_R04))

    def town(self, insee: str = "", name: str = "") -> Town | None:
        """The town by INSEE code, else by name, as `Towns.town`."""
        return self.places.towns.town(insee, name)

    def specialty_text(self, words: str) -> str | None:
        """The specialty (of practitioners without a code) that has these words, as it is written; None if nobody has
        it."""
        return self._texts.get(folded(words))

    def candidates(
        self, specialty: str, area: Area, besides: Collection[str] = (), listed: Collection[str] = ()
    ) -> list[Candidate]:
        """Practitioners of a specialty with a place in the area, in the order of the dataset: those whom an editor can
        be asked about, then those of the ids `listed`.

        The three codes of general medicine are one specialty; a value that is not a code is the text of practitioners
        without a code. `besides`: ids that are left out.
        """
        coded = specialty not in self._texts.values()
        found = self._index.within(specialty if coded else UNCODED, area, listed)
        candidates = [self._candidate(id, distance) for id, distance in found.items() if id not in besides]
        if not coded:
            candidates = [each for each in candidates if each.practitioner.specialty_text == specialty]
        if off := self.disabled():
            candidates = [each for each in candidates if each.id in listed or each.practitioner.editor not in off]
        return candidates

    def _candidate(self, id: str, distance: float) -> Candidate:
        return Candidate(id, distance, self.population, id in self._external)

    def away(self, person: Practitioner, days: Collection[date]) -> bool:
        """True when the practitioner is on leave on all these days at all places of practice; false for people of a
        vendor's real server, whose leave is not known."""
        if not person.places or person.id in self._external:
            return False
        return all(
            pattern_of(self.population.seed, place.id) in absent(place.agenda.leave, day.toordinal())
            for place in person.places
            for day in days
        )

    def accepts_extra(self, person: Practitioner) -> bool:
        """True when the practitioner takes a patient outside the agenda (« extra »); false for people of a vendor's
        real server, for whom this is not known."""
        return person.id not in self._external and participation.accepts_extra(person, self.population.seed)

    def candidate(self, id: str, area: Area, listed: Collection[str] = ()) -> Candidate | None:
        """A practitioner at any distance, for a search around another place; None when no editor can be asked about him
        and he is not `listed`."""
        person = self.population.practitioner(id)
        if person is None:
            return None
        can_be_asked = self._is_interfaced(person.editor) and person.editor not in self.disabled()
        if not can_be_asked and person.id not in listed:
            return None
        distances = (distance_km(area.lat, area.lon, place.lat, place.lon) for place in person.places)
        return self._candidate(id, min(distances, default=0.0))

    def associations(self, area: Area, listed: Collection[str] = ()) -> list[SosAssociation]:
        """SOS associations with a consultation site in the area whose editor speaks the SOS search and is not disabled,
        or whose SIRET is `listed`."""
        asked = self.asked(Flow.SOS)
        return [
            association
            for association in self.population.sos.values()
            if (association.editor in asked or association.siret in listed)
            and any(distance_km(area.lat, area.lon, site.lat, site.lon) <= area.radius_km for site in association.sites)
        ]

    def asked(self, *flows: Flow) -> dict[str, Editor]:
        """The editors that support one of these flows and are not disabled, by slug."""
        off, wanted = self.disabled(), frozenset(flows)
        editors = self.population.editors.items()
        return {slug: each for slug, each in editors if slug not in off and not wanted.isdisjoint(each.flows)}

    def is_external(self, editor: str) -> bool:
        """True for the slug of a vendor's real server."""
        known = self.population.editors.get(editor)
        return known is not None and known.external

    def cpts_of(self, town: Town) -> frozenset[str]:
        """FINESS of the CPTS whose area of activity contains the town."""
        return frozenset(cpts.finess for cpts in self.population.cpts.values() if town.insee in cpts.zone)

    def regulator(self, identifier: Identifier) -> Regulator | None:
        """The account with exactly that pair (system, value): the same value under another system is another person."""
        key = regulator_identifier(identifier).key
        regulator = self.population.regulator(key)
        return regulator if regulator is not None and regulator.identifier.key == key else None

    def practitioner(self, national_id: str) -> Practitioner | None:
        """By national id, prefixed or not."""
        return self.population.practitioner(prefixed_person(national_id))

    def search_at(self, editor: str) -> dict[str, str] | None:
        """Parameters of a search at the address of an external editor's first place, such that the first page shows
        that editor's people.

        None for the sandbox's own editors, for a disabled one, and for one without practitioners and associations.
        """
        return None if editor in self.disabled() else self._addresses.get(editor)

    def doctor(self, national_id: str) -> Practitioner | None:
        """The people whom an appointment may name, by national id: a practitioner, or a doctor of an SOS
        association."""
        return self.population.doctor(national_id)

    def association_of(self, editor: str) -> str | None:
        """SIRET of the SOS association that an editor serves, when it serves only one."""
        served = [association.siret for association in self.population.sos.values() if association.editor == editor]
        return served[0] if len(served) == 1 else None


def _addresses(people: Iterable[Practitioner], population: Population) -> Iterator[tuple[str, dict[str, str]]]:
    """By external editor, the parameters of a search that finds it: at the first place of its first practitioner, else
    at the first site of its association. For one editor, later pairs replace earlier ones."""
    found: list[tuple[str, Place | ConsultationSite, str]]
    found = [(each.editor, site, GENERAL) for each in population.sos.values() for site in each.sites[:1]]
    found += [(each.editor, each.places[0], each.specialty or GENERAL) for each in [*people][::-1] if each.places]
    for slug, at, specialty in found:
        editor = population.editors.get(slug)  # those of the SAS agenda have none
        if editor is not None and editor.external:
            yield slug, {"place": f"{at.line}, {at.postal_code} {at.city}", "specialty": specialty}

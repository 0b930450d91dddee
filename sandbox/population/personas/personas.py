"""The persona files checked against each other: duplicates, unknown towns, editors, CPTS or agendas, impossible weeks.

Every error is a ConfigError with the file and the line of the row at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from sandbox.kernel.errors import UsageError
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.clients import usable_client_id, why_not
from sandbox.kernel.identifiers import (
    SYSTEM_PERSON,
    SYSTEM_SAS,
    Identifier,
    national_phone,
    prefixed_person,
    regulator_identifier,
)
from sandbox.kernel.model import (
    AgendaTemplate,
    Community,
    ConsultationSite,
    Cpts,
    Editor,
    Place,
    Practitioner,
    Regulator,
    SosAssociation,
    Structure,
    Territory,
    Town,
)
from sandbox.kernel.reserved import why_reserved
from sandbox.kernel.specialties import SPECIALTIES
from sandbox.kernel.text.shapes import meant
from sandbox.population.geography.departments import DEPARTMENTS, department_of
from sandbox.population.people import Personas
from sandbox.population.personas.characters import character, check_characters
from sandbox.population.personas.examples import read_examples
from sandbox.population.personas.schema import (
    AgendaRow,
    CommunityRow,
    CptsRow,
    DoctorRow,
    EditorRow,
    PlaceRow,
    PractitionerRow,
    RegulatorRow,
    SiteRow,
    SosRow,
    StructureRow,
    TerritoryRow,
    TownRow,
)
from sandbox.population.personas.weeks import Error, opening, week, within
from sandbox.population.procedural import STORED_FORMS, Recipe, index_of, speaking, stored_forms, zones
from sandbox.yaml_file import YamlFile, load_yaml

T = TypeVar("T")
NOTHING: Mapping[str, Any] = MappingProxyType({})
_SYSTEMS = {"IDNPS": SYSTEM_PERSON, "INTRN": SYSTEM_SAS}


@dataclass(frozen=True)
class _Rows(Generic[T]):
    """The rows of one file in order; `error` makes a ConfigError with the line of a path."""

    rows: Sequence[T]
    error: Error

    def keyed(self, field: str) -> dict[str, T]:
        """The rows by a field that must be unique. Raises ConfigError at the second row of a value."""
        found: dict[str, T] = {}
        for at, row in enumerate(self.rows):
            key = str(getattr(row, field))
            if key in found:
                raise self.error(f"$[{at}].{field}", f"duplicate {field} '{key}'")
            found[key] = row
        return found


def _rows(directory: Path, name: str, kind: type[T]) -> _Rows[T]:
    file: YamlFile[Any] = load_yaml(directory / f"{name}.yaml", list[kind])  # type: ignore[valid-type]
    return _Rows(file.value, file.error)


def read_personas(
    directory: Path, *, towns: Mapping[str, Town] = NOTHING, territories: Mapping[str, Territory] = NOTHING
) -> tuple[Personas, Recipe]:
    """All persona files of a directory. Raises ConfigError.

    `towns`, `territories`: others that the files may refer to, by INSEE and by code; rows of the files take precedence.
    Of these territories only those with a regulator are kept.
    """
    own_towns = _rows(directory, "towns", TownRow)
    agendas = _agendas(_rows(directory, "agendas", AgendaRow))
    editors = _rows(directory, "editors", EditorRow)
    known = _Known(
        towns={key: _town(row) for key, row in own_towns.keyed("insee").items()} | _others(own_towns, towns),
        agendas={name: template for name, (template, _) in agendas.items()},
        editors={key: _editor(row, at) for at, (key, row) in enumerate(editors.keyed("slug").items())},
        structures=NOTHING,
    )
    editors.keyed("system")
    for at, row in enumerate(editors.rows):
        if (reason := why_reserved(row.slug)) is not None:
            raise editors.error(f"$[{at}].slug", reason)
    cpts = known.read_cpts(_rows(directory, "cpts", CptsRow))
    known = replace(known, structures=known.read_structures(_rows(directory, "structures", StructureRow)))
    practitioners = known.read_practitioners(_rows(directory, "practitioners", PractitionerRow), cpts)
    sos = known.read_sos(_rows(directory, "sos", SosRow), practitioners)
    holders = {person.id: person.editor for person in practitioners} | {key: each.editor for key, each in sos.items()}
    check_characters(
        editors.rows,
        list(known.editors.values()),
        # Which editor holds a procedural practitioner's agenda depends on the seed, so it is not checked here.
        lambda editor, key: holders.get(key) == editor.slug or index_of(key) is not None,
        editors.error,
    )
    own = _territories(_rows(directory, "territories", TerritoryRow))
    regulators = _regulators(_rows(directory, "regulators", RegulatorRow), {**territories, **own})
    served = own | {each.territory: territories[each.territory] for each in regulators if each.territory not in own}
    communities: Mapping[str, Community] = NOTHING
    if (directory / "communities.yaml").exists():  # a directory of persona files may lack it
        communities = known.read_communities(_rows(directory, "communities", CommunityRow), practitioners, cpts, sos)
    personas = Personas(
        served, known.towns, known.editors, practitioners, cpts, sos, regulators, NOTHING, known.structures, communities
    )
    personas = replace(personas, examples=read_examples(directory / "examples.yaml", personas))
    return personas, Recipe(
        towns=[(known.towns[row.insee], row.inhabitants) for row in own_towns.rows],
        editors=speaking(known.editors.values(), Flow.INT_R01),
        agendas=[(template, row.procedural) for template, row in agendas.values() if row.procedural],
        typed=[(template, row.typed) for template, row in agendas.values() if row.typed],
        cpts_editors=frozenset(speaking(known.editors.values(), Flow.INT_R04)),
        cpts=zones(cpts.values()),
        stored_forms=stored_forms(known.editors.values()),
    )


def _others(own: _Rows[TownRow], towns: Mapping[str, Town]) -> dict[str, Town]:
    named = {row.insee for row in own.rows}
    return {insee: town for insee, town in towns.items() if insee not in named}


def _town(row: TownRow) -> Town:
    return Town(row.insee, row.name, row.postal_code, department_of(row.insee), row.lat, row.lon)


def _editor(row: EditorRow, at: int) -> Editor:
    return Editor(
        row.slug, row.name, row.system, row.flows, row.ou, row.colour, character(row),
        stores=row.stores or STORED_FORMS[at % len(STORED_FORMS)],
    )  # fmt: skip


def _territories(rows: _Rows[TerritoryRow]) -> dict[str, Territory]:
    for field in ("samu", "origin"):
        rows.keyed(field)
    for at, row in enumerate(rows.rows):
        if row.department not in DEPARTMENTS:
            near = meant(row.department, {code: each.name for code, each in DEPARTMENTS.items()})
            raise rows.error(f"$[{at}].department", f"unknown département '{row.department}'{near}")
        if not usable_client_id(row.samu):
            raise rows.error(f"$[{at}].samu", why_not(row.samu))
    return {
        code: Territory(code, row.name, row.department, row.samu, row.origin, row.format)
        for code, row in rows.keyed("code").items()
    }


def _agendas(rows: _Rows[AgendaRow]) -> dict[str, tuple[AgendaTemplate, AgendaRow]]:
    rows.keyed("name")
    return {row.name: (week(row, f"$[{at}]", rows.error), row) for at, row in enumerate(rows.rows)}


@dataclass(frozen=True)
class _Known:
    """What practitioners, CPTS and associations refer to; `schedules` of its methods: ids that were read so far."""

    towns: Mapping[str, Town]
    agendas: Mapping[str, AgendaTemplate]
    editors: Mapping[str, Editor]
    structures: Mapping[str, Structure]

    def read_structures(self, rows: _Rows[StructureRow]) -> dict[str, Structure]:
        """The MSP and CDS by FINESS. Raises ConfigError for an unknown town."""
        rows.keyed("finess")
        found = {}
        for at, row in enumerate(rows.rows):
            town = self._find(self.towns, row.town, "town", f"$[{at}].town", rows.error)
            found[row.finess] = Structure(
                row.finess,
                row.kind,
                row.name,
                row.line,
                town.postal_code,
                town.name,
                town.insee,
                town.lat,
                town.lon,
                row.phone,
            )
        return found

    def read_cpts(self, rows: _Rows[CptsRow]) -> dict[str, Cpts]:
        """The CPTS by FINESS. Raises ConfigError for an unknown town."""
        for at, row in enumerate(rows.rows):
            check_phone(row.phone, f"$[{at}].phone", rows.error)
            for index, insee in enumerate(row.zone):
                self._find(self.towns, insee, "town", f"$[{at}].zone[{index}]", rows.error)
        return {key: Cpts(key, row.name, row.phone, row.zone) for key, row in rows.keyed("finess").items()}

    def read_practitioners(self, rows: _Rows[PractitionerRow], cpts: Mapping[str, Cpts]) -> tuple[Practitioner, ...]:
        """The hand-made practitioners."""
        rows.keyed("id")
        schedules: set[str] = set()
        return tuple(
            self._practitioner(row, f"$[{at}]", rows.error, cpts, schedules) for at, row in enumerate(rows.rows)
        )

    def _practitioner(
        self, row: PractitionerRow, path: str, error: Error, cpts: Mapping[str, Cpts], schedules: set[str]
    ) -> Practitioner:
        if index_of(row.id) is not None:
            raise error(f"{path}.id", f"'{row.id}' belongs to the procedural practitioners (8199…, 099…)")
        check_specialty(row.specialty, f"{path}.specialty", error)
        check_phone(row.phone, f"{path}.phone", error)
        stored = row.stored_id or row.id
        if prefixed_person(stored) != row.id:
            raise error(f"{path}.stored_id", f"'{stored}' is not '{row.id}' with or without its prefix")
        if row.editor is not None:
            if row.password is not None:
                raise error(f"{path}.password", "only practitioners of the SAS agenda (without `editor`) log in here")
            self._speaks(row.editor, Flow.INT_R01, path, error)
            if row.cpts:
                self._speaks(row.editor, Flow.INT_R04, path, error)
        for at, group in enumerate(row.cpts):
            for index, finess in enumerate(group):
                self._find(cpts, finess, "CPTS", f"{path}.cpts[{at}][{index}]", error)
        places = tuple(
            self._place(place, f"{path}.places[{at}]", error, row.cpts, schedules)
            for at, place in enumerate(row.places)
        )
        members = tuple(dict.fromkeys(finess for group in row.cpts for finess in group))
        return Practitioner(
            id=row.id, family=row.family, given=row.given, editor=row.editor or "", places=places,
            specialty=row.specialty, specialty_text=row.specialty_text, phone=row.phone,
            stored_id=stored, cpts=members, password=row.password or "", extra=row.extra,
        )  # fmt: skip

    def _place(
        self, row: PlaceRow, path: str, error: Error, groups: tuple[tuple[str, ...], ...], schedules: set[str]
    ) -> Place:
        _once(schedules, row.id, path, error)
        group = self.structures.get(row.structure)
        town, line = self._address(row, group, path, error)
        template = self._find(self.agendas, row.agenda, "agenda", f"{path}.agenda", error)
        seen_by_cpts = any("CPTS" in combination for combination in template.visibilities)
        if seen_by_cpts and not groups:
            raise error(
                f"{path}.agenda", f"agenda '{row.agenda}' has slots that CPTS see, the practitioner has no CPTS"
            )
        return Place(
            id=row.id, structure=row.structure, line=line, postal_code=town.postal_code, city=town.name,
            insee=town.insee, lat=town.lat, lon=town.lon, agenda=replace(template, cpts=groups),
            local_id=row.local_id or row.id, group=group,
        )  # fmt: skip

    def _address(self, row: PlaceRow, group: Structure | None, path: str, error: Error) -> tuple[Town, str]:
        """Town and line: the row's own, or those of the MSP or CDS that it is in."""
        if group is not None:
            if row.line is not None or row.town is not None:
                raise error(path, f"the address is that of '{group.name}': leave `line` and `town` out")
            return self.towns[group.insee], group.line
        if row.line is None or row.town is None:
            raise error(path, f"`line` and `town` are needed: '{row.structure}' is no structure of structures.yaml")
        return self._find(self.towns, row.town, "town", f"{path}.town", error), row.line

    def read_communities(
        self,
        rows: _Rows[CommunityRow],
        practitioners: Sequence[Practitioner],
        cpts: Mapping[str, Cpts],
        sos: Mapping[str, SosAssociation],
    ) -> dict[str, Community]:
        """The communities that are asked to take patients."""
        people = {person.id: person.family for person in practitioners}
        people |= {doctor.id: doctor.family for association in sos.values() for doctor in association.doctors}
        organizations: Mapping[str, Mapping[str, Any]] = {"CPTS": cpts, "SOS": sos, "group": self.structures}
        for at, row in enumerate(rows.rows):
            path = f"$[{at}]"
            self._speaks(row.editor, Flow.PDM, path, rows.error)
            check_phone(row.phone, f"{path}.phone", rows.error)
            if row.organization is not None:
                self._find(organizations[row.kind], row.organization, row.kind, f"{path}.organization", rows.error)
            elif row.kind != "group":
                raise rows.error(path, f"a community of kind {row.kind} needs its `organization`")
            for index, insee in enumerate(row.zone):
                self._find(self.towns, insee, "town", f"{path}.zone[{index}]", rows.error)
            for index, member in enumerate(row.members):
                self._find(people, member, "practitioner", f"{path}.members[{index}]", rows.error)
        return {
            key: Community(key, row.kind, row.name, row.phone, row.editor, row.organization, row.zone, row.members)
            for key, row in rows.keyed("id").items()
        }

    def read_sos(self, rows: _Rows[SosRow], practitioners: Sequence[Practitioner]) -> dict[str, SosAssociation]:
        """The associations of SOS Médecins."""
        rows.keyed("siret")
        schedules: set[str] = set()
        taken = {person.id: "practitioner" for person in practitioners}
        found = {}
        for at, row in enumerate(rows.rows):
            self._speaks(row.editor, Flow.SOS, f"$[{at}]", rows.error)
            sites = tuple(
                self._site(site, f"$[{at}].sites[{index}]", rows.error, schedules)
                for index, site in enumerate(row.sites)
            )
            doctors = tuple(
                _doctor(doctor, row.editor, f"$[{at}].doctors[{index}]", rows.error, taken)
                for index, doctor in enumerate(row.doctors)
            )
            found[row.siret] = SosAssociation(row.siret, row.name, row.editor, sites, doctors)
        return found

    def _site(self, row: SiteRow, path: str, error: Error, schedules: set[str]) -> ConsultationSite:
        _once(schedules, row.id, path, error)
        check_phone(row.phone, f"{path}.phone", error)
        town = self._find(self.towns, row.town, "town", f"{path}.town", error)
        template = self._find(self.agendas, row.agenda, "agenda", f"{path}.agenda", error)
        if any(code not in ("PUBLIC", "SNP") for combination in template.visibilities for code in combination):
            raise error(f"{path}.agenda", f"agenda '{row.agenda}': slots of SOS sites are PUBLIC or SNP only")
        if template.leave:
            raise error(f"{path}.agenda", f"agenda '{row.agenda}' has leave: a consultation site takes none")
        hours = tuple(opening(hour, f"{path}.hours[{at}]", error) for at, hour in enumerate(row.hours))
        if not within(template, hours):
            raise error(f"{path}.hours", f"agenda '{row.agenda}' has slots outside these opening hours")
        return ConsultationSite(
            id=row.id, name=row.name, phone=row.phone, line=row.line, postal_code=town.postal_code, city=town.name,
            insee=town.insee, lat=town.lat, lon=town.lon, hours=hours, agenda=template,
        )  # fmt: skip

    def _speaks(self, slug: str, flow: Flow, path: str, error: Error) -> None:
        editor = self._find(self.editors, slug, "editor", f"{path}.editor", error)
        if not editor.speaks(flow):
            raise error(f"{path}.editor", f"editor '{slug}' does not speak {flow}")

    @staticmethod
    def _find(among: Mapping[str, T], key: str, what: str, path: str, error: Error) -> T:
        if key not in among:
            names = {known: str(getattr(each, "name", "")) for known, each in among.items()}
            raise error(path, f"unknown {what} '{key}'{meant(key, names)}")
        return among[key]


def check_specialty(code: str | None, path: str, error: Callable[[str, str], UsageError]) -> None:
    """Raise what `error` makes for a code that is not in R38."""
    if code is not None and code not in SPECIALTIES:
        raise error(path, f"unknown specialty '{code}'{meant(code, SPECIALTIES)}")


def check_phone(text: str | None, path: str, error: Error) -> None:
    """Raise what `error` makes for a text that is not a French telephone number."""
    if text is not None and national_phone(text) is None:
        raise error(path, f"'{text}' is no telephone number (expected one such as 05 36 49 00 01 or +33536490001)")


def _doctor(row: DoctorRow, editor: str, path: str, error: Error, taken: dict[str, str]) -> Practitioner:
    if index_of(row.id) is not None:
        raise error(f"{path}.id", f"'{row.id}' belongs to the procedural practitioners (8199…)")
    if row.id in taken:
        raise error(f"{path}.id", f"there is a {taken[row.id]} '{row.id}' already")
    taken[row.id] = "doctor"
    return Practitioner(id=row.id, family=row.family, given=row.given, editor=editor, places=(), stored_id=row.id)


def _once(schedules: set[str], key: str, path: str, error: Error) -> None:
    if key in schedules:
        raise error(f"{path}.id", f"duplicate id '{key}'")
    schedules.add(key)


def _regulators(rows: _Rows[RegulatorRow], territories: Mapping[str, Territory]) -> tuple[Regulator, ...]:
    rows.keyed("email")
    rows.keyed("value")
    _check_identifiers(rows)
    for at, row in enumerate(rows.rows):
        if row.territory not in territories:
            names = {code: each.name for code, each in territories.items()}
            near = meant(row.territory, names)
            raise rows.error(f"$[{at}].territory", f"unknown territory '{row.territory}'{near}")
    return tuple(
        Regulator(
            _identifier(row),
            row.family, row.given, row.email, row.territory, row.password,
        )
        for row in rows.rows
    )  # fmt: skip


def _identifier(row: RegulatorRow) -> Identifier:
    return regulator_identifier(Identifier(_SYSTEMS[row.type], row.value, row.type))


def _check_identifiers(rows: _Rows[RegulatorRow]) -> None:
    """Raises ConfigError when two rows are one person, also with and without the prefix of the RPPS."""
    seen: set[str] = set()
    for at, row in enumerate(rows.rows):
        key = _identifier(row).key
        if key in seen:
            raise rows.error(
                f"$[{at}].value", f"'{row.value}' is a person of this file already: an RPPS has its prefix"
            )
        seen.add(key)

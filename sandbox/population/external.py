"""External editors among the population: a vendor's real server with the practitioners, associations and communities
it serves.

The configuration declares them, in addition to the people of the persona files. Their agendas are known to their own
server only. Every error has the file and line of the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from sandbox.config import Settings
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import (
    AgendaTemplate,
    Community,
    ConsultationSite,
    Editor,
    Place,
    Practitioner,
    SosAssociation,
    Town,
)
from sandbox.kernel.reserved import why_reserved
from sandbox.kernel.text.shapes import meant
from sandbox.partners import (
    ExternalAssociation,
    ExternalCommunity,
    ExternalDoctor,
    ExternalEditor,
    ExternalPlace,
    ExternalPractitioner,
    ExternalSite,
)
from sandbox.population.geocoding import geocode_line
from sandbox.population.people import Personas
from sandbox.population.personas.personas import check_phone, check_specialty
from sandbox.population.procedural import index_of

_SEARCHES = (Flow.INT_R01, Flow.INT_R04)


def with_external(personas: Personas, settings: Settings) -> Personas:
    """The same people and those of the external editors. Raises UsageError (ConfigError with file and line)."""
    for at, row in enumerate(settings.external_editors):
        personas = _ExternalEditor(personas, settings, row, f"$.external_editors[{at}]").joined()
    return personas


class _ExternalEditor:
    """One external editor, checked against the people who are known already."""

    def __init__(self, personas: Personas, settings: Settings, row: ExternalEditor, path: str) -> None:
        self._personas, self._settings, self._row, self._path = personas, settings, row, path
        self._editor = Editor(
            slug=row.slug,
            name=row.name,
            system=row.system,
            flows=tuple(Flow(flow) for flow in row.flows),
            ou=row.ou,
            cn=row.cn or row.host,
            base_url=row.base_url.rstrip("/"),
            ui=(row.ui or row.origin).rstrip("/"),
        )

    def joined(self) -> Personas:
        """Everybody, this editor included."""
        self._check_editor()
        held = tuple(self._practitioner(one, at) for at, one in enumerate(self._row.practitioners))
        served = [self._association(one, at) for at, one in enumerate(self._row.sos)]
        before = self._personas
        joined = replace(
            before,
            editors={**before.editors, self._editor.slug: self._editor},
            practitioners=(*before.practitioners, *held),
            sos={**before.sos, **{association.siret: association for association in served}},
        )
        asked = [self._community(one, at, joined) for at, one in enumerate(self._row.communities)]
        return replace(joined, communities={**before.communities, **{each.id: each for each in asked}})

    def _check_editor(self) -> None:
        mine = self._editor
        if (reason := why_reserved(mine.slug)) is not None:
            self._refuse("slug", reason)
        for other in self._personas.editors.values():
            if other.slug == mine.slug:
                self._refuse("slug", f"there is another editor '{mine.slug}'")
            if other.system == mine.system:
                self._refuse("system", f"{mine.system} is the system of editor '{other.slug}'")

    def _practitioner(self, row: ExternalPractitioner, at: int) -> Practitioner:
        path = f"practitioners[{at}]"
        if not any(self._editor.speaks(flow) for flow in _SEARCHES):
            self._refuse("flows", "an editor that holds practitioners speaks INT_R01 or INT_R04")
        if row.cpts and not self._editor.speaks(Flow.INT_R04):
            self._refuse(f"{path}.cpts", "an editor with slots of CPTS speaks INT_R04")
        for index, finess in enumerate(row.cpts):
            if finess not in self._personas.cpts:
                near = meant(finess, {key: each.name for key, each in self._personas.cpts.items()})
                self._refuse(f"{path}.cpts[{index}]", f"unknown CPTS '{finess}'{near}")
        check_specialty(row.specialty, f"{self._path}.{path}.specialty", self._settings.error)
        earlier = [one.id for one in self._row.practitioners[:at]]
        if index_of(row.id) is not None:
            self._refuse(f"{path}.id", f"'{row.id}' belongs to the procedural practitioners (8199…)")
        if row.id in (*earlier, *(one.id for one in self._personas.practitioners)):
            self._refuse(f"{path}.id", f"there is another practitioner '{row.id}'")
        return Practitioner(
            id=row.id,
            family=row.family,
            given=row.given,
            editor=self._editor.slug,
            places=tuple(self._place(place, row.id, path, index) for index, place in enumerate(row.places)),
            specialty=row.specialty,
            stored_id=row.id,
            cpts=row.cpts,
        )

    def _place(self, row: ExternalPlace, owner: str, path: str, at: int) -> Place:
        town = self._town(row.town, f"{path}.places[{at}].town")
        lat, lon = geocode_line(town, row.line)  # the same position as that of a search at this address
        return Place(
            id=f"{self._editor.slug}-{owner}-{at + 1}",
            structure=row.structure,
            line=row.line,
            postal_code=town.postal_code,
            city=town.name,
            insee=town.insee,
            lat=lat,
            lon=lon,
        )

    def _association(self, row: ExternalAssociation, at: int) -> SosAssociation:
        if not self._editor.speaks(Flow.SOS):
            self._refuse("flows", "an editor that serves SOS associations speaks SOS")
        if row.siret in (*(one.siret for one in self._row.sos[:at]), *self._personas.sos):
            self._refuse(f"sos[{at}].siret", f"there is another association '{row.siret}'")
        sites = tuple(self._site(site, row.siret, at, index) for index, site in enumerate(row.sites))
        doctors = tuple(self._doctor(doctor, f"sos[{at}].doctors[{index}]") for index, doctor in enumerate(row.doctors))
        return SosAssociation(row.siret, row.name, self._editor.slug, sites, doctors)

    def _community(self, row: ExternalCommunity, at: int, known: Personas) -> Community:
        path = f"communities[{at}]"
        if not self._editor.speaks(Flow.PDM):
            self._refuse("flows", "an editor that serves communities speaks PDM")
        if row.id in (*(one.id for one in self._row.communities[:at]), *known.communities):
            self._refuse(f"{path}.id", f"there is another community '{row.id}'")
        self._check_organization(row, path, known)
        for index, insee in enumerate(row.zone):
            self._town(insee, f"{path}.zone[{index}]")
        people = {
            each.id for each in (*known.practitioners, *(one for sos in known.sos.values() for one in sos.doctors))
        }
        for index, member in enumerate(row.members):
            if member not in people:
                self._refuse(f"{path}.members[{index}]", f"unknown practitioner '{member}'")
        check_phone(row.phone, f"{self._path}.{path}.phone", self._settings.error)
        return Community(
            row.id, row.kind, row.name, row.phone, self._editor.slug, row.organization, row.zone, row.members
        )

    def _check_organization(self, row: ExternalCommunity, path: str, known: Personas) -> None:
        among: Mapping[str, Mapping[str, Any]] = {"CPTS": known.cpts, "SOS": known.sos, "group": known.structures}
        if row.organization is None:
            if row.kind != "group":
                self._refuse(path, f"a community of kind {row.kind} needs its `organization`")
        elif row.organization not in among[row.kind]:
            near = meant(row.organization, {key: each.name for key, each in among[row.kind].items()})
            self._refuse(f"{path}.organization", f"unknown {row.kind} '{row.organization}'{near}")

    def _doctor(self, row: ExternalDoctor, path: str) -> Practitioner:
        known = (*self._personas.practitioners, *(one for sos in self._personas.sos.values() for one in sos.doctors))
        if index_of(row.id) is not None:
            self._refuse(f"{path}.id", f"'{row.id}' belongs to the procedural practitioners (8199…)")
        if row.id in (*(one.id for one in known), *(one.id for one in self._row.practitioners)):
            self._refuse(f"{path}.id", f"there is another practitioner or doctor '{row.id}'")
        return Practitioner(row.id, row.family, row.given, self._editor.slug, (), stored_id=row.id)

    def _site(self, row: ExternalSite, owner: str, at: int, index: int) -> ConsultationSite:
        town = self._town(row.town, f"sos[{at}].sites[{index}].town")
        lat, lon = geocode_line(town, row.line)
        return ConsultationSite(
            id=f"{self._editor.slug}-{owner}-{index + 1}",
            name=row.name,
            phone=None,
            line=row.line,
            postal_code=town.postal_code,
            city=town.name,
            insee=town.insee,
            lat=lat,
            lon=lon,
            hours=(),
            agenda=AgendaTemplate(),
        )

    def _town(self, insee: str, path: str) -> Town:
        towns = self._personas.towns
        if insee not in towns:
            self._refuse(path, f"unknown town '{insee}'{_towns_meant(insee, towns)}")
        return towns[insee]

    def _refuse(self, field: str, problem: str) -> NoReturn:
        raise self._settings.error(f"{self._path}.{field}", problem)


def _towns_meant(word: str, towns: Mapping[str, Town]) -> str:
    """The end of a sentence about an unknown town: which were meant, or what is expected of one."""
    same = {insee: town.name for insee, town in towns.items() if word in (town.postal_code, town.name)}
    near = meant(word, same or {insee: town.name for insee, town in towns.items()})
    if near.endswith("?"):
        return near
    first = next(iter(towns.values()), None)
    such = f", such as {first.insee} ({first.name})" if first is not None else ""
    return f" (expected the INSEE code of a town of towns.yaml{such}; `scope: france` knows all of France)"

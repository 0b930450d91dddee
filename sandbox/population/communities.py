"""Communities that are asked to take a patient (marketplace): those of the persona files, and in the whole country one
for every fourth CPTS and one for every second association of SOS Médecins. Pure.

The latter follow from the CPTS or the association, and their members from who lives there: each is made when it is
asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from zlib import crc32

from sandbox.kernel.model import Community, Cpts, SosAssociation, Town
from sandbox.population.duty import doctors_of
from sandbox.population.geography.distances import distance_km
from sandbox.population.procedural import Recipe

MEMBERS = 6  # at most, of a CPTS
_AROUND_KM = 15.0  # from a consultation site: an association serves the towns so near
_KEPT = 512
# What identifiers of `country.py` begin with, and which of them have a community: every fourth and every second number.
_CPTS, _EVERY_CPTS = "98", 4
_SOS, _EVERY_SOS = "399904", 2


class Communities(Mapping[str, Community]):
    """All communities by id. `held`: those of the persona files; `bodies`: CPTS and associations of the country, of
    which some have one; `members`: ids of the members of a CPTS.

    Those without members do not exist. To go through all of them makes each one once (some 300 in the country).
    """

    def __init__(
        self,
        held: Mapping[str, Community],
        bodies: Iterable[Cpts | SosAssociation],
        recipe: Recipe,
        towns: Mapping[str, Town],
        members: Callable[[Cpts], Iterator[str]],
    ) -> None:
        self._held, self._recipe, self._towns, self._members = held, recipe, towns, members
        self._bodies = {_id(each): each for each in bodies if _has_one(each)} if recipe.community_editors else {}
        self._found = lru_cache(_KEPT)(self._make)

    def __getitem__(self, id: str) -> Community:
        found = self._held.get(id) or (self._found(id) if id in self._bodies else None)
        if found is None:
            raise KeyError(id)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self._held
        yield from (id for id in self._bodies if id not in self._held and self._found(id) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def of_town(self, insee: str) -> list[Community]:
        """Those that serve a town."""
        ids = [each.id for each in self._held.values() if insee in each.zone]
        ids += [f"cpts-{finess[1:]}" for finess in self._recipe.cpts.get(insee, ())]
        if (town := self._towns.get(insee)) is not None:
            ids += [id for id, each in self._bodies.items() if isinstance(each, SosAssociation) and _near(each, town)]
        return [found for id in dict.fromkeys(ids) if (found := self.get(id)) is not None]

    def _make(self, id: str) -> Community | None:
        body = self._bodies[id]
        made = self._of_cpts(id, body) if isinstance(body, Cpts) else self._of_association(id, body)
        return made if made.members else None

    def _of_cpts(self, id: str, cpts: Cpts) -> Community:
        members = tuple(islice(self._members(cpts), MEMBERS))
        name = f"Entraide {cpts.name}"
        return Community(id, "CPTS", name, cpts.phone, self._editor(id), cpts.finess, cpts.zone, members)

    def _of_association(self, id: str, sos: SosAssociation) -> Community:
        members = tuple(doctor.id for doctor in doctors_of(sos))
        zone = tuple(insee for insee, town in self._towns.items() if _near(sos, town))
        name = f"{sos.name.removesuffix(' (bac à sable)')} à la demande"
        own = sos.editor in self._recipe.community_editors
        editor = sos.editor if own else self._editor(id)
        return Community(id, "SOS", name, sos.sites[0].phone, editor, sos.siret, zone, members)

    def _editor(self, id: str) -> str:
        editors = self._recipe.community_editors
        return editors[crc32(id.encode()) % len(editors)]


def _id(body: Cpts | SosAssociation) -> str:
    return f"cpts-{body.finess[1:]}" if isinstance(body, Cpts) else f"sos-{body.siret[1:]}"


def _has_one(body: Cpts | SosAssociation) -> bool:
    if isinstance(body, Cpts):
        return body.finess[3:5] == _CPTS and int(body.finess[5:]) % _EVERY_CPTS == 1 and bool(body.zone)
    return body.siret.startswith(_SOS) and int(body.siret[6:10]) % _EVERY_SOS == 0


def _near(sos: SosAssociation, town: Town) -> bool:
    return any(distance_km(town.lat, town.lon, site.lat, site.lon) <= _AROUND_KM for site in sos.sites)

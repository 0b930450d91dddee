"""Associations of SOS Médecins, MSP, CDS and communities, found by identifier, by Schedule or by place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from sandbox.kernel.identifiers import prefixed_structure
from sandbox.kernel.model import Community, ConsultationSite, SosAssociation, Structure
from sandbox.population.communities import Communities
from sandbox.population.geography.distances import distance_km
from sandbox.population.procedural import Recipe


class Organizations:
    """Those of one population. `structures`: the hand-made ones by FINESS; the recipe has the procedural ones."""

    def __init__(
        self,
        sos: Mapping[str, SosAssociation],
        structures: Mapping[str, Structure],
        communities: Communities,
        recipe: Recipe,
    ) -> None:
        self.sos, self.communities = sos, communities
        self._sites = {site.id: (association, site) for association in sos.values() for site in association.sites}
        self._structures, self._recipe = structures, recipe

    def site(self, schedule_id: str) -> tuple[SosAssociation, ConsultationSite] | None:
        """The association and consultation site with that Schedule."""
        return self._sites.get(schedule_id)

    def association(self, siret: str) -> SosAssociation | None:
        """The SOS association with that SIRET, with or without its prefix."""
        return self.sos.get(prefixed_structure(siret))

    def structure(self, finess: str) -> Structure | None:
        """The MSP or CDS with that FINESS, with or without its prefix."""
        prefixed = prefixed_structure(finess)
        return self._structures.get(prefixed) or self._recipe.structures.find(prefixed)

    def structures_near(self, lat: float, lon: float, km: float) -> list[tuple[Structure, float]]:
        """The MSP and CDS at most `km` from a point (degrees), nearest first, each with its distance in km."""
        near = chain(self._structures.values(), self._recipe.structures.near(lat, lon, km))
        found = ((each, distance_km(lat, lon, each.lat, each.lon)) for each in near)
        return sorted((row for row in found if row[1] <= km), key=lambda row: row[1])

    def community(self, id: str) -> Community | None:
        """The community with that id."""
        return self.communities.get(id)

    def communities_of(self, insee: str) -> list[Community]:
        """The communities that serve a town."""
        return self.communities.of_town(insee)

"""The FHIR server of one editor: what its answers to searches and reads are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sandbox.editor.agenda import Agenda
from sandbox.editor.fhir.agenda_cache import CACHE_OCTETS, AgendaCache
from sandbox.editor.switches import EditorSwitches
from sandbox.fhir.slots import Renderer
from sandbox.kernel.clock import Clock
from sandbox.kernel.flows import IG_VERSIONS, Flow
from sandbox.kernel.model import ConsultationSite, Editor, Place, Practitioner, SosAssociation
from sandbox.population.people import Population


@dataclass(frozen=True)
class FhirServer:
    """What one editor answers from. `fhir_base`, `ui_base`: public URLs of its FHIR base and of its pages.

    `switches`: searches use only the page size; quirks are applied to the finished answer. `cache_octets`: the most
    that its cache holds. `ig`: the version of the guide by which the answers are valid.
    """

    editor: Editor
    population: Population
    agenda: Agenda
    clock: Clock
    fhir_base: str
    ui_base: str
    switches: EditorSwitches = field(default_factory=EditorSwitches)
    cache_octets: int = CACHE_OCTETS
    ig: str = IG_VERSIONS[0]

    @cached_property
    def renderer(self) -> Renderer:
        """Renders with this server's URLs and keeps the entries of people and places."""
        return Renderer(self.fhir_base, self.ui_base, self.editor.system, self.ig)

    @cached_property
    def offers_slots(self) -> bool:
        """True when the editor is interfaced for a search of practitioners' slots."""
        return self.editor.speaks(Flow.INT_R01) or self.editor.speaks(Flow.INT_R04)

    @cached_property
    def offers_cpts(self) -> bool:
        """True when it answers what INT_R04 adds."""
        return self.editor.speaks(Flow.INT_R04)

    @cached_property
    def cache(self) -> AgendaCache:
        """The agendas that were asked for last."""
        return AgendaCache(self.cache_octets)

    def forget(self) -> None:
        """Drop what is kept of people; call it when the persona files were read again."""
        for kept in ("cache", "renderer"):
            vars(self).pop(kept, None)

    def own_place(self, schedule: str) -> tuple[Practitioner, Place] | None:
        """The practitioner and place of a schedule that this editor holds."""
        placed = self.population.place(schedule)
        return placed if placed is not None and placed[0].editor == self.editor.slug else None

    def own_site(self, schedule: str) -> tuple[SosAssociation, ConsultationSite] | None:
        """The association and site of a schedule that this editor holds."""
        found = self.population.site(schedule)
        return found if found is not None and found[0].editor == self.editor.slug else None

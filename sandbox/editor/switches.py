"""What one editor does its own way now: its character as the World has it, kept ready for each request."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.fhir.queries.search import PAGE
from sandbox.kernel.character import character_of
from sandbox.kernel.world import World


class EditorSwitches:
    """Follows the World (`world.watch(manners.follow)`). Before the first World: as the guide has it.

    `quirks`: name -> prefixed ids of those concerned (none: everybody), in the order in which they are played;
    `page`: the most slots on a page of INT_R01.
    """

    def __init__(self, slug: str = "") -> None:
        self._slug = slug
        self.quirks: Mapping[str, frozenset[str]] = {}
        self.page = PAGE

    def follow(self, world: World) -> None:
        """Take the character of a World."""
        character = character_of(self._slug, world.switches)
        self.quirks, self.page = character.quirks, character.page_size or PAGE

"""The character of one editor as the World has it now (quirks, page size), kept ready for each request."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.fhir.queries.search import PAGE
from sandbox.kernel.character import character_of
from sandbox.kernel.world import World


class EditorSwitches:
    """Follows the World (`world.watch(switches.follow)`). Before the first World it behaves as the guide says.

    `quirks`: name -> prefixed ids of those concerned (none: everybody), in the order in which they are applied;
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

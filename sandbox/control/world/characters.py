"""The characters of the editors while the sandbox runs: read, changed, or reset to the values of the persona files.

They are switches of the World (`kernel.character`).
"""

from __future__ import annotations

import msgspec

from sandbox.control.world.worlds import Worlds
from sandbox.kernel.character import (
    EVERYBODY,
    QUIRKS,
    Character,
    Delay,
    character_of,
    problems,
    switches_of,
    with_character,
)
from sandbox.kernel.errors import Issue, RequestError, malformed
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import prefixed_person, prefixed_structure
from sandbox.kernel.model import Editor
from sandbox.kernel.world import World
from sandbox.population.people import Population


class DelayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Latency of one flow, in milliseconds."""

    median_ms: float
    p95_ms: float


class Latency(msgspec.Struct):
    """How long a flow takes before it is answered, in milliseconds (log-normal)."""

    median_ms: float
    p95_ms: float


class EditorCharacter(msgspec.Struct):
    """A character as the API answers it; a PUT may send its last three members back. `quirks`: true for everybody, or
    the ids of the practitioners or associations concerned; `page_size`: the most slots on a page, null: no limit of
    its own."""

    slug: str
    name: str
    quirks: dict[str, bool | list[str]]
    latency: dict[str, Latency]
    page_size: int | None


class CharacterRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A change of a character. A quirk is true (on), false (off) or the list of the practitioners or associations
    concerned; each member that is there replaces the whole of what it names."""

    quirks: dict[str, bool | list[str]] | msgspec.UnsetType = msgspec.UNSET
    latency: dict[str, DelayRequest] | msgspec.UnsetType = msgspec.UNSET
    page_size: int | msgspec.UnsetType | None = msgspec.UNSET


def first_switches(population: Population) -> dict[str, str]:
    """The switches of a new run: the characters from the persona files."""
    return {
        key: value
        for editor in population.editors.values()
        for key, value in switches_of(editor.slug, editor.character).items()
    }


class Characters:
    """The characters in the World. Every change is durable and known to all roles when the call returns."""

    def __init__(self, worlds: Worlds, population: Population) -> None:
        self._worlds, self._population = worlds, population

    @property
    def editors(self) -> dict[str, Editor]:
        """Those that the sandbox runs itself; a vendor's own server has no character here."""
        return {slug: editor for slug, editor in self._population.editors.items() if not editor.external}

    def editor(self, slug: str) -> Editor:
        """The editor of that slug, one that the sandbox runs itself. Raises RequestError 404."""
        found = self.editors.get(slug)
        if found is None:
            known = ", ".join(self.editors)
            raise RequestError(404, Issue("not-found", f"no editor '{slug}' (known: {known})", "slug"))
        return found

    def of(self, editor: Editor) -> Character:
        """The present character of an editor."""
        return character_of(editor.slug, self._worlds.world.switches)

    def document(self, editor: Editor) -> EditorCharacter:
        """An editor's character as the API answers it."""
        character = self.of(editor)
        return EditorCharacter(
            slug=editor.slug,
            name=editor.name,
            quirks={name: sorted(ids) or True for name, ids in character.quirks.items()},
            latency={str(flow): Latency(each.median_ms, each.p95_ms) for flow, each in character.latency.items()},
            page_size=character.page_size,
        )

    async def put(self, editor: Editor, wanted: CharacterRequest) -> None:
        """Change a character. Raises RequestError 400 or 422 with everything that is wrong, Laggards."""
        character = self._merged(self.of(editor), wanted)
        found = list(problems(character, editor.speaks, lambda key: self._holds(editor, key)))
        if found:
            raise RequestError(422, *(Issue("value", problem, where) for where, problem in found))

        def revised(world: World) -> World:
            now = self._merged(character_of(editor.slug, world.switches), wanted)
            return msgspec.structs.replace(world, switches=with_character(world.switches, editor.slug, now))

        await self._worlds.revise(revised)

    async def reset(self, editor: Editor) -> None:
        """Reset a character to the values of the persona files. Raises Laggards."""

        def revised(world: World) -> World:
            switches = with_character(world.switches, editor.slug, editor.character)
            return msgspec.structs.replace(world, switches=switches)

        await self._worlds.revise(revised)

    def _merged(self, before: Character, wanted: CharacterRequest) -> Character:
        quirks, latency, page_size = before.quirks, before.latency, before.page_size
        if wanted.quirks is not msgspec.UNSET:
            quirks = {name: _concerned(name, value) for name, value in wanted.quirks.items() if value is not False}
            unknown = {
                name: EVERYBODY for name in wanted.quirks if name not in QUIRKS
            }  # invalid ones are refused even when they are switched off
            quirks = {**quirks, **unknown}
        if wanted.latency is not msgspec.UNSET:
            latency = {_flow(name): Delay(each.median_ms, each.p95_ms) for name, each in wanted.latency.items()}
        if wanted.page_size is not msgspec.UNSET:
            page_size = wanted.page_size
        return Character(quirks, latency, page_size)

    def _holds(self, editor: Editor, key: str) -> bool:
        person = self._population.practitioner(key)
        if person is not None:
            return person.editor == editor.slug
        association = self._population.sos.get(key)
        return association is not None and association.editor == editor.slug


def _concerned(name: str, value: bool | list[str]) -> frozenset[str]:
    if not isinstance(value, list):
        return EVERYBODY
    if not value:
        raise malformed(
            "an empty list concerns nobody: send false to switch it off, true for everybody", f"quirks.{name}"
        )
    return frozenset(prefixed_structure(prefixed_person(key)) for key in value)


def _flow(name: str) -> Flow:
    if name not in [*Flow]:
        known = ", ".join(Flow)
        raise RequestError(422, Issue("value", f"unknown flow '{name}' (known: {known})", f"latency.{name}"))
    return Flow(name)

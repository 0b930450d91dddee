"""Which editors the SAS core asks for slots while the sandbox runs.

A disabled editor is not called by searches, whoever runs it, and its practitioners are not candidates. Its appointments
(INT_R03) are still accepted, and it still receives accounts of regulators (INT_R02). Changes are made as for everything
in the World.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sandbox.control.world.worlds import Worlds
from sandbox.kernel.calls import disabled_editors, with_interface
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.model import Editor
from sandbox.kernel.world import World
from sandbox.population.people import Population


class InterfaceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`enabled`: is this editor asked for slots."""

    enabled: bool


class Interface(msgspec.Struct):
    """An editor. `external`: a vendor runs it; `enabled`: searches call it."""

    slug: str
    name: str
    external: bool
    enabled: bool


def editor(population: Population, slug: str) -> Editor:
    """The editor of that slug, also one that a vendor runs. Raises RequestError 404."""
    if slug not in population.editors:
        known = ", ".join(population.editors)
        raise RequestError(404, Issue("not-found", f"no editor '{slug}' (known: {known})", "slug"))
    return population.editors[slug]


def document(editor: Editor, worlds: Worlds) -> Interface:
    """One editor as the API answers it."""
    enabled = editor.slug not in disabled_editors(worlds.world.switches)
    return Interface(editor.slug, editor.name, editor.external, enabled)


def documents(population: Population, worlds: Worlds) -> Iterator[Interface]:
    """All editors."""
    return (document(each, worlds) for each in population.editors.values())


async def put(worlds: Worlds, editor: Editor, wanted: InterfaceRequest) -> None:
    """Include an editor in searches, or exclude it. Raises Laggards."""

    def revised(world: World) -> World:
        return msgspec.structs.replace(world, switches=with_interface(world.switches, editor.slug, wanted.enabled))

    await worlds.revise(revised)

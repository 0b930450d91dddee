"""The appointments that editors still have to send to the SAS core (INT_R03), and how to make them send refused ones
again.

The lists come with the health of the role `editors` (at most a second old; 20 appointments of an editor, `waiting` and
`refused` count them all). Sending again is a switch of the World whose value is a new random word each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sandbox.control.world.characters import Characters
from sandbox.control.world.worlds import Worlds
from sandbox.kernel.calls import resend_switch
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.model import Editor
from sandbox.kernel.world import World
from sandbox.net.link import Switchboard


class EditorOutbox(msgspec.Struct):
    """What one editor owes. `waiting`, `refused`: how many appointments wait, and how many the SAS core refused;
    `appointments`: the first of them, one by one."""

    slug: str
    name: str
    waiting: int
    refused: int
    appointments: list[dict[str, Any]]


class Outboxes:
    """The outboxes of the editors that the sandbox runs itself."""

    def __init__(self, switchboard: Switchboard, worlds: Worlds, characters: Characters, entropy: Entropy) -> None:
        self._switchboard, self._worlds = switchboard, worlds
        self._characters, self._entropy = characters, entropy

    def all(self) -> list[EditorOutbox]:
        """The outboxes of all editors."""
        return [self.document(editor) for editor in self._characters.editors.values()]

    def document(self, editor: Editor) -> EditorOutbox:
        """The outbox of one editor; empty until the role `editors` has reported."""
        line = self._switchboard.lines.get("editors")
        health = line.health if line is not None else {}
        counts = _of(health, "r03", editor.slug) or {}
        return EditorOutbox(
            slug=editor.slug,
            name=editor.name,
            waiting=counts.get("r03_waiting", 0),
            refused=counts.get("r03_failed", 0),
            appointments=_of(health, "outbox", editor.slug) or [],
        )

    async def resend(self, editor: Editor) -> None:
        """Make an editor send again; returns once the editor has received the request. Raises Laggards."""
        word = self._entropy.token(8)

        def revised(world: World) -> World:
            return msgspec.structs.replace(world, switches={**world.switches, resend_switch(editor.slug): word})

        await self._worlds.revise(revised)


def _of(health: Mapping[str, Any], group: str, slug: str) -> Any:
    found = health.get(group)
    return found.get(slug) if isinstance(found, dict) else None

"""The base class of the steps of a scenario: YAML form, title, and what the step does on the running sandbox."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sandbox.runner.stage import Stage


class BaseStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """One step. Its tag is the verb in YAML (`do: login`), its fields are the other keys of the step."""

    def title(self) -> str:
        """The step's heading in the report, in French."""
        raise NotImplementedError

    async def play(self, stage: Stage) -> Sequence[str]:
        """Act over the network like a person, then verify the visible result.

        Returns the verified facts, as French lines. Raises `Failed` for a fact that does not hold and PeerError when a
        party does not answer as expected.
        """
        raise NotImplementedError

"""All roles in one process, for tests with arbitrary input."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from tests.support.inputs.entrances import Town, town


class Reached:
    """The roles and the event loop that they run on."""

    def __init__(self, runner: asyncio.Runner, made: Town) -> None:
        self.run, self.town = runner.run, made


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    stack = contextlib.AsyncExitStack()
    with asyncio.Runner() as runner:
        made = runner.run(stack.enter_async_context(town(tmp_path_factory.mktemp("town"))))
        yield Reached(runner, made)
        runner.run(stack.aclose())

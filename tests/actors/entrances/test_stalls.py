"""No input of a permitted size, however expensive to process, blocks a role's event loop for others.

Measured by a watchdog on the loop, against the same loop when it is idle: the machine may be busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest

from sandbox.fhir.queries.search import parse_slot_query
from sandbox.kernel.model import Practitioner
from tests.actors.entrances.conftest import Reached
from tests.support.inputs.entrances import BAD
from tests.support.inputs.hostile import DEAR, agendas
from tests.support.watchdog import longest_stall, untraced

LIMIT_S = 0.1
TIMES_IDLE = 20  # by the clock, where the machine is so busy that an idle loop stands still for over 5 ms
TRIES = 15  # an expensive input is expensive each time, the delay by a busy machine is not


def check(reached: Reached, name: str, bodies: Mapping[str, bytes]) -> None:
    entrance = reached.town.entrances[name]
    worst = {}
    with untraced():
        reached.run(entrance(b"{}"))  # templates and schemas are compiled
        for what, body in bodies.items():
            for _ in range(TRIES):
                idle = reached.run(longest_stall(asyncio.sleep(0.05)))
                stall = reached.run(longest_stall(entrance(body)))
                if stall.cpu < LIMIT_S and stall.wall < max(LIMIT_S, TIMES_IDLE * idle.wall):
                    break
            else:
                worst[what] = stall, idle
    assert not worst, worst


@pytest.mark.parametrize("name", DEAR)
def test_a_dear_input_stops_nobody_else(reached: Reached, name: str) -> None:
    make, size = DEAR[name]
    check(reached, name, make(size))


@pytest.mark.parametrize("name", ["editor's answer", "editor's answer, streamed", "editor's answer, on the page"])
def test_an_agenda_that_is_nothing_but_large_stops_nobody_else(reached: Reached, name: str) -> None:
    reached.run(reached.town.entrances[name](b"{}"))
    check(reached, name, agendas([*asked(reached)], 4 << 20))


def asked(reached: Reached) -> Iterator[Practitioner]:
    """The practitioners about whom the bad editor is asked."""
    core, seen = reached.town.core, set[str]()
    for peer, _, _, path, _ in core.editors.calls:
        if peer == BAD and path.startswith("Slot"):
            seen.update(parse_slot_query(path.partition("?")[2]).practitioners)
    return (person for id in sorted(seen) if (person := core.population.practitioner(id)) is not None)

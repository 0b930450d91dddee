"""A SAS core and the editor of its communities that ask, answer and withdraw, and are killed (SIGKILL) at a named
instant.

    asked      the regulator has his answer, the editor was not called yet
    taken      the editor has the request, durably; the core does not know it
    reported   the core has the first report, the editor does not know it
    accepted   a member has accepted, durably; the core was not told
    booked     the core has the doctor, the editor does not know it
    withdrawn  the regulator has withdrawn the accepted request, the editor was not called yet
    revoked    the editor has the withdrawal, durably; the core does not know it

Arguments: directory, instant. Prints the appointment's id once the regulator has his answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox.editor.communities.requests import State
from sandbox.net.http.client import Reply
from sandbox.sas.orientations.steps import Action
from tests.support.marketplace import SLUG, Marketplace, both, place, until

INSTANTS = ("asked", "taken", "reported", "accepted", "booked", "withdrawn", "revoked")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_calls(market: Marketplace, instant: str) -> None:
    """The core's calls reach the editor; the process dies before or after the one that the instant names."""
    answer = market.core.editors.answers[SLUG]

    async def called(method: str, path: str, body: bytes | None) -> Reply:
        if (instant, method) in (("asked", "POST"), ("withdrawn", "PUT")):
            await asyncio.Event().wait()
        reply = await answer(method, path, body)
        if (instant, method) in (("taken", "POST"), ("revoked", "PUT")):
            die()
        return reply

    market.core.editors.answers[SLUG] = called


def dying_reports(market: Marketplace, instant: str) -> None:
    """The editor's reports reach the core; the process dies before or after the one that the instant names."""
    request = market.reports.request

    async def reported(method: str, url: str, **options: Any) -> Reply:
        if (instant, method) == ("accepted", "PUT"):
            await asyncio.Event().wait()
        reply = await request(method, url, **options)
        if (instant, method) in (("reported", "POST"), ("booked", "PUT")):
            die()
        return reply

    market.reports.request = reported  # type: ignore[method-assign]


async def main(directory: Path, instant: str) -> None:
    """Ask, and die on the way."""
    async with place(directory) as here, both(here) as market:
        here.behave(after_s=0)
        dying_calls(market, instant)
        dying_reports(market, instant)
        record = await market.ask()
        sys.stdout.write(record.id)
        sys.stdout.flush()
        if instant == "asked":
            die()
        if instant == "accepted":
            await until(lambda: len(market.editor.running.requests) == 1)
            await until(lambda: market.request(record).state is State.ACCEPTED)
            await market.editor.running.store.barrier()
            die()
        if instant in ("withdrawn", "revoked"):
            await until(lambda: market.record(record.id).status == "booked")
            await market.core.sas.marketplace.act(record.id, Action.WITHDRAW)
        if instant == "withdrawn":
            die()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

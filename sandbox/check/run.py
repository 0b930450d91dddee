"""Examines a server: runs the groups one after the other and collects their observations in a Report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from sandbox.check.editor.registry import GROUPS
from sandbox.check.group import Subject
from sandbox.check.requirements import EDITOR
from sandbox.check.target import Target
from sandbox.check.verdicts import Report, Verdicts
from sandbox.check.wire import NOBODY, Wire
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import JsonError, NobodyAnswers, UsageError
from sandbox.kernel.text.json_input import Limits, read_json

_DOCUMENT = Limits(octets=4 << 20, elements=100_000)  # of endpoints.json
Progress = Callable[[str, int, int], None]  # French name of the group that begins, its number, how many there are


def chosen(only: Iterable[str], known: Collection[str] = EDITOR) -> frozenset[str]:
    """The requirements to examine: ids, or the beginning of ids before a `*`; none: all `known`. Raises UsageError."""
    patterns = list(only)
    if not patterns:
        return frozenset(known)
    found: set[str] = set()
    for pattern in patterns:
        fit = {id for id in known if id == pattern or (pattern.endswith("*") and id.startswith(pattern[:-1]))}
        if not fit:
            raise UsageError(f"no requirement '{pattern}' (see --list)")
        found |= fit
    return frozenset(found)


async def examine(target: Target, wanted: frozenset[str], now: datetime, progress: Progress | None = None) -> Report:
    """Examine one editor. `now`: its time. Raises NobodyAnswers when nobody answers at its address."""
    began, verdicts = time.monotonic(), Verdicts()
    async with Wire(target) as wire:
        await _reach(wire)
        now = await time_of(wire, now)
        subject = Subject(target, wire, now.astimezone(PARIS), wanted, seed=time.time_ns())
        groups = [group for group in GROUPS if wanted & group.ids]
        for number, group in enumerate(groups, 1):
            if progress is not None:
                progress(group.name, number, len(groups))
            if group.missing(target) is None:
                async for observed in group.check(subject):
                    verdicts.add(observed)
        for group in groups:
            if (reason := group.missing(target)) is not None:
                for id in group.ids:
                    verdicts.absent(id, reason)
        return Report(
            kind="editor",
            name=target.name,
            url=target.fhir,
            began=now.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began, 2),
            verdicts=verdicts.all(each for id, each in EDITOR.items() if id in wanted),
            ig=target.ig,
            requests=wire.exchanges,
        )


async def time_of(wire: Wire, now: datetime) -> datetime:
    """The server's time: that of the sandbox in which it runs, if it does; else the wall clock's."""
    if not wire.target.control:
        return now
    token = str(wire.target.document["control"].get("token") or "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await wire.call("GET", f"{wire.target.control}/endpoints", identity=NOBODY, headers=headers, timeout=3.0)
    try:
        return datetime.fromisoformat(read_json(answer.body, _DOCUMENT)["now"])
    except (JsonError, KeyError, TypeError, ValueError):
        return now


async def _reach(wire: Wire) -> None:
    """Raise NobodyAnswers when there is no server at the address. One that refuses us is a server."""
    first = await wire.get("metadata")
    if first.failure in ("unreachable", "timeout"):
        raise NobodyAnswers(f"{wire.target.fhir}: {first.why}")

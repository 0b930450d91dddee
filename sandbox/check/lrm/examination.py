"""Examines an LRM: its rules one after the other over one connection to the hub."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple

from sandbox.check.lrm import rules, surroundings
from sandbox.check.lrm.control import ControlPlane
from sandbox.check.lrm.desk import Desk
from sandbox.check.lrm.post import TIMEOUT_S, posted
from sandbox.check.lrm.target import LrmTarget
from sandbox.check.requirements import LRM
from sandbox.check.verdicts import Report, Verdicts
from sandbox.kernel.clock import PARIS
from sandbox.kernel.entropy import Entropy
from sandbox.kernel.errors import NobodyAnswers

Progress = Callable[[str, int, int], None]  # French name of the rule that begins, its number, how many there are


class Rule(NamedTuple):
    """A rule: its French name, the requirements that it examines beside L02-4 and L02-5, and how."""

    name: str
    ids: frozenset[str]
    run: Callable[[Desk], Awaitable[None]]


# Later rules build upon what earlier ones have found.
RULES = (
    Rule("Sortes de messages", frozenset({"L02-2"}), rules.kinds),
    Rule("Messages répétés", frozenset({"L02-6"}), rules.redelivery),
    Rule("Créations en double", frozenset({"L02-7", "L02-8", "L02-11"}), rules.duplicates),
    Rule("Mises à jour d'inconnus", frozenset({"L02-8", "L02-11"}), rules.unknown_updates),
    Rule("Annulation", frozenset({"L02-9"}), rules.cancellation),
    Rule("Contenu invalide", frozenset({"L02-10"}), rules.invalid),
    Rule("Ordre", frozenset({"L02-11"}), rules.order),
    Rule("XML", frozenset({"L02-14"}), surroundings.xml),
    Rule("Livraisons", frozenset({"L02-3"}), surroundings.deliveries),
    Rule("Déclarations", frozenset({"L02-1"}), surroundings.declarations),
    Rule("Coupure", frozenset({"L02-12"}), surroundings.reconnection),
    Rule("Historique", frozenset({"L02-13"}), surroundings.history),
)


async def examine_lrm(
    target: LrmTarget,
    wanted: frozenset[str],
    now: datetime,
    progress: Progress | None = None,
    wait: float = TIMEOUT_S,
) -> Report:
    """Examine one LRM. `now`: wall clock; `wait`: s that an answer may take. Raises NobodyAnswers: no hub, or it has no
    queue of that LRM."""
    began = time.monotonic()
    async with (
        ControlPlane(target.control, target.token) as control,
        posted(target.access, target.client_id) as post,
    ):
        if await post.inspect(f"{target.client_id}.message") is None:
            raise NobodyAnswers(f"{target.access.url}: the hub has no queue {target.client_id}.message")
        now = await _now(control, now)
        desk = Desk(target, post, control, now, Entropy(os.urandom), wait)
        await _examined(desk, wanted, progress)
        verdicts = Verdicts()
        for observed in desk.observed:
            verdicts.add(observed)
        return Report(
            kind="lrm",
            name=target.client_id,
            url=target.access.url,
            began=now.astimezone(PARIS).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began, 2),
            verdicts=verdicts.all(each for id, each in LRM.items() if id in wanted),
            requests=len(desk.sent),
        )


async def _examined(desk: Desk, wanted: frozenset[str], progress: Progress | None) -> None:
    chosen = [each for each in RULES if wanted & each.ids]
    if not await rules.reading(desk):
        fr = "rien n'a acquitté la première création"
        desk.skip(LRM.keys() - {"L02-2", "L02-4"}, fr, "nothing acknowledged the first creation")
        return
    for number, rule in enumerate(chosen, 1):
        if progress is not None:
            progress(rule.name, number, len(chosen))
        await rule.run(desk)


async def _now(control: ControlPlane, now: datetime) -> datetime:
    """The hub's time: that of the sandbox in which it runs, if it does; else the wall clock's."""
    document = await control.call("GET", "endpoints") or {}
    try:
        return datetime.fromisoformat(document["now"])
    except (KeyError, TypeError, ValueError):
        return now

"""R02-3: every body that is refused, by POST, by PUT of a new person and by PUT of a known one; nothing changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

from sandbox.check.editor.regulators.creation import CREATED, REFUSED, changed
from sandbox.check.editor.regulators.desk import Desk, answer_of, is_accepted, is_refused, judged
from sandbox.check.editor.regulators.people import WRONG, Wrong
from sandbox.check.evidence import Exchange
from sandbox.check.verdicts import Fault, Observed, Passed, Text
from sandbox.fhir.practitioner import RegulatorAccount
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import read_json

ID = "R02-3"
Call = Callable[[RegulatorAccount, bytes], Awaitable[Exchange]]


class _Way(NamedTuple):
    """One of the calls that carry an account: its words, and the number of the answers that are no refusal."""

    fr: str
    en: str


async def refusals(desk: Desk) -> AsyncIterator[Observed]:
    """R02-3."""
    post = _Way("POST", "POST")
    create, update = _Way("PUT d'une personne inconnue", "PUT of an unknown person"), _Way("PUT", "PUT")

    async def posted(account: RegulatorAccount, body: bytes) -> Exchange:
        return await desk.post(account, body)

    async def put(account: RegulatorAccount, body: bytes) -> Exchange:
        return await desk.put(account, body=body)

    for way, call in ((post, posted), (create, put)):
        async for each in _of_nobody(desk, way, call):
            yield each
    async for each in _of_somebody(desk, update, put):
        yield each


async def _of_nobody(desk: Desk, way: _Way, call: Call) -> AsyncIterator[Observed]:
    """Bodies of a person whom the server does not know; a right one is accepted afterwards."""
    person, refused = desk.people.person(), False
    for wrong in WRONG:
        exchange = await call(person, wrong.body(person))
        for fault in _faults(wrong, way, exchange):
            yield fault
        if is_refused(exchange):
            refused = True
        else:
            person, refused = desk.people.person(), False
    if not refused:
        return
    after = await desk.post(person)
    text = Text(
        f"un {way.fr} refusé a tout de même créé un compte",
        f"a {way.en} that was refused created an account nevertheless",
    )
    yield judged(ID, after, is_accepted(after), CREATED, text)


async def _of_somebody(desk: Desk, way: _Way, call: Call) -> AsyncIterator[Observed]:
    """Bodies of a person whom the server knows; the account is as before."""
    person, exchange = await desk.created()
    before = await desk.read(exchange)
    for wrong in WRONG:
        answer = await call(person, wrong.body(person))
        for fault in _faults(wrong, way, answer):
            yield fault
        if not is_refused(answer):
            person, exchange = await desk.created()
            before = await desk.read(exchange)
    yield Passed(ID, exchange)
    for fault in changed(ID, before, await desk.read(exchange), exchange):
        yield fault


def _faults(wrong: Wrong, way: _Way, exchange: Exchange) -> Iterator[Fault]:
    if is_accepted(exchange):
        yield Fault(ID, wrong.path, wrong.text, f"{way.fr} : {exchange.status}", REFUSED, exchange)
    elif not is_refused(exchange):
        text = Text("un corps fautif ne reçoit pas 4xx", "a wrong body is not answered 4xx")
        yield Fault(ID, wrong.path, text, f"{way.fr} : {answer_of(exchange)}", REFUSED, exchange)
    elif not _explained(exchange):
        text = Text(
            "un refus n'a pas d'OperationOutcome qui l'explique", "a refusal has no OperationOutcome to explain it"
        )
        yield Fault(ID, "HTTP body", text, "", "OperationOutcome", exchange, tolerated=True)


def _explained(exchange: Exchange) -> bool:
    try:
        document = read_json(exchange.body)
    except JsonError:
        return False
    return isinstance(document, dict) and document.get("resourceType") == "OperationOutcome" and "issue" in document

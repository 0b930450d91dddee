"""INT_R02 calls to the server that is examined, and what they leave there, so that it can be taken back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from sandbox.check.editor.regulators.people import Newcomers
from sandbox.check.evidence import Exchange
from sandbox.check.verdicts import Fault, Observed, Passed, Text
from sandbox.check.wire import Wire
from sandbox.fhir.practitioner import RegulatorAccount, parse_regulator, render_regulator
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import Identifier

FHIR_JSON = "application/fhir+json"
MOST_UNANSWERED = 3  # calls in a row: the server is then left alone
_LOCATION = re.compile(r"(?:^|/)Practitioner/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?/?$")


class Unprepared(Exception):
    """What a check builds upon was refused, or nobody answers any more: it cannot be judged."""

    def __init__(self, fr: str, en: str) -> None:
        super().__init__(en)
        self.reason = Text(fr, en)


def is_accepted(exchange: Exchange) -> bool:
    """True for an answer 2xx."""
    return 200 <= exchange.status < 300


def is_refused(exchange: Exchange) -> bool:
    """True for an answer 4xx."""
    return 400 <= exchange.status < 500


def answer_of(exchange: Exchange) -> str:
    """The status, or why there is none."""
    return str(exchange.status) if exchange.answered else f"{exchange.failure}: {exchange.why}"


def account_id(exchange: Exchange) -> str:
    """The id at the end of the Location, "" without one."""
    match = _LOCATION.search(exchange.header("location").partition("?")[0])
    return match[1] if match is not None else ""


def judged(requirement: str, exchange: Exchange, good: bool, expected: str, text: Text) -> Observed:
    """Passed, or a Fault in the status of the answer."""
    if good:
        return Passed(requirement, exchange)
    return Fault(requirement, "HTTP status", text, answer_of(exchange), expected, exchange)


class Desk:
    """The calls of one examination. `stable`: a Location tells which account was meant; False once it changed though
    nothing else did. `readable`: accounts can be read at their Location."""

    def __init__(self, wire: Wire, people: Newcomers) -> None:
        self._wire, self.people = wire, people
        self._left: dict[str, RegulatorAccount] = {}
        self._unanswered = 0
        self.stable, self.readable = True, True

    async def post(self, account: RegulatorAccount, body: bytes | None = None, media: str = FHIR_JSON) -> Exchange:
        """A creation. `body`: instead of that of the account. Raises Unprepared."""
        return await self._send("POST", "Practitioner", account, body, media)

    async def put(
        self, account: RegulatorAccount, named: Identifier | None = None, body: bytes | None = None
    ) -> Exchange:
        """A conditional update of whom the query names (None: by the account's first identifier). Raises Unprepared."""
        query = quote((named or account.identifiers[0]).key, safe="")
        return await self._send("PUT", f"Practitioner?identifier={query}", account, body, FHIR_JSON)

    async def put_as(self, account: RegulatorAccount, body: bytes, media: str) -> Exchange:
        """An update with another media type. Raises Unprepared."""
        query = quote(account.identifiers[0].key, safe="")
        return await self._send("PUT", f"Practitioner?identifier={query}", account, body, media)

    async def created(self, *identifiers: Identifier) -> tuple[RegulatorAccount, Exchange]:
        """A new account that a check builds upon. Raises Unprepared."""
        account = self.people.person(*identifiers)
        exchange = await self.post(account)
        if not is_accepted(exchange):
            raise Unprepared(
                f"la création préalable d'un compte a reçu {answer_of(exchange)} (voir R02-1)",
                f"the account that this builds upon was answered {answer_of(exchange)} (see R02-1)",
            )
        return account, exchange

    async def withdrawn(self, account: RegulatorAccount) -> Exchange:
        """Withdraw an account's right, for a check that builds upon it. Raises Unprepared."""
        exchange = await self.put(replace(account, active=False))
        if not is_accepted(exchange):
            raise Unprepared(
                f"le retrait préalable d'un compte a reçu {answer_of(exchange)} (voir R02-12)",
                f"the withdrawal that this builds upon was answered {answer_of(exchange)} (see R02-12)",
            )
        return exchange

    def moved(self, before: Exchange, after: Exchange) -> bool:
        """True when two answers name different accounts; False when they do not, or cannot be compared."""
        one, other = account_id(before), account_id(after)
        return self.stable and bool(one) and bool(other) and one != other

    async def read(self, exchange: Exchange) -> RegulatorAccount | None:
        """The account at the Location of an answer, None once one could not be read. Raises Unprepared."""
        id = account_id(exchange)
        if not id or not self.readable:
            return None
        self._require_answers()
        answer = self._heard(await self._wire.get(f"Practitioner/{id}"))
        with contextlib.suppress(RequestError):
            if answer.status == 200:
                return parse_regulator(answer.body)
        self.readable = False
        return None

    async def withdraw_all(self) -> list[str]:
        """Make every account that was left inactive; the e-mails of those for which that failed."""
        left, self._left = self._left, {}
        failed = []
        for account in left.values():
            try:
                exchange = await self.put(replace(account, active=False))
            except Unprepared:
                return [each.email for each in left.values()]
            if not is_accepted(exchange):
                failed.append(account.email)
        return failed

    async def _send(
        self, method: str, path: str, account: RegulatorAccount, body: bytes | None, media: str
    ) -> Exchange:
        self._require_answers()
        content = render_regulator(account) if body is None else body
        try:
            exchange = self._heard(await self._wire.call(method, path, headers={"Content-Type": media}, body=content))
        except asyncio.CancelledError:  # Ctrl-C: the server may have taken the call all the same
            self._left[account.email] = account
            raise
        if is_accepted(exchange):
            key = account_id(exchange) or account.email
            self._left.pop(key, None)
            if account.active:
                self._left[key] = account
        return exchange

    def _heard(self, exchange: Exchange) -> Exchange:
        self._unanswered = 0 if exchange.answered else self._unanswered + 1
        return exchange

    def _require_answers(self) -> None:
        """Raises Unprepared once several calls in a row had no answer: nothing waits for a dead server."""
        if self._unanswered >= MOST_UNANSWERED:
            raise Unprepared("le serveur ne répond plus", "the server answers no more")


def location_faults(requirement: str, exchange: Exchange) -> Iterator[Fault]:
    """What is wrong with the Location of an accepted call."""
    found = exchange.header("location")
    expected = "[base]/Practitioner/<id>"
    if not found:
        text = Text("l'en-tête Location manque", "the header Location is missing")
        yield Fault(requirement, "HTTP Location", text, "", expected, exchange)
    elif not account_id(exchange):
        text = Text("l'en-tête Location ne désigne pas un Practitioner", "the header Location names no Practitioner")
        yield Fault(requirement, "HTTP Location", text, found, expected, exchange)

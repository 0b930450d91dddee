"""What the pages of the hub send as a spare client: messages that provoke an error, trial messages for an LRM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.edxl.message import Message
from sandbox.edxl.provocations import BY_NAME, Provocation, Shot
from sandbox.edxl.trials import CASES, Correspondents, TrialMessage, trial
from sandbox.kernel.errors import Issue, NobodyAnswers, RequestError, refused
from sandbox.net.amqp.one_shot_client import OneShotClient, access, one_shot_client
from sandbox.net.context import Context

ANSWER_S = 10.0  # time-out for an answer; the answer about a message that expires in a queue takes two seconds
MOST_AT_ONCE = 4  # connections to the hub

TITLES: Mapping[str, str] = {
    "create": "une création",
    "update": "une création, puis sa mise à jour",
    "cancel": "une création, puis son annulation",
    "unknown-update": "une mise à jour d'un rendez-vous inconnu",
    "duplicate": "deux fois le même message",
    "conflict": "deux créations du même rendez-vous",
    "invalid": "un message invalide",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one message. `code`: of the error that came back, 0 for an acknowledgement, None when nothing came;
    `expected` likewise; `answer`, `sent`: documents, indented."""

    title: str
    distribution_id: str
    expected: int
    code: int | None
    name: str
    cause: str
    answer: str
    sent: str


class HubTrials:
    """`document`: endpoints.json with absolute paths, where the hub and the clients' certificates are."""

    def __init__(self, context: Context, document: Callable[[], dict[str, Any]]) -> None:
        self._context, self._document = context, document
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        spare = context.settings.spare_clients
        self.client = spare[-1] if spare else ""  # vendors use the first spare client

    async def provoke(self, name: str) -> tuple[Provocation, Outcome]:
        """Send a message that provokes an error. Raises RequestError 404, 409 (no spare client), 503 (no hub)."""
        provocation = BY_NAME.get(name)
        if provocation is None:
            raise RequestError(404, Issue("not-found", f"Pas d'erreur « {name} » au catalogue."))
        shot = provocation.make(self._between(self.client))
        async with self._turns:
            (outcome,) = await self._send([(provocation.cause, int(provocation.code), shot)])
        return provocation, outcome

    async def try_case(self, recipient: str, case: str) -> list[Outcome]:
        """Send a trial to a client. Raises RequestError 409, 422, 503."""
        if case not in CASES:
            raise refused(f"« {case} » n'est pas un cas d'essai", "case", code="value")
        messages: Sequence[TrialMessage] = trial(case, self._between(recipient))
        async with self._turns:
            return await self._send(
                [(each.title, each.expected, Shot(each.body, each.distribution_id)) for each in messages]
            )

    def _between(self, recipient: str) -> Correspondents:
        if not self.client:
            raise RequestError(409, Issue("conflict", "Il faut un client libre : hub.spare_clients n'en a pas."))
        return Correspondents(self.client, recipient, self._context.clock.now(), self._context.entropy.uuid)

    async def _send(self, shots: Sequence[tuple[str, int, Shot]]) -> list[Outcome]:
        try:
            async with one_shot_client(access(self._document(), self.client)) as client:
                return [await _outcome(client, title, expected, shot) for title, expected, shot in shots]
        except (NobodyAnswers, OSError, KeyError) as error:
            raise RequestError(503, Issue("transient", f"Le hub ne répond pas : {error}")) from None


async def _outcome(client: OneShotClient, title: str, expected: int, shot: Shot) -> Outcome:
    await client.publish(shot.body, shot.referenced, content_type=shot.content_type, persistent=shot.persistent)
    found = await client.answers(1, ANSWER_S)
    code, name, cause = _result(found[0]) if found else (None, "", "")
    answer = _indented(found[0].document) if found else ""
    return Outcome(title, shot.referenced, expected, code, name, cause, answer, _readable(shot.body))


def _result(answer: Message) -> tuple[int, str, str]:
    if answer.error is None:
        return 0, "", ""
    code = answer.error["errorCode"]
    return int(code["statusCode"]), str(code["statusString"]), str(answer.error["errorCause"])


def _readable(body: bytes) -> str:
    try:
        return _indented(orjson.loads(body))
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _indented(document: object) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()

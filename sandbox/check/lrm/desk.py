"""The desk at which an LRM is examined: it sends messages, awaits what answers them, and notes what is observed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.check.evidence import Exchange
from sandbox.check.lrm.acknowledgement import ENVELOPE, REFERENCE, judged
from sandbox.check.lrm.control import ControlPlane
from sandbox.check.lrm.post import Post
from sandbox.check.lrm.replies import Reply
from sandbox.check.lrm.target import LrmTarget
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.edxl import trials
from sandbox.edxl.codes import JSON, HubCode
from sandbox.edxl.message import text_at, written
from sandbox.edxl.trials import Correspondents
from sandbox.kernel.entropy import Entropy

GRACE_S = 1.0  # s for the right answer after one that refers to nothing of ours
SETTLE_S = 0.3  # s in which further steps of an acknowledgement come
CONFLICT = "L02-7"
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was published. `at`: monotonic seconds."""

    id: str
    title: str
    body: bytes = field(repr=False)
    form: str
    at: float


class Desk:
    """`now`: the hub's time at the beginning; `wait`: s that an answer may take; `sent`: ids of all messages, in order.

    `conflicts`, `creates`: the LRM answers 409 to a duplicate creation, takes unknown updates as creations: what other
    rules build upon.
    """

    def __init__(
        self, target: LrmTarget, post: Post, control: ControlPlane, now: datetime, entropy: Entropy, wait: float
    ) -> None:
        self.target, self.control, self.wait = target, control, wait
        self.began, self._monotonic = now, time.monotonic()
        self.post = post
        self.observed: list[Observed] = []
        self.sent: list[str] = []
        self.conflicts = self.creates = False
        self.lost = 0  # references that named nothing of ours
        self._entropy, self._acknowledgements = entropy, set[str]()

    # ---- sending

    @property
    def between(self) -> Correspondents:
        """Sender, recipient, the present time."""
        now = self.began + timedelta(seconds=time.monotonic() - self._monotonic)
        return Correspondents(self.post.sender, self.target.client_id, now, self._entropy.uuid)

    def appointment(self, **values: Any) -> dict[str, Any]:
        """A new made-up appointment (RS-SAS-RDV, CreateAppointment)."""
        return trials.appointment(self.between, **values)

    async def send(self, content: Content, title: str, form: str = JSON) -> Sent:
        """Send an appointment. Raises NobodyAnswers."""
        made = trials.message(self.between, content, title)
        return await self.send_body(made.distribution_id, written(made.body, form), title, form)

    async def send_body(self, distribution_id: str, body: bytes, title: str, form: str = JSON) -> Sent:
        """Send any message. Raises NobodyAnswers."""
        sent = Sent(distribution_id, title, body, form, time.monotonic())
        self.sent.append(distribution_id)
        await self.post.publish(body, distribution_id, form)
        return sent

    async def repeat(self, sent: Sent) -> Sent:
        """Send the same octets again; what still comes for the first time is taken before."""
        await asyncio.sleep(SETTLE_S)
        while self.post.take(lambda each: each.about == sent.id) is not None:
            pass
        again = Sent(sent.id, f"{sent.title}, de nouveau", sent.body, sent.form, time.monotonic())
        await self.post.publish(sent.body, sent.id, sent.form)
        return again

    # ---- awaiting

    async def answer(self, sent: Sent, seconds: float | None = None) -> Reply | None:
        """What answers a message: what refers to it, else what comes from the LRM meanwhile and refers to none."""
        left = (self.wait if seconds is None else seconds) - (time.monotonic() - sent.at)
        found = await self.post.wait(lambda each: self._answers(each, sent) or self._stray(each, sent), left)
        if found is None or not self._stray(found, sent):
            return found
        self.post.replies.append(found)
        right = await self.post.wait(lambda each: self._answers(each, sent), GRACE_S)
        return right or self.post.take(lambda each: self._stray(each, sent))

    def _answers(self, reply: Reply, sent: Sent) -> bool:
        return sent.id in (reply.about, reply.source) and not _died(reply)

    def _stray(self, reply: Reply, sent: Sent) -> bool:
        known = reply.about in self.post.published or reply.source in self.post.published
        return not known and reply.sender == self.target.client_id and reply.at >= sent.at

    async def refusal(self, sent: Sent) -> Reply | None:
        """What answers a message that must be refused: an error, which an acknowledgement that says so may precede."""
        found = await self.answer(sent)
        if found is not None and found.error is None and found.refuses:
            return await self.answer(sent) or found
        return found

    # ---- judging

    async def taken(self, sent: Sent, requirement: str) -> bool:
        """Await the acknowledgement of a message and judge it; what is missing is a fault of `requirement`."""
        found = await self.answer(sent)
        if found is None:
            text = Text(f"pas d'acquittement ({sent.title})", f"no acknowledgement in {self.wait:g} s ({sent.title})")
            self.fault(requirement, "acquittement", text, ("rien", "Ack"), self.exchange(sent, None))
            return False
        if found.reference is None:
            text = Text(f"une erreur au lieu d'un acquittement ({sent.title})", f"an error, no Ack ({sent.title})")
            self.fault(requirement, "message.error", text, (told(found), "Ack"), self.exchange(sent, found))
            return False
        self.judge(sent, found)
        self.observed.append(Passed(requirement, self.exchange(sent, found)))
        return True

    def judge(self, sent: Sent, reply: Reply) -> None:
        """L02-4 and L02-5 of an acknowledgement."""
        own, exchange = text_at(reply.document, "distributionID"), self.exchange(sent, reply)
        faults = [*judged(reply, sent.id, self.target.client_id, self.post.sender, own in self._acknowledgements)]
        self._acknowledgements.add(own)
        self.lost += reply.about != sent.id
        for wrong in faults:
            self.fault(*wrong[:3], (wrong.found, wrong.expected), exchange, wrong.tolerated)
        for requirement in {ENVELOPE, REFERENCE} - {each.requirement for each in faults}:
            self.observed.append(Passed(requirement, exchange))

    async def conflict(self, sent: Sent, requirement: str, text: Text) -> bool:
        """Await the error 409 of a message; what else comes is a fault of `requirement`.

        How that error is written is a matter of L02-7.
        """
        found = await self.refusal(sent)
        exchange, expected = self.exchange(sent, found), "Error 409 CONFLICT"
        if found is None or found.error is None or found.code != HubCode.CONFLICT:
            self.fault(requirement, "message", text, ("rien" if found is None else told(found), expected), exchange)
            return False
        before = len(self.observed)
        if found.word != expected:
            text = Text("statusString de l'erreur 409 n'est pas CONFLICT", "statusString of the 409 is not CONFLICT")
            self.fault(CONFLICT, "message.error.errorCode.statusString", text, (found.word, expected), exchange)
        if found.about != sent.id:
            text = Text("l'erreur ne nomme pas le message refusé", "the error does not name the message refused")
            path = "message.error.referencedDistributionID"
            self.fault(CONFLICT, path, text, (found.about, sent.id), exchange)
        if found.queue != "info":
            text = Text("l'erreur n'est pas une enveloppe Error", "the error is no envelope of kind Error")
            kind = text_at(found.document, "distributionKind")
            self.fault(CONFLICT, "distributionKind", text, (kind, "Error"), exchange)
        if requirement != CONFLICT or len(self.observed) == before:
            self.observed.append(Passed(requirement, exchange))
        return True

    # ---- noting

    def fault(
        self,
        requirement: str,
        path: str,
        text: Text,
        values: tuple[str, str],
        exchange: Exchange | None = None,
        tolerated: bool = False,
    ) -> None:
        """Note a fault. `values`: found, expected."""
        self.observed.append(Fault(requirement, path, text, *values, exchange, tolerated=tolerated))

    def skip(self, requirements: Iterable[str], fr: str, en: str) -> None:
        """Note that requirements could not be examined."""
        self.observed.extend(Skipped(each, Text(fr, en)) for each in requirements)

    def exchange(self, sent: Sent, reply: Reply | None) -> Exchange:
        """The evidence: a message and what answered it."""
        headers = {"content_type": sent.form, "delivery_mode": "2", "distributionID": sent.id}
        url = f"hubsante → {self.target.client_id}.message ({sent.title})"
        if reply is None:
            waited = (time.monotonic() - sent.at) * 1000
            why = f"nothing came within {self.wait:g} s"
            return Exchange("PUBLISH", url, self.post.sender, headers, sent.body, ms=waited, failure="timeout", why=why)
        came = {"queue": f"{self.post.sender}.{reply.queue}", "content_type": reply.form}
        ms = (reply.at - sent.at) * 1000
        return Exchange("PUBLISH", url, self.post.sender, headers, sent.body, 0, came, reply.body, ms, word=reply.word)


def told(reply: Reply) -> str:
    """`Error 300 INVALID_MESSAGE: …`."""
    cause = text_at(reply.error, "errorCause")
    return f"{reply.word}: {cause[:300]}" if cause else reply.word


def _died(reply: Reply) -> bool:
    """A report of the hub that a message died in its queue."""
    return reply.code == HubCode.DEAD_LETTER_QUEUED

"""L02-4 and L02-5: what is wrong with an acknowledgement. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sandbox.check.lrm.replies import Reply
from sandbox.check.verdicts import Text
from sandbox.edxl.message import text_at

ENVELOPE, REFERENCE = "L02-4", "L02-5"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")


class Wrong(NamedTuple):
    """A fault of an acknowledgement: where, what, the value, and what was expected."""

    requirement: str
    path: str
    text: Text
    found: str
    expected: str
    tolerated: bool = False


def judged(reply: Reply, acknowledged: str, lrm: str, sender: str, known: bool) -> Iterator[Wrong]:
    """The faults of an acknowledgement of the message `acknowledged` by `lrm` to `sender`. `known`: its own
    distributionID was seen before."""
    if reply.problem:
        text = Text("l'acquittement ne suit pas le modèle", "the acknowledgement does not meet the model")
        yield Wrong(ENVELOPE, "message", text, reply.problem[:500], "EDXL-DE, RC-DE, RC-REF")
    yield from _kinds(reply)
    yield from _names(reply, lrm, sender, known)
    yield from _dates(reply)
    yield from _reference(reply, acknowledged)


def _kinds(reply: Reply) -> Iterator[Wrong]:
    kind = text_at(reply.document, "distributionKind")
    if kind != "Ack":
        text = Text("distributionKind n'est pas Ack", "distributionKind is not Ack")
        yield Wrong(ENVELOPE, "distributionKind", text, kind, "Ack")
    header = reply.message.get("kind")
    if header != "Ack":
        text = Text("kind de l'en-tête RC-DE n'est pas Ack", "kind of the RC-DE header is not Ack")
        yield Wrong(ENVELOPE, "message.kind", text, _shown(header), "Ack")
    for path, status in (
        ("distributionStatus", reply.document.get("distributionStatus")),
        ("message.status", reply.message.get("status")),
    ):
        if status != "Actual":
            text = Text(f"{path} n'est pas celui du message", f"{path} is not that of the message")
            yield Wrong(ENVELOPE, path, text, _shown(status), "Actual")


def _names(reply: Reply, lrm: str, sender: str, known: bool) -> Iterator[Wrong]:
    own = text_at(reply.document, "distributionID")
    if known or own == reply.about:
        text = Text("distributionID a déjà servi", "distributionID was used before")
        yield Wrong(ENVELOPE, "distributionID", text, own, f"{lrm}_…")
    elif not own.startswith(f"{lrm}_") or reply.sender != lrm:
        text = Text("distributionID ne commence pas par l'émetteur", "distributionID does not begin with its sender")
        yield Wrong(ENVELOPE, "distributionID", text, own, f"{lrm}_…")
    if reply.message.get("messageId") != own:
        text = Text("messageId n'est pas distributionID", "messageId is not the distributionID")
        yield Wrong(ENVELOPE, "message.messageId", text, _shown(reply.message.get("messageId")), own)
    if not _is(reply.message.get("sender"), lrm):
        text = Text("sender n'est pas le LRM", "sender is not the LRM")
        yield Wrong(ENVELOPE, "message.sender.URI", text, _shown(reply.message.get("sender")), f"hubex:{lrm}")
    recipients = reply.message.get("recipient")
    if not isinstance(recipients, list) or not any(_is(each, sender) for each in recipients):
        text = Text("recipient n'est pas l'émetteur du message", "recipient is not the sender of the message")
        yield Wrong(ENVELOPE, "message.recipient", text, _shown(recipients), f"hubex:{sender}")


def _is(party: object, client: str) -> bool:
    return text_at(party, "URI").lower() == f"hubex:{client}".lower()


def _dates(reply: Reply) -> Iterator[Wrong]:
    sent, expires = (text_at(reply.document, name) for name in ("dateTimeSent", "dateTimeExpires"))
    for name, value in (("dateTimeSent", sent), ("dateTimeExpires", expires)):
        if value and not _INSTANT.fullmatch(value):
            fr = "date en millisecondes, en Z ou sans décalage : le Hub l'admet, le guide non"
            text = Text(fr, "date with milliseconds, Z or no offset: the hub admits it, the guide does not")
            yield Wrong(ENVELOPE, name, text, value, "AAAA-MM-JJThh:mm:ss±hh:mm", tolerated=True)
    try:
        life = datetime.fromisoformat(expires) - datetime.fromisoformat(sent)
    except (ValueError, TypeError):
        return
    if life <= timedelta(0):
        text = Text("l'acquittement expire avant d'être envoyé", "the acknowledgement expires before it is sent")
        yield Wrong(ENVELOPE, "dateTimeExpires", text, expires, f"> {sent}")


def _reference(reply: Reply, acknowledged: str) -> Iterator[Wrong]:
    reference = reply.reference or {}
    if reply.about != acknowledged:
        text = Text("reference ne nomme pas le message acquitté", "reference does not name the message acknowledged")
        yield Wrong(REFERENCE, "message.reference.distributionID", text, reply.about, acknowledged)
    if reply.refuses or reference.get("step") == "ERREUR":
        text = Text("l'acquittement dit refusé un message valable", "a valid message is acknowledged as refused")
        yield Wrong(REFERENCE, "message.reference.refused", text, _shown(dict(reference)), "—")


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:300]

"""L02-2 and L02-6 to L02-11: what an LRM answers to each message. The first rule says whether it answers at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from sandbox.check.evidence import Exchange
from sandbox.check.lrm.desk import Content, Desk, Sent, told
from sandbox.check.verdicts import Passed, Text
from sandbox.edxl import build
from sandbox.edxl.message import text_at
from sandbox.edxl.trials import LIFE, moved

STRUCTURE = {"organizationId": "1990000002", "name": "Structure d'essai (Zoé & Loïs)"}
BURSTS, UPDATES = 3, 6
QUIET_S = 0.5  # s without a message of others


async def reading(desk: Desk) -> bool:
    """L02-2, first part: somebody consumes the queue, and a first creation is acknowledged. False: nothing else can be
    examined."""
    queue = f"{desk.target.client_id}.message"
    ready, consumers = await desk.post.inspect(queue) or (0, 0)
    exchange = Exchange("DECLARE", f"{queue} (passive)", desk.post.sender, word=f"{ready} ready, {consumers} consumers")
    if not consumers:
        text = Text("personne ne lit la file", "nobody consumes the queue")
        desk.fault("L02-2", queue, text, ("0", "≥ 1"), exchange)
        return False
    desk.observed.append(Passed("L02-2", exchange))
    await _quiet(desk, queue)
    first = await desk.send(desk.appointment(), "création")
    return await desk.taken(first, "L02-4")


async def _quiet(desk: Desk, queue: str) -> None:
    """Wait until the LRM has worked off what an earlier sender left to it."""
    until = time.monotonic() + desk.wait
    while time.monotonic() < until:
        ready, _ = await desk.post.inspect(queue) or (0, 0)
        if not ready and time.monotonic() - desk.post.disturbed > QUIET_S:
            return
        await asyncio.sleep(QUIET_S / 5)


async def kinds(desk: Desk) -> None:
    """L02-2: each kind of message of the model."""
    for title, content in _kinds(desk):
        await desk.taken(await desk.send(content, title), "L02-2")
    pending = _without(desk.appointment(status="pending", orientationCategory="PDM"), "practitioner")
    for status, title in (("pending", "création, PDM sans praticien"), ("booked", "PDM, praticien trouvé")):
        content = pending if status == "pending" else {**desk.appointment(), **_update(pending, status)}
        await desk.taken(await desk.send(content, title), "L02-2")
    for status in ("fulfilled", "noshow"):
        made = desk.appointment()
        if await desk.taken(await desk.send(made, "création"), "L02-2"):
            await desk.taken(await desk.send(_update(made, status), f"mise à jour, {status}"), "L02-2")


def _kinds(desk: Desk) -> Iterator[tuple[str, Content]]:
    yield "création, CPTS", desk.appointment(orientationCategory="CPTS", organization=STRUCTURE)
    for category in ("SOS", "CDS", "MSP"):
        made = desk.appointment(orientationCategory=category, organization=STRUCTURE)
        yield f"création, {category} sans praticien", _without(made, "practitioner")
    yield "création, PS sans structure ni fin", _without(desk.appointment(), "organization", "end")
    yield "création sans catégorie", _without(desk.appointment(), "orientationCategory")


def _without(content: Content, *names: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in names}


def _update(content: Content, status: str) -> dict[str, Any]:
    return {**content, "method": "UpdateAppointment", "status": status}


def _cancelled(content: Content) -> dict[str, Any]:
    return _update(content, "cancelled")


async def redelivery(desk: Desk) -> None:
    """L02-6: the same octets again, of a creation and of an update."""
    made = desk.appointment()
    for content, title in ((made, "création"), (moved(made), "mise à jour")):
        sent = await desk.send(content, title)
        if await desk.taken(sent, "L02-6"):
            await desk.taken(await desk.repeat(sent), "L02-6")


async def duplicates(desk: Desk) -> None:
    """L02-7: a second creation of an appointment, under another distributionID."""
    made = desk.appointment()
    if not await desk.taken(await desk.send(made, "création"), "L02-7"):
        return
    text = Text("la seconde création n'est pas refusée par 409", "the second creation is not refused with 409")
    desk.conflicts = await desk.conflict(await desk.send(made, "seconde création"), "L02-7", text)


async def unknown_updates(desk: Desk) -> None:
    """L02-8: an update of an unknown appointment; a creation after it is a conflict, if it was taken as one."""
    made = desk.appointment()
    taken = await desk.taken(await desk.send(moved(made), "mise à jour d'un rendez-vous inconnu"), "L02-8")
    if taken and desk.conflicts:
        fr = "la mise à jour acquittée n'a pas créé le rendez-vous : sa création n'est pas refusée par 409"
        text = Text(fr, "the update that was acknowledged made no appointment: its creation is not refused with 409")
        sent = await desk.send(made, "création après la mise à jour")
        desk.creates = await desk.conflict(sent, "L02-8", text)


async def cancellation(desk: Desk) -> None:
    """L02-9: a creation, then its cancellation; also after it was put off."""
    for put_off in (False, True):
        made = desk.appointment()
        if not await desk.taken(await desk.send(made, "création"), "L02-9"):
            return
        if put_off and not await desk.taken(await desk.send(moved(made), "mise à jour"), "L02-9"):
            return
        await desk.taken(await desk.send(_cancelled(made), "annulation"), "L02-9")


async def invalid(desk: Desk) -> None:
    """L02-10: the hub stops what is against the schema, but lets a Report without appointment through."""
    sent = await _without_appointment(desk)
    found = await desk.answer(sent)
    exchange = desk.exchange(sent, found)
    if found is None or found.error is None:
        text = Text("un message sans rendez-vous n'est pas refusé", "a message without appointment is not refused")
        seen = "rien" if found is None else told(found)
        desk.fault("L02-10", "message.appointment", text, (seen, "Error (300 INVALID_MESSAGE)"), exchange)
    elif found.about != sent.id:
        text = Text("l'erreur ne nomme pas le message refusé", "the error does not name the message refused")
        desk.fault("L02-10", "message.error.referencedDistributionID", text, (found.about, sent.id), exchange)
    else:
        desk.observed.append(Passed("L02-10", exchange))
    await desk.taken(await desk.send(desk.appointment(), "création après un contenu invalide"), "L02-10")


async def _without_appointment(desk: Desk) -> Sent:
    """A Report whose content is a RC-REF."""
    between = desk.between
    key = build.new_distribution_id(between.sender, between.new_id())
    address = build.Address(key, between.sender, between.recipient, between.now, between.now + LIFE)
    document = orjson.loads(build.ack(address, key))
    document["distributionKind"] = "Report"
    document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["kind"] = "Report"
    return await desk.send_body(key, orjson.dumps(document), "message sans rendez-vous")


async def order(desk: Desk) -> None:
    """L02-11: bursts. The answers of one appointment come in the order of its messages; a creation sent after an
    unknown update is the one that conflicts."""
    if desk.lost:
        fr = "les acquittements ne nomment pas leur message (L02-5)"
        desk.skip(["L02-11"], fr, "the acknowledgements do not name their message (L02-5)")
        return
    made = [desk.appointment() for _ in range(BURSTS)]
    rows: Mapping[str, list[Sent]] = {each["appointmentId"]: [] for each in made}
    steps: list[Callable[[Content], Content]] = [dict, *[moved] * UPDATES]
    for number, step in enumerate(steps, 1):
        for each in made:
            title = f"message {number} sur {len(steps)} d'une rafale"
            rows[each["appointmentId"]].append(await desk.send(step(each), title))
    for row in rows.values():
        await _in_order(desk, row)
    if desk.conflicts and desk.creates:
        await _overtaken(desk)


async def _in_order(desk: Desk, row: list[Sent]) -> None:
    latest = 0.0
    for sent in row:
        found = await desk.answer(sent)
        exchange = desk.exchange(sent, found)
        if found is None or found.reference is None:
            text = Text("un message d'une rafale n'est pas acquitté", "a message of a burst is not acknowledged")
            desk.fault("L02-11", "acquittement", text, ("rien" if found is None else told(found), "Ack"), exchange)
            return
        desk.judge(sent, found)
        if found.at < latest:
            text = Text("acquitté avant un message antérieur", "acknowledged before an earlier message")
            name = text_at(found.reference, "distributionID")
            desk.fault("L02-11", "acquittement", text, (name, "dans l'ordre des messages"), exchange)
            return
        latest = found.at
    desk.observed.append(Passed("L02-11", desk.exchange(sent, found)))


async def _overtaken(desk: Desk) -> None:
    """Unknown updates, each with a creation at its heels."""
    made = [desk.appointment() for _ in range(BURSTS)]
    pairs = [
        (
            await desk.send(moved(each), "mise à jour d'un rendez-vous inconnu"),
            await desk.send(each, "création aussitôt"),
        )
        for each in made
    ]
    fr = "la création, envoyée après la mise à jour, a été traitée avant elle"
    text = Text(fr, "the creation, sent after the update, was handled before it")
    for update, creation in pairs:
        if await desk.taken(update, "L02-11"):
            await desk.conflict(creation, "L02-11", text)

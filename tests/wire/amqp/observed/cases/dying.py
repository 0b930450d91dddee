"""Dead-lettering: expiry and rejection, the dead-letter queue and its headers."""

from __future__ import annotations

from datetime import UTC, datetime

from pamqp import commands

from tests.wire.amqp.observed.talk import DISPATCHER, By, Case, Confirms, Pub, Wait

Basic, Channel, Connection, Exchange, Queue = (
    commands.Basic,
    commands.Channel,
    commands.Connection,
    commands.Exchange,
    commands.Queue,
)

Q = "fr.me.message"
DLQ = Basic.Get(0, "dispatch.dlq")


def put(*publications: Pub) -> tuple[By, ...]:
    """Messages of the dispatcher, confirmed."""
    select = (By(DISPATCHER, commands.Confirm.Select()), By(DISPATCHER, "confirm.select-ok"))
    return (*select, *(By(DISPATCHER, each) for each in publications), By(DISPATCHER, Confirms(len(publications))))


def letter(body: bytes, expiration: str = "", **headers: object) -> Pub:
    """A message to our queue."""
    properties = (("headers", headers),) if headers else ()
    return Pub(
        body, Q, "distribution", properties=(*properties, *((("expiration", expiration),) if expiration else ()))
    )


SENDER = {"x-death-original-routing-key": "fr.lrm"}


def again(expiration: str = "", queue: str = Q, **other: object) -> Pub:
    """A message that died before."""
    death = {"reason": "rejected", "queue": queue, "exchange": "distribution", "routing-keys": [Q], "count": 1, **other}
    if "time" in other:
        death["time"] = datetime.fromtimestamp(other["time"], UTC)
    first = {"x-first-death-queue": Q, "x-first-death-reason": "rejected", "x-first-death-exchange": "distribution"}
    return letter(b"a", expiration, **{**SENDER, **first, "x-death": [death]})


# fmt: off
CASES = [
    Case("rejected", [*put(letter(b"a", **SENDER)), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death-original-routing-key: fr.lrm}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("rejected without headers", [*put(letter(b"a")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a", Basic.Nack(1, False, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("rejected with an expiration", [*put(letter(b"a", "50000")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {expiration: 50000}", Basic.Nack(1, False, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, original-expiration: 50000, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("several rejected", [*put(letter(b"a"), letter(b"b")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 1 a", Basic.Get(0, Q), "basic.get-ok 2 distribution/fr.me.message left 0 b", Basic.Nack(0, True, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 1 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}"), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 2 distribution.dlx/fr.me.message left 0 b {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("expired", [*put(letter(b"a", "100", **SENDER)), Wait(0.6), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0", By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, original-expiration: 100, queue: fr.me.message, reason: expired, routing-keys: [fr.me.message], time: now}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: expired}}")]),
    Case("expired at once", [*put(letter(b"a", "0")), Wait(0.2), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0", By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, original-expiration: 0, queue: fr.me.message, reason: expired, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: expired}}")]),
    Case("expiration 0 to a consumer that waits", [Basic.Consume(0, Q, "t"), "basic.consume-ok t", *put(letter(b"a", "0")), "basic.deliver t 1 distribution/fr.me.message a {expiration: 0}"]),
    Case("a short life behind a long one", [*put(letter(b"long"), letter(b"short", "100")), Wait(0.6), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 2 0", Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 long", Wait(0.2), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0"]),
    Case("what is out does not expire", [*put(letter(b"a", "100")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {expiration: 100}", Wait(0.6), Basic.Ack(1), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-empty")]),
    Case("what comes back expired dies", [*put(letter(b"a", "100")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {expiration: 100}", Wait(0.6), Basic.Nack(1, False, True), Wait(0.2), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0", By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, original-expiration: 100, queue: fr.me.message, reason: expired, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: expired}}")]),
    Case("dies a second time", [*put(again(time=1_000_000_000)), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: long ago}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 2, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: long ago}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("dies a second time with an expiration", [*put(again("90")), Wait(0.6), Queue.Declare(0, Q, True), "queue.declare-ok fr.me.message 0 0", By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, original-expiration: 90, queue: fr.me.message, reason: expired, routing-keys: [fr.me.message], time: now}, {count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message]}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("dies in another queue", [*put(again(queue="fr.lrm.info")), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.lrm.info, reason: rejected, routing-keys: [fr.me.message]}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}, {count: 1, exchange: distribution, queue: fr.lrm.info, reason: rejected, routing-keys: [fr.me.message]}], x-death-original-routing-key: fr.lrm, x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("deaths that are none", [*put(letter(b"a", **{"x-death": "none", "x-first-death-queue": "elsewhere"})), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death: none, x-first-death-queue: elsewhere}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-queue: elsewhere}}")]),
    Case("no deaths at all", [*put(letter(b"a", **{"x-death": []})), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death: []}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}]}}")]),
    Case("deaths without meaning", [*put(letter(b"a", **{"x-death": [{"a": 1}]})), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-death: [{a: 1}]}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}, {a: 1}]}}")]),
    Case("a first death that a client made up", [*put(letter(b"a", **{"x-first-death-queue": "elsewhere"})), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {x-first-death-queue: elsewhere}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("transient, rejected", [*put(Pub(b"a", Q, "distribution", properties=(("delivery_mode", 1),))), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
    Case("rejected in dispatch is gone", [Pub(b"a"), Wait(0.2), By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 a"), By(DISPATCHER, Basic.Reject(1, False)), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-empty")]),
    Case("CC is kept when a message dies", [*put(Pub(b"a", Q, "distribution", properties=(("headers", {"CC": ["nowhere"]}),))), Basic.Get(0, Q), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {CC: [nowhere]}}", Basic.Reject(1, False), Wait(0.2), By(DISPATCHER, DLQ), By(DISPATCHER, "basic.get-ok 1 distribution.dlx/fr.me.message left 0 a {headers: {CC: [nowhere], x-death: [{count: 1, exchange: distribution, queue: fr.me.message, reason: rejected, routing-keys: [fr.me.message, nowhere], time: now}], x-first-death-exchange: distribution, x-first-death-queue: fr.me.message, x-first-death-reason: rejected}}")]),
]

"""Publishing: confirms, returns, properties, sizes, interleaved channels."""

from __future__ import annotations

from pamqp import body, commands, header

from sandbox.amqp.encoding.codec import frame
from tests.wire.amqp.observed.talk import DISPATCHER, By, Case, Confirms, On, Pub

Basic, Channel, Connection, Exchange, Queue = (
    commands.Basic,
    commands.Channel,
    commands.Connection,
    commands.Exchange,
    commands.Queue,
)

SELECT = commands.Confirm.Select()
# fmt: off
CASES = [
    Case("confirm", [SELECT, "confirm.select-ok", Pub(), "basic.ack 1"]),
    Case("confirms count from 1 on each channel", [SELECT, "confirm.select-ok", Pub(), "basic.ack 1", Pub(), "basic.ack 2", On(2, Channel.Open()), On(2, "channel.open-ok on 2"), On(2, SELECT), On(2, "confirm.select-ok on 2"), On(2, Pub()), On(2, "basic.ack on 2 1")]),
    Case("messages before confirm.select do not count", [Pub(), SELECT, "confirm.select-ok", Pub(), "basic.ack 1"]),
    Case("confirm.select twice", [SELECT, "confirm.select-ok", Pub(), "basic.ack 1", SELECT, "confirm.select-ok", Pub(), "basic.ack 2"]),
    Case("confirm.select without an answer", [commands.Confirm.Select(True), Pub(), "basic.ack 1"]),
    Case("a hundred confirms", [SELECT, "confirm.select-ok", *([Pub()] * 100), Confirms(100)]),
    Case("transient messages are confirmed", [SELECT, "confirm.select-ok", Pub(properties=(("delivery_mode", 1),)), "basic.ack 1"]),
    Case("without confirm.select nothing is said", [Pub(), Pub()]),
    Case("mandatory and routed", [SELECT, "confirm.select-ok", Pub(mandatory=True), "basic.ack 1"]),
    Case("mandatory and not routed", [By(DISPATCHER, SELECT), By(DISPATCHER, "confirm.select-ok"), By(DISPATCHER, Pub(b"lost", "nowhere", "distribution", True, properties=(("content_type", "application/json"), ("headers", {"a": 1})))), By(DISPATCHER, "basic.return 312 NO_ROUTE distribution nowhere lost {content_type: application/json, headers: {a: 1}}"), By(DISPATCHER, "basic.ack 1")]),
    Case("not routed and not mandatory", [By(DISPATCHER, SELECT), By(DISPATCHER, "confirm.select-ok"), By(DISPATCHER, Pub(b"lost", "nowhere", "distribution")), By(DISPATCHER, "basic.ack 1")]),
    Case("immediate", [Pub(immediate=True), "connection.close 540 NOT_IMPLEMENTED - immediate=true (60,40)"]),
    Case("an empty body", [SELECT, "confirm.select-ok", Pub(b""), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 ")]),
    Case("a body in pieces", [SELECT, "confirm.select-ok", Pub(b"abcdefghij", pieces=5), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 abcdefghij")]),
    Case("a large body comes in frames of the negotiated size", [SELECT, "confirm.select-ok", Pub(bytes(300_000), pieces=3), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 300000 octets")]),
    Case("properties come back as they were", [SELECT, "confirm.select-ok", Pub(properties=(("content_type", "application/json"), ("content_encoding", "utf-8"), ("headers", {"x-a": "é", "n": 7, "l": [1, "b"], "t": {"k": True}}), ("priority", 200), ("correlation_id", "c"), ("reply_to", "r"), ("message_id", "m"), ("message_type", "t"), ("app_id", "a"))), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 {} {app_id: a, content_encoding: utf-8, content_type: application/json, correlation_id: c, headers: {l: [1, b], n: 7, t: {k: True}, x-a: é}, message_id: m, message_type: t, priority: 200, reply_to: r}")]),
    Case("expiration that is no number", [Pub(properties=(("expiration", "abc"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration 'abc': no_integer (60,40)"]),
    Case("expiration below zero", [Pub(properties=(("expiration", "-1"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1} (60,40)"]),
    Case("expiration with a rest", [Pub(properties=(("expiration", "12ms"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration '12ms': {leftover_string,\"ms\"} (60,40)"]),
    Case("expiration with a blank", [Pub(properties=(("expiration", " 12"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration ' 12': no_integer (60,40)"]),
    Case("expiration with a fraction", [Pub(properties=(("expiration", "1.5"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration '1.5': {leftover_string,\".5\"} (60,40)"]),
    Case("expiration with a sign", [SELECT, "confirm.select-ok", Pub(properties=(("expiration", "+60000"),)), "basic.ack 1"]),
    Case("empty expiration", [Basic.Publish(0, "hubsante", "fr.me"), frame(2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x01\x00\x00"), "channel.close 406 PRECONDITION_FAILED - invalid expiration '': no_integer (60,40)"]),
    Case("largest expiration", [SELECT, "confirm.select-ok", Pub(properties=(("expiration", "315360000000"),)), "basic.ack 1"]),
    Case("expiration beyond the largest", [Pub(properties=(("expiration", "315360000001"),)), "channel.close 406 PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001} (60,40)"]),
    Case("old largest expiration", [SELECT, "confirm.select-ok", Pub(properties=(("expiration", "4294967296"),)), "basic.ack 1"]),
    Case("bad expiration to where one may not publish", [Pub(key="fr.lrm", properties=(("expiration", "abc"),)), "channel.close 403 ACCESS_REFUSED - access to topic 'fr.lrm' in exchange 'hubsante' in vhost 'v2' refused for user 'fr.me' (60,40)"]),
    Case("bad expiration and user_id of another", [Pub(properties=(("expiration", "abc"), ("user_id", "x"))), "channel.close 406 PRECONDITION_FAILED - user_id property set to 'x' but authenticated user was 'fr.me' (60,40)"]),
    Case("interleaved channels", [On(2, Channel.Open()), On(2, "channel.open-ok on 2"), SELECT, "confirm.select-ok", On(2, SELECT), On(2, "confirm.select-ok on 2"), Basic.Publish(0, "hubsante", "fr.me"), On(2, Pub(b"2")), On(2, "basic.ack on 2 1"), header.ContentHeader(0, 1, Basic.Properties()), body.ContentBody(b"1"), "basic.ack 1"]),
    Case("CC header", [SELECT, "confirm.select-ok", Pub(properties=(("headers", {"CC": ["fr.lrm"]}),)), "basic.ack 1"]),
    Case("BCC header", [SELECT, "confirm.select-ok", Pub(properties=(("headers", {"BCC": ["fr.me"]}),)), "basic.ack 1", By(DISPATCHER, Basic.Get(0, "dispatch")), By(DISPATCHER, "basic.get-ok 1 hubsante/fr.me left 0 {} {headers: {}}")]),
    Case("CC header that is a number", [Pub(properties=(("headers", {"BCC": 5}),)), "channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"BCC\",byte} (60,40)"]),
    Case("CC header that is a table", [Pub(properties=(("headers", {"BCC": {}}),)), "channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"BCC\",table} (60,40)"]),
    Case("CC header that is nothing", [Pub(properties=(("headers", {"CC": None}),)), "channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",void} (60,40)"]),
    Case("CC header of numbers", [SELECT, "confirm.select-ok", Pub(properties=(("headers", {"CC": [1, 2]}),)), "basic.ack 1"]),
    Case("CC header that is no list", [SELECT, "confirm.select-ok", Pub(properties=(("headers", {"CC": "fr.lrm"}),)), "channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr} (60,40)"]),
    Case("CC reaches further queues", [By(DISPATCHER, SELECT), By(DISPATCHER, "confirm.select-ok"), By(DISPATCHER, Pub(b"a", "fr.me.message", "distribution", properties=(("headers", {"CC": ["fr.me.info"], "BCC": ["fr.me.ack"]}),))), By(DISPATCHER, "basic.ack 1"), Basic.Get(0, "fr.me.message"), "basic.get-ok 1 distribution/fr.me.message left 0 a {headers: {CC: [fr.me.info]}}", Basic.Get(0, "fr.me.info"), "basic.get-ok 2 distribution/fr.me.message left 0 a {headers: {CC: [fr.me.info]}}", Basic.Get(0, "fr.me.ack"), "basic.get-ok 3 distribution/fr.me.message left 0 a {headers: {CC: [fr.me.info]}}"]),
    Case("dispatched by the default exchange", [By(DISPATCHER, Pub(b"a", "fr.me.message", "")), By(DISPATCHER, "channel.close 403 ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'v2' refused for user 'hub.dispatcher' (60,40)")]),
    Case("tx.select", [commands.Tx.Select(), "tx.select-ok"], ours="connection.close 540 NOT_IMPLEMENTED - transactions are not supported, use publisher confirms (90,10)"),
    Case("tx.commit alone", [commands.Tx.Commit(), "channel.close 406 PRECONDITION_FAILED - channel is not transactional (90,20)"]),
    Case("tx.rollback alone", [commands.Tx.Rollback(), "channel.close 406 PRECONDITION_FAILED - channel is not transactional (90,30)"]),
    Case("confirms and transactions", [SELECT, "confirm.select-ok", commands.Tx.Select(), "channel.close 406 PRECONDITION_FAILED - cannot switch from confirm to tx mode (90,10)"]),
]

"""The hub's records of the channels and connections that it closed."""

from __future__ import annotations

from sandbox.amqp.errors import ProtocolError
from sandbox.hub.embedded.refusals import MOST, Refusals

SAMU, PLATFORM = "fr.health.samu330", "fr.health.test.ptfsas"


def test_refusals_are_counted_by_client_and_code_the_latest_first(stage):
    refusals = Refusals(stage.context)
    for client, code, text in ((SAMU, 406, "first"), (PLATFORM, 403, "no"), (SAMU, 406, "second"), ("", 403, "who?")):
        stage.wall += 1
        refusals.add(client, ProtocolError(code, text))
    told = [(each.client, each.code, each.count, each.text) for each in refusals.latest()]
    assert told == [
        ("", 403, 1, "ACCESS_REFUSED - who?"),
        (SAMU, 406, 2, "PRECONDITION_FAILED - second"),
        (PLATFORM, 403, 1, "ACCESS_REFUSED - no"),
    ]
    assert refusals.latest()[0].last == stage.wall
    noted = stage.context.journal.take()
    assert [(each.peer, each.action, each.status) for each in noted[:2]] == [
        (SAMU, "channel.close", 406),
        (PLATFORM, "channel.close", 403),
    ]


def test_hub_that_stops_accuses_nobody(stage):
    refusals = Refusals(stage.context)
    refusals.add(SAMU, ProtocolError(320, "shutdown"))
    assert (refusals.latest(), stage.context.journal.take()) == ((), [])


def test_refusals_are_bounded(stage):
    refusals = Refusals(stage.context)
    for number in range(3 * MOST):
        refusals.add(f"client-{number}", ProtocolError(530, "x" * 1000))
    assert len(refusals.latest()) <= MOST
    assert refusals.latest()[0].client == f"client-{3 * MOST - 1}"
    assert max(len(each.text) for each in refusals.latest()) == 255
    assert stage.context.journal.take()[0].action == "connection.close"

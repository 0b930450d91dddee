"""Every message that an LRM sends is valid by our model and by the published one, whatever its configured behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.edxl.validation import validate
from sandbox.kernel.world import Fault, World
from sandbox.lrm.app import Lrm
from sandbox.net.amqp.deliveries import HangUp
from sandbox.net.context import Context
from sandbox.store.embedded.tables import open_store
from tests.actors.lrm.test_consumer import ID, QUEUE, appointment, sent, update
from tests.support.hub_peer import FakeHubPeer
from tests.support.sandboxes import eventually
from tests.support.two_territories import POPULATION, SAMU, SAS, make_context
from tests.unit.edxl.test_official_model import REFERENCE, Official

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "none": {},
    "ack-refused": {"code": 703, "cause": "é", "ack": True},
    "ack-conflict": {},
    "ack-wrong-reference": {},
    "ack-twice": {},
    "ack-steps": {"steps": "RECU,INTEGRE,CONSULTE"},
    "ack-invalid": {},
}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def hub() -> FakeHubPeer:
    return FakeHubPeer()


@pytest.fixture
async def lrm(context: Context, tmp_path: Path, hub: Any) -> AsyncIterator[Lrm]:
    made = Lrm(context, POPULATION.territories["SAS-33"], open_store(tmp_path / "lrm"), hub=hub)
    await made.start()
    yield made
    await made.stop()


def switch_on(context: Context, kind: str, **params: Any) -> None:
    faults = (Fault("f1", kind, f"lrm:{SAMU}", params=params),) if kind != "none" else ()
    context.world.apply(World(revision=context.world.world.revision + 1, faults=faults))


async def everything_sent(lrm: Lrm, hub: FakeHubPeer) -> list[Any]:
    """Creations, an update, a conflict, messages that cannot be read; what was sent until nothing waits."""
    bodies = [
        *(sent(1), sent(1), sent(2), sent(3, update(status="noshow"))),
        *(sent(4, appointment(status="gone")), b"[]", sent(5, update(appointmentId="other"))),
    ]
    for body in bodies:
        await hub.deliver(QUEUE, body, **{"x-death-original-routing-key": SAS})
    orientation = lrm.ledger.orientations.get(ID)
    if orientation is not None:
        await lrm.consumer.consult(orientation)
    await eventually(lambda: hub.published and not lrm.consumer.answers.waiting)
    return [orjson.loads(body) for body in hub.published]


@pytest.mark.parametrize("kind", sorted(BEHAVIOURS))
async def test_what_is_sent_is_valid_but_where_it_is_to_be_invalid(
    lrm: Lrm, hub: FakeHubPeer, context: Context, kind: str
) -> None:
    switch_on(context, kind, **BEHAVIOURS[kind])
    documents = await everything_sent(lrm, hub)
    assert len(documents) >= 7
    kinds = {document["distributionKind"] for document in documents}
    assert kinds <= {"Ack", "Error"}
    for document in documents:
        invalid = kind == "ack-invalid" and document["distributionKind"] == "Ack"
        assert bool(validate(document)) is invalid, document


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared is absent")
@pytest.mark.parametrize("kind", sorted(BEHAVIOURS))
async def test_the_published_schemas_say_the_same(lrm: Lrm, hub: FakeHubPeer, context: Context, kind: str) -> None:
    switch_on(context, kind, **BEHAVIOURS[kind])
    official = Official()
    for document in await everything_sent(lrm, hub):
        invalid = kind == "ack-invalid" and document["distributionKind"] == "Ack"
        assert official.accepts(document) is not invalid, document


@pytest.mark.parametrize(("when", "stored"), [("before", False), ("during", True), ("after", True)])
async def test_a_connection_that_breaks_leaves_what_was_stored_until_then(
    lrm: Lrm, hub: FakeHubPeer, context: Context, when: str, stored: bool
) -> None:
    switch_on(context, "lrm-disconnect", when=when)
    with pytest.raises(HangUp):
        await hub.deliver(QUEUE, sent(1))
    assert (lrm.ledger.orientations.get(ID) is not None) is stored

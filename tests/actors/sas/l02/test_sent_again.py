"""INT_L02: a message that was refused or has expired is sent again by a person."""

from __future__ import annotations

import pytest

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.kernel.errors import RequestError
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import RECORD, address, book, changed, error, fail, send_again, until
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import SAS


@pytest.mark.parametrize(
    ("code", "method"),
    [
        (HubCode.CONFLICT, "UpdateAppointment"),
        (HubCode.UNROUTABLE_MESSAGE, "CreateAppointment"),
        (HubCode.DEAD_LETTER_QUEUED, "CreateAppointment"),
    ],
)
async def test_what_failed_goes_again_as_a_new_message_of_the_same_version(
    l02: L02, store: Store, hub: FakeHubPeer, code: HubCode, method: str
) -> None:
    key = await book(l02, store)
    await fail(l02, hub, store, key, code)
    assert [trouble["again"] for trouble in l02.troubles()] == [True]
    second = await send_again(l02, store, key)
    assert second == f"{key}.1"
    _, message = await hub.messages(2)
    assert message.distribution_id == second
    assert (message.appointment or {})["method"] == method
    await fail(l02, hub, store, second, HubCode.UNROUTABLE_MESSAGE)
    third = await send_again(l02, store, second)
    await hub.deliver(f"{SAS}.ack", build.ack(address(), third))
    states = [found["state"] for found in l02.of_appointment(RECORD.id)]
    assert states[1:] == ["refused", "acknowledged"]
    assert [trouble["again"] for trouble in l02.troubles()] == [False, False]


async def test_an_update_goes_again_as_an_update(l02: L02, store: Store, hub: FakeHubPeer) -> None:
    await book(l02, store)
    later = changed(version=2)
    key = await book(l02, store, later)
    await fail(l02, hub, store, key, HubCode.UNROUTABLE_MESSAGE)
    await send_again(l02, store, key, later)
    message = (await hub.messages(3))[-1]
    assert (message.appointment or {})["method"] == "UpdateAppointment"


@pytest.mark.parametrize("state", ["published", "acknowledged", "superseded", "unknown"])
async def test_what_is_under_way_done_or_superseded_does_not_go_again(
    l02: L02, store: Store, hub: FakeHubPeer, state: str
) -> None:
    key = await book(l02, store)
    await until(l02, store, key, "published")
    if state == "acknowledged":
        await hub.deliver(f"{SAS}.ack", build.ack(address(), key))
    elif state == "superseded":
        await hub.deliver(f"{SAS}.info", error(HubCode.CONFLICT, key))
        await book(l02, store, changed(version=2))
    with pytest.raises(RequestError) as denied:
        l02.again("nothing" if state == "unknown" else key, RECORD)
    assert denied.value.status == 409

"""What clients observe, conversation by conversation, on the embedded broker and on RabbitMQ 3.10."""

from __future__ import annotations

import pytest

from tests.wire.amqp.observed.cases import (
    consuming,
    deleting,
    dying,
    errors,
    handshake,
    limits,
    publishing,
    replies,
    rights,
)
from tests.wire.amqp.observed.talk import Broker, Case

SUBJECTS = (handshake, rights, publishing, consuming, limits, dying, deleting, replies, errors)
CASES = [
    pytest.param(case, id=f"{subject.__name__.rpartition('.')[2]}: {case.name}")
    for subject in SUBJECTS
    for case in subject.CASES
]


@pytest.mark.parametrize("case", CASES)
async def test_observed(broker: Broker, case: Case) -> None:
    async with broker.party() as party:
        await party.play(case)

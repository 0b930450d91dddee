"""The short connection of commands to the hub: what it takes is not lost with the connection."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from sandbox.edxl import build
from sandbox.kernel.clock import PARIS
from sandbox.net.amqp.one_shot_client import OneShotClient, referenced

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
SAS, SAMU, OURS = "fr.health.test.ptfsas", "fr.health.samu330", "fr.health.test.ptfsas_1"


class Delivery:
    """A delivery whose acknowledgement fails, as when the connection is lost meanwhile."""

    content_type = "application/json"

    def __init__(self) -> None:
        address = build.Address(f"{SAMU}_1", SAMU, SAS, NOW, NOW + timedelta(hours=1))
        self.body = build.ack(address, OURS)

    async def ack(self) -> None:
        raise ConnectionError


async def test_an_answer_whose_acknowledgement_fails_is_kept() -> None:
    client = OneShotClient(SAS, cast("Any", None))
    client.expect([OURS])
    with pytest.raises(ConnectionError):
        await client.take(cast("Any", Delivery()))
    (answer,) = await client.answers(1, 1.0)
    assert referenced(answer) == OURS

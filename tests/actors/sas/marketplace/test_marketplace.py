"""The marketplace from the request to the last message: both sides, joined without network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.sas.orientations.marketplace import GRACE, MarketplaceOrientation
from sandbox.sas.orientations.records import Ending
from tests.actors.sas.sas_core import reply
from tests.support.marketplace import ASKED, COMMUNITY, MEMBERS, SLUG, Marketplace, both, place, until


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Marketplace]:
    async with place(tmp_path) as here, both(here) as made:
        yield made


async def statuses(market: Marketplace) -> list[str]:
    return [(message.appointment or {})["status"] for message in await market.core.l02_messages()]


async def test_a_community_accepts_by_itself(market: Marketplace) -> None:
    record = await market.ask()
    assert (record.status, record.category, record.organization) == ("pending", "PDM", "1339900011")
    await until(lambda: market.reports.calls == [("POST", 200)])
    assert market.record(record.id).version == 1, "what the editor reports first is what the core knows"
    market.place.pass_(seconds=11)
    await until(lambda: market.record(record.id).status == "booked")
    booked = market.record(record.id)
    assert (booked.practitioner, booked.organization, booked.version) == (MEMBERS[0], "1339900011", 2)
    assert market.requests() == [("POST", "ServiceRequest")]
    assert await statuses(market) == ["pending", "booked"]
    last = (await market.core.l02_messages())[-1].appointment or {}
    assert (last["orientationCategory"], last["practitioner"]["rppsId"]) == ("PDM", MEMBERS[0])

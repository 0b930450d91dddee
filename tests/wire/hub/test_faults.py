"""The hub's faults over the control plane: how they are checked, and those that only the embedded broker can carry out
(a RabbitMQ is its owner's to restart). The others are played on both brokers in `test_dispatching.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from tests.support.sandboxes import eventually, sandbox_here

SAMU = "fr.health.samu330"


@pytest_asyncio.fixture
async def document(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    async with sandbox_here(tmp_path, preset="minimal") as found:
        yield found


@pytest_asyncio.fixture
async def admin(document: dict[str, Any]) -> AsyncIterator[Any]:
    """Calls of the admin API: (method, path, body) -> (status, document)."""
    async with aiohttp.ClientSession() as session:

        async def call(method: str, path: str, body: Any = None) -> tuple[int, Any]:
            async with session.request(method, document["control"]["api"] + path, json=body) as answer:
                return answer.status, await answer.json() if answer.content_type.endswith("json") else None

        yield call


async def hub(admin: Any) -> dict[str, Any]:
    _, status = await admin("GET", "/health")
    found: dict[str, Any] = status["roles"]["hub"]
    return found


async def clients(admin: Any, count: int) -> Any:
    async def there() -> bool:
        return bool((await hub(admin))["connections"] >= count)

    return await eventually(there, what=f"{count} connections")


async def test_restarted_broker_comes_back_and_its_clients_with_it(admin: Any) -> None:
    before = (await clients(admin, 2)) and (await hub(admin))["connections"]
    status, _ = await admin("POST", "/faults", {"kind": "restart", "target": "hub", "params": {"ms": 1500}})
    assert status == 201

    async def away() -> bool:
        return (await hub(admin))["disk"] == "closed"

    await eventually(away)
    await clients(admin, before)
    assert (await hub(admin))["disk"] == "ok"


async def test_faults_of_the_hub_are_checked_and_listed(admin: Any) -> None:
    status, problem = await admin("POST", "/faults", {"kind": "refuse", "target": "hub", "params": {"code": 3}})
    assert (status, problem["errors"][0]["pointer"]) == (422, "faults.params.code")
    status, _ = await admin("POST", "/faults", {"kind": "drop", "target": "sas"})
    assert status == 422
    status, made = await admin("POST", "/faults", {"kind": "drop", "target": "hub", "params": {"client": SAMU}})
    assert status == 201
    _, listed = await admin("GET", "/faults")
    assert [fault["id"] for fault in listed["faults"]] == [made["id"]]
    assert {"drop", "latency", "restart"} <= {*listed["kinds"]}

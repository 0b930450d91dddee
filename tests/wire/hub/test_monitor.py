"""The monitor and the metrics over the link, with every role in a process of its own.

On the embedded broker, which alone tells who is connected; what is counted beside a RabbitMQ: `test_dispatching.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.support.sandboxes import command, endpoints, eventually


async def test_an_error_is_provoked_counted_and_shown_with_a_process_per_role(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with command(data, "--preset", "minimal", "--processes"):
        ui = endpoints(data)["control"]["ui"]
        async with httpx.AsyncClient(base_url=ui, timeout=20) as browser:
            token = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/hub")).text)
            assert token is not None
            result = await browser.post("/hub/provoquer", data={"csrf": token[1], "cause": "impostor"})
            assert 'data-outcome="200"' in result.text

            async def counted() -> bool:
                return "dispatch_message_total 1.0" in (await browser.get("/metrics")).text

            await eventually(counted)
            metrics, page = (await browser.get("/metrics")).text, (await browser.get("/hub")).text
    assert 'dispatch_error_total{editor="sas-sandbox",reason="SENDER_INCONSISTENCY"' in metrics
    assert "200 SENDER_INCONSISTENCY" in page
    assert "aiormq" in page

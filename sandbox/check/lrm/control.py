"""What only a sandbox's control plane tells about a client of its hub; every answer is None elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import aiohttp

from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, read_json

_LIMITS = Limits(octets=8 << 20, elements=200_000)
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class ControlPlane:
    """`api`: its address, "" where there is none."""

    def __init__(self, api: str, token: str = "") -> None:
        self.api = api
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT)

    async def __aenter__(self) -> ControlPlane:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """The JSON object that answers a call with 2xx, else None. `path`: below the API, or an absolute URL."""
        url = path if path.startswith(("http://", "https://")) else f"{self.api}/{path}"
        if not url.startswith(("http://", "https://")):
            return None
        try:
            async with self._session.request(method, url, json=body, allow_redirects=False) as answer:
                if not answer.ok or answer.status >= 300:
                    return None
                octets = b""
                async for part in answer.content.iter_chunked(1 << 16):
                    octets += part
                    if len(octets) > _LIMITS.octets:
                        return None
                found = {} if not octets else read_json(octets, _LIMITS)
        except (aiohttp.ClientError, OSError, TimeoutError, JsonError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    async def report(self) -> dict[str, Any] | None:
        """The hub's report about its queues, connections and refusals."""
        return await self.call("GET", "hub")

    async def queue(self, name: str) -> dict[str, Any] | None:
        """The state of a queue: ready, unacked, consumers; all 0 when the hub does not list it. None: no report."""
        report = await self.report()
        if report is None:
            return None
        rows = [each for each in report.get("queues", ()) if each.get("name") == name]
        return rows[0] if rows else {"ready": 0, "unacked": 0, "consumers": 0}

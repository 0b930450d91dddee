"""Every address that endpoints.json names answers, as it is written there."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.sandboxes import sandbox_here


async def test_every_page_of_endpoints_json_is_there(tmp_path: Path) -> None:
    async with sandbox_here(tmp_path, preset="minimal") as document, aiohttp.ClientSession() as session:
        pages = [document["sas"]["ui"], document["control"]["ui"], document["control"]["metrics"]]
        pages += [each["ui"] for group in ("editors", "lrms") for each in document[group]]
        pages += [document["control"]["api"] + "/health", document["sas"]["api"] + "/openapi.json"]
        pages += [document["psc"]["issuer"] + "/.well-known/openid-configuration"]
        for page in pages:
            async with session.get(page) as answer:
                assert answer.status == 200, page

"""A vendor's server that lets everybody in, by any version of TLS: each requirement about it fails."""

from __future__ import annotations

import json
import ssl
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from sandbox.check.run import chosen, examine
from sandbox.check.target import read_target
from sandbox.check.verdicts import Outcome
from sandbox.kernel.errors import NobodyAnswers
from tests.support.sandboxes import sandbox_here

BAD = {"TLS-3", "TLS-4", "TLS-5", "TLS-6", "TLS-7"}


@pytest.fixture
async def files(tmp_path: Path) -> dict[str, object]:
    """The certificates of a sandbox; it does not run any more."""
    async with sandbox_here(tmp_path / "data", preset="minimal") as document:
        return dict(document["tls"])


def server_context(tmp_path: Path) -> ssl.SSLContext:
    """With the certificate of that sandbox's server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "data/pki/server.pem", tmp_path / "data/pki/server.key")
    return context


async def outcomes(tmp_path: Path, tls: dict[str, object], context: ssl.SSLContext) -> dict[str, Outcome]:
    """What the check says about TLS of a server with that context, which answers everything."""

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=200, text="{}")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", nothing)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        server = site._server  # its port is not told otherwise
        assert server is not None
        port = server.sockets[0].getsockname()[1]
        file = tmp_path / "target.json"
        file.write_text(json.dumps({"editors": [{"fhir": f"https://127.0.0.1:{port}/fhir", "flows": []}], "tls": tls}))
        report = await examine(read_target(file, None), chosen(["TLS-*"]), datetime.now(UTC))
        return {verdict.requirement.id: verdict.outcome for verdict in report.verdicts}
    finally:
        await runner.cleanup()


async def test_a_server_that_lets_everybody_in_fails(tmp_path: Path, files: dict[str, object]) -> None:
    context = server_context(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    found = await outcomes(tmp_path, files, context)
    assert {id for id, outcome in found.items() if outcome is Outcome.FAILED} == BAD | {"TLS-1"}
    assert found["TLS-2"] is Outcome.PASSED


async def test_a_server_that_trusts_nobody_refuses_the_good_certificate_too(
    tmp_path: Path, files: dict[str, object]
) -> None:
    context = server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED  # of no authority at all
    found = await outcomes(tmp_path, files, context)
    assert found["TLS-2"] is Outcome.FAILED
    assert {found[id] for id in BAD} == {Outcome.SKIPPED}
    assert found["TLS-1"] is Outcome.PASSED


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    file = tmp_path / "target.json"
    file.write_text('{"editors": [{"fhir": "http://127.0.0.1:9", "flows": []}]}')
    with pytest.raises(NobodyAnswers, match=r"127\.0\.0\.1:9"):
        await examine(read_target(file, None), chosen([]), datetime.now(UTC))

"""The steps of docs/add-a-fault.md, carried out: the new kind is checked, on the form, in the schema, and has its
effect."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from sandbox.control.app import Control
from sandbox.faults import KINDS, edge
from sandbox.net.http.edge import Edge
from sandbox.net.http.server import Listener
from tests.support.contexts import bound_sockets

PAGE = Path(__file__).resolve().parents[3] / "docs" / "add-a-fault.md"
(MODULE,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
(IMPORT,) = re.findall(r"`(from sandbox\.faults\.edge import .*)`", PAGE.read_text("utf-8"))
NAME, TEXT = "truncated", "0123456789" * 3


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module of the page is in the folder, and imported by the line of the page."""
    folder = tmp_path / "edge"
    folder.mkdir()
    (folder / f"{NAME}.py").write_text(MODULE, "utf-8")
    monkeypatch.setattr(edge, "__path__", [*edge.__path__, str(folder)])
    before = dict(KINDS)
    exec(IMPORT, {})
    yield
    KINDS.clear()
    KINDS.update(before)
    del sys.modules[f"sandbox.faults.edge.{NAME}"]
    delattr(edge, NAME)


@pytest.fixture
async def served(control: Control) -> AsyncIterator[str]:
    """URL of a port that the World knows as one of the SAS core."""
    with bound_sockets(0) as sockets:
        app = Edge(PlainTextResponse(TEXT), control.context, lambda scope: ("sas", "UI"))
        listener = Listener(app, sockets[0])
        await listener.start()
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
        await listener.stop()


def test_the_line_of_the_page_is_that_of_the_package_with_the_new_name() -> None:
    package = Path(str(edge.__file__)).read_text("utf-8")
    assert IMPORT.removesuffix(f", {NAME}") in package.splitlines()


async def test_it_is_checked(admin: httpx.AsyncClient) -> None:
    async def answer(**params: object) -> tuple[int, str]:
        fault = {"kind": NAME, "target": "sas", "params": params}
        made = await admin.post("/__admin/faults", json=fault)
        return made.status_code, made.json().get("title", "")

    assert await answer() == (400, "'octets' is required")
    assert await answer(octets="5") == (400, "'octets' must be a number, not '5'")
    assert await answer(octets=-1) == (422, "'octets' must be 0 to 100000, not -1")
    assert await answer(octets=1.5) == (422, "'octets' must be a whole number, not 1.5")
    assert await answer(octets=5) == (201, "")


async def test_it_is_in_the_schema(admin: httpx.AsyncClient) -> None:
    schemas = (await admin.get("/__admin/openapi.json")).json()["components"]["schemas"]
    assert NAME in schemas["FaultRequest"]["properties"]["kind"]["enum"]
    octets = {"type": "integer", "minimum": 0, "maximum": 100_000, "description": "octets of the body that are sent"}
    assert schemas[f"fault-{NAME}"]["properties"] == {"octets": octets}
    assert schemas[f"fault-{NAME}"]["required"] == ["octets"]


async def received_of(client: httpx.AsyncClient, url: str) -> bytes:
    """The body of an answer that is cut, as far as it was received."""
    received = b""
    with contextlib.suppress(httpx.RemoteProtocolError):
        async with client.stream("GET", url) as answer:
            async for part in answer.aiter_bytes():
                received += part
        raise AssertionError("the answer was whole")
    return received


async def test_its_form_starts_it_and_a_real_answer_is_cut(admin: httpx.AsyncClient, served: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(served)).text == TEXT
        page = (await admin.get("/pannes")).text
        assert "La réponse s&#39;arrête au milieu." in page
        assert f'<label for="p-{NAME}-octets">Octets envoyés</label>' in page
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
        assert token is not None
        form = {"csrf": token[1], "kind": NAME, "target": "sas", "octets": "7", "count": "1"}
        assert (await admin.post("/pannes", data=form)).status_code == 303
        received = await received_of(client, served)
        assert received == TEXT[:7].encode()
        assert (await client.get(served)).text == TEXT

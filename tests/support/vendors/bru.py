"""A small reader of Bru, and a player of requests: enough to use a collection as Bruno does."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import aiohttp
from yarl import URL

METHODS = ("get", "post", "put", "delete", "patch")
TEXTS = ("body:json", "tests", "docs")


def blocks(text: str) -> dict[str, str]:
    """The blocks of a file: tag -> what is between its braces. Fails on anything outside of a block."""
    found = dict(re.findall(r"^([a-z:-]+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL))
    rest = re.sub(r"^([a-z:-]+) \{\n(.*?)^\}$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not rest.strip(), rest
    return found


def pairs(block: str) -> list[tuple[str, str]]:
    """The lines of a dictionary block."""
    lines = [line.strip().partition(": ") for line in block.splitlines()]
    assert all(colon for _, colon, _ in lines), block
    return [(name, value) for name, _, value in lines]


@dataclass(frozen=True)
class Request:
    """A request as its file says it."""

    path: Path
    seq: int
    method: str
    url: str
    headers: dict[str, str]
    body: Any
    token: str
    keeps: list[tuple[str, str]]
    statuses: list[int]
    docs: str


def read_request(path: Path) -> Request:
    """The file's request; every block that it has is known to this reader."""
    found = blocks(path.read_text("utf-8"))
    method = next(each for each in METHODS if each in found)
    known = {"meta", method, "headers", "auth:bearer", "vars:post-response", *TEXTS}
    assert set(found) <= known
    meta, call = dict(pairs(found["meta"])), dict(pairs(found[method]))
    assert meta["type"] == "http"
    assert (call["body"] == "json") == ("body:json" in found)
    assert (call["auth"] == "bearer") == ("auth:bearer" in found)
    said = re.search(r"expect\(res\.status\)\.to\.be\.oneOf\((\[[0-9, ]+\])\);", found["tests"])
    assert said, found["tests"]
    return Request(
        path,
        int(meta["seq"]),
        method,
        call["url"],
        dict(pairs(found.get("headers", ""))),
        json.loads(dedent(found["body:json"])) if "body:json" in found else None,
        dict(pairs(found["auth:bearer"]))["token"] if "auth:bearer" in found else "",
        pairs(found.get("vars:post-response", "")),
        json.loads(said[1]),
        dedent(found["docs"]).strip(),
    )


@dataclass
class Collection:
    """A collection in a directory, with its only environment."""

    folder: Path
    variables: dict[str, str] = field(init=False)
    manifest: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        (environment,) = (self.folder / "environments").iterdir()
        self.variables = dict(pairs(blocks(environment.read_text("utf-8"))["vars"]))
        self.manifest = json.loads((self.folder / "bruno.json").read_text("utf-8"))

    def requests(self) -> Iterator[Request]:
        """All of them, in the order in which `bru run -r` plays them."""
        folders = []
        for file in self.folder.glob("*/folder.bru"):
            found = blocks(file.read_text("utf-8"))
            assert found["docs"].strip()
            folders.append((int(dict(pairs(found["meta"]))["seq"]), file.parent))
        for _, folder in sorted(folders):
            files = [file for file in folder.glob("*.bru") if file.name != "folder.bru"]
            yield from sorted(map(read_request, files), key=lambda each: each.seq)

    def filled(self, text: str) -> str:
        """With the values of the variables. KeyError for one that does not exist."""
        return re.sub(r"\{\{(\w+)\}\}", lambda found: self.variables[found[1]], text)

    def certificate(self, url: str) -> dict[str, str] | None:
        """The one that Bruno shows: the first whose domain the URL begins with."""
        rows = self.manifest["clientCertificates"]
        assert rows["enabled"] == bool(rows["certs"])
        for row in rows["certs"]:
            pattern = "^https://" + row["domain"].replace(".", r"\.").replace("*", ".*")
            if re.match(pattern, url):
                return dict(row)
        return None

    async def play(self, request: Request) -> tuple[int, bytes]:
        """Send it; status and body of the answer. What it keeps becomes a variable."""
        url = self.filled(request.url)
        headers = {name: self.filled(value) for name, value in request.headers.items()}
        if request.token:
            headers["Authorization"] = f"Bearer {self.filled(request.token)}"
        data = None
        if request.body is not None:
            data = self.filled(json.dumps(request.body)).encode()
            headers.setdefault("Content-Type", "application/json")
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method.upper(), URL(url, encoded=True), headers=headers, data=data, ssl=self._tls(url)
            ) as answer,
        ):
            body = await answer.read()
        for name, expression in request.keeps:
            self.variables[name] = json.loads(body)[expression.removeprefix("res.body.")]
        return answer.status, body

    def _tls(self, url: str) -> ssl.SSLContext | bool:
        row = self.certificate(url)
        if row is None:
            return True
        context = ssl.create_default_context(cafile=self.folder / "certificats" / "ca.pem")
        context.load_cert_chain(self.folder / row["certFilePath"], self.folder / row["keyFilePath"])
        return context

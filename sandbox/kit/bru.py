"""Files of a Bruno collection, as text: requests, folders, environments, `bruno.json`.

Bru has blocks of pairs (`name: value`, one a line) and blocks of text, indented by two; a block ends with `}` at the
beginning of a line. A URL is sent as it is written (no setting `encodeUrl`): it is percent-encoded here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from sandbox.kernel.errors import UsageError


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `body`: a JSON document, None for none; `statuses`: those that pass, the usual one first; `docs`:
    Markdown; `token`: variable whose value is the Bearer token; `keeps`: variable -> expression of the answer."""

    name: str
    method: str
    url: str
    docs: str
    statuses: tuple[int, ...] = (200,)
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    token: str = ""
    keeps: tuple[tuple[str, str], ...] = ()


def request_file(request: Request, number: int) -> str:
    """The `.bru` file of a request, the `number`th of its folder."""
    body = "none" if request.body is None else "json"
    auth = "bearer" if request.token else "none"
    parts = [
        _pairs("meta", [("name", request.name), ("type", "http"), ("seq", str(number))]),
        _pairs(request.method.lower(), [("url", request.url), ("body", body), ("auth", auth)]),
    ]
    if request.headers:
        parts.append(_pairs("headers", request.headers))
    if request.token:
        parts.append(_pairs("auth:bearer", [("token", "{{" + request.token + "}}")]))
    if request.body is not None:
        parts.append(_text("body:json", json.dumps(request.body, ensure_ascii=False, indent=2)))
    if request.keeps:
        parts.append(_pairs("vars:post-response", request.keeps))
    parts.append(_text("tests", _test(request.statuses)))
    parts.append(_text("docs", request.docs))
    return "\n".join(parts)


def folder_file(name: str, number: int, docs: str) -> str:
    """`folder.bru`."""
    return "\n".join([_pairs("meta", [("name", name), ("seq", str(number))]), _text("docs", docs)])


def collection_file(docs: str) -> str:
    """`collection.bru`."""
    return _text("docs", docs)


def environment_file(variables: Mapping[str, str]) -> str:
    """A file of `environments/`."""
    return _pairs("vars", variables.items())


def manifest(name: str, certificates: Iterable[tuple[str, str, str]]) -> str:
    """`bruno.json`. `certificates`: beginning of the URLs (no scheme), certificate, key; paths from the collection."""
    certs = [
        {"domain": domain, "type": "cert", "certFilePath": cert, "keyFilePath": key, "passphrase": ""}
        for domain, cert, key in certificates
    ]
    document = {
        "version": "1",
        "name": name,
        "type": "collection",
        "ignore": ["node_modules", ".git"],
        "clientCertificates": {"enabled": bool(certs), "certs": certs},
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _test(statuses: tuple[int, ...]) -> str:
    said = " ou ".join(map(str, statuses))
    return f'test("statut {said}", function() {{\n  expect(res.status).to.be.oneOf({list(statuses)});\n}});'


def _pairs(tag: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = list(pairs)
    for name, value in rows:
        if len(value.splitlines()) > 1:
            raise UsageError(f"kit: {name}: {value!r} is not usable (expected one line)")
    return f"{tag} {{\n" + "".join(f"  {name}: {value}\n" for name, value in rows) + "}\n"


def _text(tag: str, text: str) -> str:
    return f"{tag} {{\n{indent(text.strip(), '  ')}\n}}\n"

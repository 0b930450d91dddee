"""Checks the answers of `__admin`: each must be one that its OpenAPI document describes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import httpx
import jsonschema_rs

from sandbox.control.admin.app import document
from sandbox.faults import KINDS


@lru_cache(maxsize=4)
def document_with(kinds: tuple[str, ...]) -> dict[str, Any]:
    """The document when these kinds of faults exist."""
    return document("http://127.0.0.1:8010")


def described() -> dict[str, Any]:
    """The document."""
    return document_with(tuple(KINDS))


async def held(answer: httpx.Response) -> None:
    """Raise AssertionError or ValidationError for an answer that is not described. Other paths, and paths that do not
    exist, are not checked."""
    operations = operations_of(answer.request.url.path)
    if operations is None:
        return
    operation = operations.get(answer.request.method.lower())
    if operation is None:
        assert answer.status_code == 405
        return
    await answer.aread()
    found = operation["responses"][str(answer.status_code)]
    if "$ref" in found:
        found = described()["components"]["responses"][found["$ref"].rpartition("/")[2]]
    if "content" not in found:
        assert answer.content == b""
        return
    schema = found["content"][answer.headers["content-type"].partition(";")[0]]["schema"]
    judge(schema).validate(answer.json() if "json" in answer.headers["content-type"] else answer.text)


def operations_of(path: str) -> dict[str, Any] | None:
    """The document's description of a path; None when it has none."""
    paths = described()["paths"]
    found = [each for each in paths if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), path)]
    return paths[min(found, key=lambda each: each.count("{"))] if found else None


def judge(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator for instances of a schema of the document."""
    return jsonschema_rs.validator_for(
        {**schema, "components": closed(described()["components"])}, validate_formats=True
    )


def closed(node: Any) -> Any:
    """A schema that admits no property that it does not describe."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: closed(value) for name, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        found.setdefault("additionalProperties", False)
    return found

"""Access to elements of JSON resources of unknown shape: an element of another JSON type counts as absent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]
NOTHING: Node = {}


def reference_of(value: object) -> str:
    """The reference in the form of the keys of resources: relative when it ends with `<type>/<id>`, whatever its
    base."""
    reference = text_of(value, "reference") if isinstance(value, dict) else ""
    parts = reference.rsplit("/", 2)
    return "/".join(parts[-2:]) if reference.startswith("http") and len(parts) > 1 else reference


def text_of(node: Node, key: str) -> str:
    value = node.get(key)
    return value.strip() if isinstance(value, str) else ""


def node_of(node: Node, key: str) -> Node:
    value = node.get(key)
    return value if isinstance(value, dict) else NOTHING


def nodes_of(node: Node, key: str, path: str) -> Iterator[tuple[str, Node]]:
    """The objects in a list, with their paths; other values are skipped."""
    values = node.get(key)
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if isinstance(value, dict):
            yield f"{path}.{key}[{index}]", value

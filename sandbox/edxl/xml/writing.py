"""A document in the shape of its JSON form -> XML octets, with elements in the order of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.edxl.faults import join
from sandbox.edxl.schemas import WITHOUT_HEADER
from sandbox.edxl.xml import model
from sandbox.edxl.xml.model import Anything, Field, Kind, Whole
from sandbox.edxl.xml.reading import ROOT
from sandbox.edxl.xml.tree import DEEPEST, XLINK, Element
from sandbox.edxl.xml.tree import write as write_tree
from sandbox.edxl.xml.types import Simple

_NAME = re.compile(r"[A-Za-z_\u00c0-\ud7ff][A-Za-z0-9_.\-\u00c0-\ud7ff]*")  # of an element: not all that XML admits


class Inexpressible(Exception):
    """The document says something that has no place in XML: where and what, for people."""


def write(document: Mapping[str, Any]) -> bytes:
    """The XML form. What is missing or wrong in the document is missing or wrong there too.

    Raises Inexpressible: a property without counterpart, a content of another use case (in which order its elements
    stand is not known here), a character that XML does not have.
    """
    content = {"contentObject": [_as_object(item) for item in _list(document.get("content"))]}
    wrapped = {**document, "content": content} if "content" in document else document
    root = _element(ROOT, model.EDXL, wrapped, model.ENVELOPE, "")
    try:
        return write_tree(root)
    except ValueError as error:
        raise Inexpressible(f"The message {error}") from None


def _as_object(item: object) -> dict[str, Any]:
    try:
        message = item["jsonContent"]["embeddedJsonContent"]["message"]  # type: ignore[index]
    except (KeyError, TypeError, IndexError):
        raise Inexpressible("content: an item without a message cannot be written as XML") from None
    return {"contentXML": {"embeddedXMLContent": {"message": message}}}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _element(name: str, namespace: str, value: object, kind: Kind, path: str) -> Element:
    element = Element(namespace, name)
    if isinstance(kind, Simple):
        if isinstance(value, (dict, list)) or value is None:
            raise Inexpressible(f"{path}: a text was expected, this value cannot be written as XML")
        element.text = kind.text(value)
    elif isinstance(kind, Anything):
        _fill(element, value, path)
    elif not isinstance(value, dict):
        raise Inexpressible(f"{path or 'the message'}: an object was expected, this value cannot be written as XML")
    elif isinstance(kind, Whole):
        element.children = _of_message(value, path)
    else:
        element.attributes = {(XLINK, "type"): kind.link} if kind.link else {}
        element.children = _children(value, kind.fields, path)
    return element


def _children(value: Mapping[str, Any], fields: Sequence[Field], path: str) -> list[Element]:
    known = {field.name for field in fields}
    for name in value:
        if name not in known:
            raise Inexpressible(f"{join(path, name)}: this property has no counterpart in XML")
    return [
        _element(field.name, field.namespace, each, field.kind, join(path, field.name))
        for field in fields
        if field.name in value
        for each in (_list(value[field.name]) if field.most > 1 else [value[field.name]])
    ]


def _of_message(message: Mapping[str, Any], path: str) -> list[Element]:
    """An error stands alone in XML: what JSON may have beside it repeats the envelope and is left out."""
    contents = [name for name in message if name in model.NAMESPACES]
    if len(contents) != 1:
        raise Inexpressible(f"{path}: a message with {len(contents)} known contents cannot be written as XML")
    content = contents[0]
    fields = model.message(content).fields
    if isinstance(fields[-1].kind, Anything):
        raise Inexpressible(f"{content}: a content that is not read here cannot be converted between JSON and XML")
    if content in WITHOUT_HEADER:
        message = {name: value for name, value in message.items() if name not in model.HEADER_NAMES}
    return _children(message, fields, "")


def _fill(element: Element, value: object, path: str) -> None:
    """Any JSON value: properties as elements, a list as several of one name."""
    if path.count(".") > DEEPEST:
        raise Inexpressible(f"{path[:200]}…: nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        element.children = list(_properties(element.namespace, value, path))
    else:
        element.text = _plain_text(value)


def _properties(namespace: str, value: Mapping[str, Any], path: str) -> Iterator[Element]:
    for name, inner in value.items():
        if not _NAME.fullmatch(name):
            raise Inexpressible(f"{path}: the name '{name[:100]}' cannot be that of an XML element")
        for each in _list(inner):
            child = Element(namespace, name)
            _fill(child, each, join(path, name))
            yield child


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        raise Inexpressible("sourceMessage: a list within a list has no counterpart in XML")
    return "" if value is None else str(value)

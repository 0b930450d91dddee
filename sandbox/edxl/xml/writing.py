"""A document in the shape of its JSON form -> XML octets, with elements in the order of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.edxl.issues import join
from sandbox.edxl.schemas import CONTENTS, WITHOUT_HEADER
from sandbox.edxl.xml import model
from sandbox.edxl.xml.model import Anything, Field, Kind, Whole
from sandbox.edxl.xml.reading import ROOT
from sandbox.edxl.xml.tree import DEEPEST, LARGEST, MOST_TAGS, XLINK, Element
from sandbox.edxl.xml.tree import write as write_tree
from sandbox.edxl.xml.types import Simple

_NAME = re.compile(r"[A-Za-z_\u00c0-\ud7ff][A-Za-z0-9_.\-\u00c0-\ud7ff]*")  # an element name: not all that XML admits
_AROUND = 10  # nesting depth of elements around what a sourceMessage quotes


class Inexpressible(Exception):
    """The document has something without counterpart in XML; the text says where and what."""


def write(document: Mapping[str, Any]) -> bytes:
    """The XML form. What is missing or wrong in the document is missing or wrong there too.

    Raises Inexpressible: a property without counterpart, a content of another use case (in which order its elements
    stand is not known here), a character that XML does not have, or more than `read` would take.
    """
    if "content" in document:
        objects = [_as_object(item) for item in _list(document["content"])]
        document = {**document, "content": {"contentObject": objects}}
    root = _Writer().element(Element(model.EDXL, ROOT), document, model.ENVELOPE, "")
    try:
        body = write_tree(root)
    except ValueError as error:
        raise Inexpressible(f"The message {error}") from None
    if len(body) > LARGEST:
        raise Inexpressible(f"The message has over {LARGEST} octets in XML")
    return body


def _as_object(item: object) -> dict[str, Any]:
    try:
        message = item["jsonContent"]["embeddedJsonContent"]["message"]  # type: ignore[index]
    except (KeyError, TypeError, IndexError):
        raise Inexpressible("content: an item without a message cannot be written as XML") from None
    return {"contentXML": {"embeddedXMLContent": {"message": message}}}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Writer:
    """Makes elements from values, at most as many as a reader accepts."""

    def __init__(self) -> None:
        self._elements, self._characters = MOST_TAGS // 2, LARGEST

    def element(self, element: Element, value: object, kind: Kind, path: str) -> Element:
        """Fill an element."""
        self._elements -= 1
        if isinstance(kind, Simple):
            if isinstance(value, (dict, list)) or value is None:
                raise Inexpressible(f"{path}: a text was expected, this value cannot be written as XML")
            element.text = self._text(kind.text(value))
        elif isinstance(kind, Anything):
            self._fill(element, value, path, 0)
        elif not isinstance(value, dict):
            raise Inexpressible(f"{path or 'the message'}: an object was expected, this value cannot be written as XML")
        elif isinstance(kind, Whole):
            element.children = self._of_message(value, path)
        else:
            element.attributes = {(XLINK, "type"): kind.link} if kind.link else {}
            element.children = self._children(value, kind.fields, path)
        return element

    def _children(self, value: Mapping[str, Any], fields: Sequence[Field], path: str) -> list[Element]:
        known = {field.name for field in fields}
        for name in value:
            if name not in known:
                raise Inexpressible(f"{join(path, name)}: this property has no counterpart in XML")
        return [
            self.element(Element(field.namespace, field.name), each, field.kind, join(path, field.name))
            for field in fields
            if field.name in value
            for each in (_list(value[field.name]) if field.most > 1 else [value[field.name]])
        ]

    def _of_message(self, message: Mapping[str, Any], path: str) -> list[Element]:
        """An error stands alone in XML: what JSON may have beside it repeats the envelope and is left out."""
        contents = [name for name in message if name in model.NAMESPACES]
        if len(contents) != 1:
            raise Inexpressible(f"{path}: a message with {len(contents)} known contents cannot be written as XML")
        content = contents[0]
        if content not in CONTENTS:
            raise Inexpressible(f"{content}: a content that is not read here cannot be converted between JSON and XML")
        if content in WITHOUT_HEADER:
            message = {name: value for name, value in message.items() if name not in model.HEADER_NAMES}
        return self._children(message, model.message(content).fields, "")

    # ---- values of any shape: `sourceMessage`

    def _fill(self, element: Element, value: object, path: str, depth: int) -> None:
        """Properties as elements, a list as several of one name."""
        if depth >= DEEPEST - _AROUND:
            raise Inexpressible(f"{path[:200]}…: values nested deeper than {DEEPEST - _AROUND} levels")
        if isinstance(value, dict):
            for name, inner in value.items():
                self._property(element, name, inner, join(path, name), depth + 1)
        else:
            element.text = self._text(_plain_text(value, path))

    def _property(self, element: Element, name: str, value: object, path: str, depth: int) -> None:
        if not _NAME.fullmatch(name):
            raise Inexpressible(f"{path[:200]}: the name '{name[:100]}' cannot be that of an XML element")
        for each in _list(value):
            self._elements -= 1
            if self._elements < 0:
                raise Inexpressible(f"The message has over {MOST_TAGS // 2} elements in XML")
            child = Element(element.namespace, name)
            self._fill(child, each, path, depth)
            element.children.append(child)

    def _text(self, text: str) -> str:
        self._characters -= len(text)
        if self._characters < 0:
            raise Inexpressible(f"The message has over {LARGEST} octets in XML")
        return text


def _plain_text(value: object, path: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        raise Inexpressible(f"{path[:200]}: a list within a list has no counterpart in XML")
    return "" if value is None else str(value)

"""XML octets <-> elements, on expat. No document type declaration, hence no entity; depth, size and number are bounded.

The limits are checked before expat parses, so that no document takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from sandbox.edxl.codes import HubCode

LARGEST = 1024 * 1024  # octets
MOST_TAGS, MOST_EQUALS, MOST_LINES = 10_000, 10_000, 200_000  # `<`, `=`, and line ends with references (`&`)
DEEPEST = 64  # nesting depth of elements
XSI, XLINK = "http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/1999/xlink"

_SEPARATOR = "}"  # a character that no URI contains; expat refuses a namespace with it
_INEXPRESSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlError(Exception):
    """Octets that cannot be read as an XML message: `code` 102, or 300 when they exceed a limit."""

    def __init__(self, code: HubCode, cause: str) -> None:
        super().__init__(cause)
        self.code, self.cause = code, cause


@dataclass(slots=True)
class Element:
    """An element. `namespace` empty: none; `attributes` by (namespace, name); `text`: its own, children's without."""

    namespace: str
    name: str
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""


def parse(body: bytes) -> Element:
    """The root element. Comments and processing instructions are passed over. Raises XmlError."""
    _bound(body)
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text, parser.ordered_attributes = True, True
    parser.buffer_size = 65_536
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        what = f"{expat.ErrorString(error.code)} (line {error.lineno}, column {error.offset + 1})"
        raise XmlError(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, f"The message is not XML: {what}") from None
    except (LookupError, ValueError) as error:  # an unknown encoding, or one that XML does not have
        raise XmlError(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, f"The message is not XML: {error}") from None
    return reader.root


def write(root: Element) -> bytes:
    """The document, UTF-8; attributes are those of XLink. Raises ValueError for a character that XML cannot carry."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n', *_written(root, "", f' xmlns:xlink="{XLINK}"')]
    return "".join(parts).encode()


def expressible(text: str) -> str:
    """A text with the replacement character in place of what XML cannot carry.

    >>> expressible("a" + chr(0)) == "a\N{REPLACEMENT CHARACTER}"
    True
    """
    return _INEXPRESSIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _bound(body: bytes) -> None:
    """Refuse too many tags, attributes, references and line ends: expat calls back for each of them."""
    if len(body) > LARGEST:
        what = f"has {len(body)} octets, {LARGEST} at most are read"
    elif body.count(b"<") > MOST_TAGS:
        what = f"has over {MOST_TAGS} tags"
    elif body.count(b"=") > MOST_EQUALS:
        what = f"has over {MOST_EQUALS} signs of equality (attributes)"
    elif body.count(b"\n") + body.count(b"\r") + body.count(b"&") > MOST_LINES:
        what = f"has over {MOST_LINES} line ends and references"
    else:
        return
    raise XmlError(HubCode.INVALID_MESSAGE, f"The message {what}")


def _refuse_doctype(name: str, system: str | None, public: str | None, internal: bool) -> NoReturn:
    cause = "The message has a document type declaration (DOCTYPE): it is refused, no entity is ever resolved"
    raise XmlError(HubCode.UNRECOGNIZED_MESSAGE_FORMAT, cause)


class _Reader:
    """Makes elements from the callbacks of expat."""

    root: Element

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._texts: list[list[str]] = []

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self._open) >= DEEPEST:
            raise XmlError(HubCode.INVALID_MESSAGE, f"The message has over {DEEPEST} elements in each other")
        pairs = zip(map(_name, attributes[::2]), attributes[1::2], strict=True)
        element = Element(*_name(name), dict(pairs) if attributes else {})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def characters(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())


def _name(text: str) -> tuple[str, str]:
    namespace, _, name = text.rpartition(_SEPARATOR)
    return namespace, name


def _written(element: Element, around: str, declared: str = "") -> Iterator[str]:
    """The pieces of an element; its namespace is declared where it differs from that of the parent."""
    if element.namespace != around:
        declared = f" xmlns={quoteattr(element.namespace)}{declared}"
    own = "".join(f" xlink:{name}={quoteattr(value)}" for (_, name), value in element.attributes.items())
    yield f"<{element.name}{declared}{own}>"
    yield _text(element.text)
    for child in element.children:
        yield from _written(child, element.namespace)
    yield f"</{element.name}>"


def _text(text: str) -> str:
    if found := _INEXPRESSIBLE.search(text):
        raise ValueError(f"holds the character U+{ord(found[0]):04X}, which XML cannot carry")
    return escape(text, {"\r": "&#13;"})

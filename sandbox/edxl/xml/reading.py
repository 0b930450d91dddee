"""XML octets -> the document in the shape of its JSON form, and what is wrong with it by the XML Schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sandbox.edxl.issues import MISSING, UNDEFINED, join
from sandbox.edxl.schemas import WITHOUT_HEADER
from sandbox.edxl.validation import MOST_ISSUES, SchemaIssue, not_exactly_one, unreadable
from sandbox.edxl.xml import model
from sandbox.edxl.xml.model import Anything, Field, Kind, Whole
from sandbox.edxl.xml.tree import XLINK, XSI, Element, parse
from sandbox.edxl.xml.types import Simple, collapsed

ROOT = "edxlDistribution"
_HINTS = {(XSI, "schemaLocation"), (XSI, "noNamespaceSchemaLocation")}  # admitted on any element; nothing is fetched
_NCNAME = re.compile(r"[^\W\d][\w.-]*")


class Reading(NamedTuple):
    """What was read: as much of a message as there is, and at most `MOST_ISSUES` issues; none: it is valid."""

    document: dict[str, Any]
    issues: tuple[SchemaIssue, ...]


def read(body: bytes) -> Reading:
    """The document in `body`. Raises XmlError when it is no XML, or too much of it."""
    root, judge = parse(body), _Judge()
    if (root.namespace, root.name) != (model.EDXL, ROOT):
        judge.tell("", f"is <{root.name}> of namespace '{root.namespace}', not <{ROOT}> of '{model.EDXL}'")
        return Reading({}, tuple(judge.issues))
    document = judge.value(root, model.ENVELOPE, "")
    document["content"] = [
        {"jsonContent": {"embeddedJsonContent": {"message": message}}} for message in _messages(document)
    ]
    for name in ("dateTimeSent", "dateTimeExpires"):
        if not judge.issues and (text := unreadable(document[name])):
            judge.tell(name, text)
    return Reading(document, tuple(judge.issues))


def plain(element: Element) -> Any:
    """Any element as JSON: its text, or its children by name, several of one name as a list; attributes as `@name`."""
    if not element.children and not element.attributes:
        return element.text
    found: dict[str, Any] = {f"@{name}": value for (_, name), value in element.attributes.items()}
    if element.text.strip():
        found["#text"] = element.text
    for name, children in _grouped(element).items():
        values = [plain(child) for child in children]
        found[name] = values[0] if len(values) == 1 else values
    return found


def _messages(document: Mapping[str, Any]) -> Iterator[Any]:
    """The messages in the envelope, whatever is wrong around them."""
    content = document.get("content")
    objects = content.get("contentObject", []) if isinstance(content, dict) else []
    for item in objects:
        for name in ("contentXML", "embeddedXMLContent", "message"):
            item = item.get(name) if isinstance(item, dict) else None
        if item is not None:
            yield item


def _grouped(element: Element) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    for child in element.children:
        found.setdefault(child.name, []).append(child)
    return found


class _Judge:
    """Reads elements by the model and collects what is wrong. `_root`, `_part`: where that is, for the issues."""

    def __init__(self) -> None:
        self.issues: list[SchemaIssue] = []
        self._root, self._part = ROOT, "content"

    def tell(self, path: str, text: str) -> None:
        if len(self.issues) < MOST_ISSUES:
            self.issues.append(SchemaIssue(path, text, self._root, self._part))

    def value(self, element: Element, kind: Kind, path: str) -> Any:
        """The JSON value of an element."""
        if isinstance(kind, Simple):
            return self._simple(element, kind, path)
        if isinstance(kind, Whole):
            return self._message(element, path)
        if isinstance(kind, Anything):
            if kind.only_elements:
                self._no_text(element, path)
            found = plain(element)
            return {} if kind.only_elements and isinstance(found, str) else found
        self._attributes(element, path, kind.link, linked=kind.linked)
        return self._sequence(element, kind.fields, path)

    def _simple(self, element: Element, kind: Simple, path: str) -> object:
        self._attributes(element, path)
        if element.children:
            self.tell(path, "has elements in it, text is expected")
            return plain(element)
        try:
            return kind.read(element.text)
        except ValueError as error:
            self.tell(path, str(error))
            return element.text

    def _sequence(self, element: Element, fields: Sequence[Field], path: str) -> dict[str, Any]:
        self._no_text(element, path)
        groups = _grouped(element)
        found: dict[str, Any] = {}
        for field in fields:
            children = groups.pop(field.name, [])
            self._occurrence(field, children, join(path, field.name))
            values = [self._field(child, field, path, at) for at, child in enumerate(children)]
            if values:
                found[field.name] = values if field.most > 1 else values[0]
        for name, children in groups.items():
            self.tell(join(path, name), UNDEFINED)
            found[name] = plain(children[0])
        if not groups:
            self._order(element, fields, path)
        return found

    def _field(self, child: Element, field: Field, path: str, at: int) -> Any:
        own = join(path, field.name) + (f"[{at}]" if field.most > 1 else "")
        if child.namespace != field.namespace:
            self.tell(own, f"is of namespace '{child.namespace}', '{field.namespace}' is expected")
        return self.value(child, field.kind, own)

    def _occurrence(self, field: Field, children: Sequence[Element], path: str) -> None:
        if len(children) < field.least:
            self.tell(path, MISSING)
        elif len(children) > field.most:
            self.tell(path, f"occurs {len(children)} times, {field.most} at most")

    def _order(self, element: Element, fields: Sequence[Field], path: str) -> None:
        """Check that the elements of a sequence are in its order, because the JSON form loses the order."""
        place = {field.name: at for at, field in enumerate(fields)}
        places = [place[child.name] for child in element.children]
        if places != sorted(places):
            names = ", ".join(fields[at].name for at in sorted(set(places)))
            self.tell(path, f"has its elements in another order than {names}")

    def _no_text(self, element: Element, path: str) -> None:
        if element.text.strip(" \t\r\n"):
            self.tell(path, "has text in it, only elements are expected")

    # ---- attributes

    def _attributes(self, element: Element, path: str, link: str = "", *, linked: bool = False) -> None:
        admitted = _link_attributes(link) if link else {}
        for (namespace, name), value in element.attributes.items():
            if (namespace, name) in _HINTS:
                continue
            good = admitted.get(name) if namespace == XLINK else None
            if good is None:
                self.tell(join(path, f"@{name}"), UNDEFINED)
            elif not good(collapsed(value)):
                self.tell(join(path, f"@{name}"), f"does not have an admitted value ('{link}' for type)")
        if linked and (XLINK, "type") not in element.attributes:
            self.tell(join(path, "@type"), f"{MISSING} (xlink:type='{link}')")

    # ---- the message

    def _message(self, element: Element, path: str) -> dict[str, Any]:
        """Read the header and the content, each with its own root for paths."""
        around, self._root = self._root, f"{ROOT}.{path}"
        self._attributes(element, "")
        contents = [child.name for child in element.children if child.name in model.NAMESPACES]
        known = [*dict.fromkeys(contents)]
        if len(contents) == 1:
            found = self._split(element, known[0])
        else:
            found = self._sequence_of_header(element, known)
            self.tell("", not_exactly_one(contents))
        self._root = around
        return found

    def _split(self, element: Element, content: str) -> dict[str, Any]:
        """A message with one content: faults of the header before those of the content."""
        fields = model.message(content).fields
        before, self.issues = self.issues, []
        found = self._sequence(element, fields, "")
        told, self.issues = self.issues, before
        own = [each for each in told if each.path == content or each.path.startswith((f"{content}.", f"{content}["))]
        rest = [each for each in told if each not in own]
        part = "content" if content in WITHOUT_HEADER else "header"
        for each in rest:
            self._told(each, part)
        for each in own:
            self._told(each, "content")
        return found

    def _told(self, issue: SchemaIssue, part: str) -> None:
        self._part = part
        self.tell(issue.path, issue.text)
        self._part = "content"

    def _sequence_of_header(self, element: Element, known: Sequence[str]) -> dict[str, Any]:
        """Read a message with no known content, or with several: only its header is checked."""
        if known and WITHOUT_HEADER.issuperset(known):
            return {name: plain(children[0]) for name, children in _grouped(element).items()}
        others = [child for child in element.children if child.name in model.HEADER_NAMES]
        self._part = "header"
        found = self._sequence(Element(element.namespace, element.name, {}, others), model.message("").fields, "")
        self._part = "content"
        rest = _grouped(element)
        return found | {name: plain(rest[name][0]) for name in rest if name not in found}


def _link_attributes(link: str) -> Mapping[str, Callable[[str], bool]]:
    """The attributes that XLink admits on an element of that type: name -> whether a value is valid."""
    found: dict[str, Callable[[str], bool]] = {
        "type": lambda value: value == link,
        "role": bool,
        "title": lambda _: True,
    }
    if link == "resource":
        found["label"] = lambda value: _NCNAME.fullmatch(value) is not None
    return found

"""Our statement of the message model in XML and the published XML Schemas give the same verdict.

The published schemas are EDXL-DE 2.0 whole; ours is what the JSON form can say of it, so they are narrowed first, in
memory, as `NARROWED` says. What else differs, stricter on purpose: over a hundred items or recipients, envelope dates
that no calendar holds (year 0, 24:00:00), numbers beyond those of JSON, `xsi:type` and `xsi:nil`. Contents of other use
cases are not looked into.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sandbox.edxl import xml
from tests.support.xml_messages import damaged, documents
from tests.unit.edxl.corpus import HEADER, appointment, envelope, error, reference

etree = pytest.importorskip("lxml.etree")
REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "hub-sante"

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared is absent")

XS = "{http://www.w3.org/2001/XMLSchema}"
# Complex type of EDXL-DE -> what of it the JSON form has; the others are optional and taken out.
NARROWED = {
    "DEDistributionType": {"descriptor", "content"},
    "DEDescriptorType": {"language", "explicitAddress"},
    "DEContentType": {"contentObject"},
    "DEContentObjectType": {"contentXML"},
    "ContentXmlType": {"embeddedXMLContent"},
}
ONCE = {"descriptor", "content", "explicitAddress", "explicitAddressValue"}  # optional or repeated there
TYPE = "{http://www.w3.org/1999/xlink}type"
FIXED = {"edxlDistribution": "extended"} | dict.fromkeys(("descriptor", "content", "contentObject"), "resource")
INSTANTS = ("sentAt", "created", "start", "end")  # of the plain type `dateTime`
FILES = ("EDXL-DE-full.xsd", "EDXL-DE-full-no-header.xsd")


class Official:
    """Both published schemas: a message has a header, or it is one that has none."""

    def __init__(self, *, narrowed: bool) -> None:
        trees = [etree.parse(REFERENCE / "xsd" / name) for name in FILES]
        if narrowed:
            for tree in trees:
                _narrow(tree)
        self._schemas = [etree.XMLSchema(tree) for tree in trees]

    def accepts(self, body: bytes) -> bool:
        root = etree.fromstring(body)
        _collapse_instants(root)
        return _has_fixed_values(root) and any(schema.validate(root) for schema in self._schemas)


def _collapse_instants(root: Any) -> None:
    """libxml2 refuses a `dateTime` with space before it, which XML Schema collapses like the space behind it."""
    for each in root.iter(*(f"{{*}}{name}" for name in INSTANTS)):
        if each.text is not None and not len(each):
            each.text = each.text.strip(" \t\r\n")


def _has_fixed_values(root: Any) -> bool:
    """libxml2 overlooks that the schemas fix the value of an attribute which they refer to."""
    found = [(etree.QName(each).localname, each.get(TYPE)) for each in root.iter("{*}*")]
    return all(value is None or value.strip() == FIXED.get(name, value.strip()) for name, value in found)


def _narrow(tree: Any) -> None:
    for name, kept in NARROWED.items():
        kind = tree.find(f"{XS}complexType[@name='{name}']")
        for element in list(kind.iter(f"{XS}element")):
            own = (element.get("name") or element.get("ref")).rpartition(":")[2]
            if own not in kept:
                element.getparent().remove(element)
            elif own in ONCE:
                element.set("minOccurs", "1")
                element.set("maxOccurs", "1")
    for name in ("DEEnvelopeType", "ValueSchemeType"):
        kind = tree.find(f"{XS}complexType[@name='{name}']")
        for element in list(kind.iter(f"{XS}element")):
            if element.get("ref"):
                element.getparent().remove(element)
            else:
                element.set("maxOccurs", "1")


@cache
def official(*, narrowed: bool) -> Official:
    return Official(narrowed=narrowed)


def accepted(body: bytes) -> bool:
    """By the published schemas, narrowed."""
    return official(narrowed=True).accepts(body)


def accepted_whole(body: bytes) -> bool:
    """By the published schemas as they are."""
    return official(narrowed=False).accepts(body)


def ours(body: bytes) -> bool:
    return not xml.read(body).issues


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents())
def test_any_message_that_both_forms_can_say_is_valid_and_comes_back_the_same(document: dict[str, Any]) -> None:
    body = xml.write(document)
    assert accepted_whole(body)
    assert accepted(body)
    reading = xml.read(body)
    assert reading.issues == ()
    found, sent = _without_quotation(reading.document), _without_quotation(document)
    assert found == sent


def _without_quotation(document: dict[str, Any]) -> dict[str, Any]:
    """What a `sourceMessage` quotes is not typed: a list of one is an element, a number a text."""
    message = dict(document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"])
    if "error" in message:
        message["error"] = {name: value for name, value in message["error"].items() if name != "sourceMessage"}
    return {**document, "content": message}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=damaged())
def test_any_single_change_is_judged_as_the_published_schemas_judge_it(body: bytes) -> None:
    verdict = ours(body)
    assert verdict is accepted(body), body.decode()
    assert accepted_whole(body) or not verdict


@pytest.mark.parametrize("make", [appointment, reference, error])
def test_each_element_removed_doubled_or_moved_is_judged_alike(make: Any) -> None:
    whole = etree.fromstring(xml.write(make()))
    for at in range(1, len(list(whole.iter()))):
        for change in ("remove", "double", "first", "last", "empty", "text", "wrong namespace"):
            root = etree.fromstring(etree.tostring(whole))
            element = list(root.iter())[at]
            _change(element, change)
            body = etree.tostring(root)
            assert ours(body) is accepted(body), (change, element.tag)


@pytest.mark.parametrize("name", [*INSTANTS, "dateTimeSent"])
@pytest.mark.parametrize("space", [" ", "\n\t", "\u00a0"])
def test_space_around_an_instant_is_judged_alike(name: str, space: str) -> None:
    root = etree.fromstring(xml.write(appointment()))
    element = next(root.iter(f"{{*}}{name}"))
    element.text = f"{space}{element.text}{space}"
    body = etree.tostring(root)
    assert ours(body) is accepted(body) is (space != "\u00a0")


def _change(element: Any, change: str) -> None:
    parent = element.getparent()
    if change == "remove":
        parent.remove(element)
    elif change == "double":
        parent.append(etree.fromstring(etree.tostring(element)))
    elif change in ("first", "last"):
        parent.insert(0 if change == "first" else len(parent), element)
    elif change == "empty":
        element.clear()
    elif change == "text":
        element.text = "x"
    else:
        element.tag = "{urn:x}" + etree.QName(element).localname


@pytest.mark.parametrize("path", sorted((REFERENCE / "examples").glob("R*.xml")), ids=lambda path: path.stem)
def test_the_published_contents_are_valid_in_an_envelope(path: Path) -> None:
    root = etree.fromstring(xml.write(error() if path.stem == "RS-ERROR" else reference()))
    message = next(root.iter("{urn:emergency:eda:1.9}message"))
    message.remove(message[-1])
    message.append(etree.parse(path).getroot())
    body = etree.tostring(root)
    assert accepted_whole(body)
    assert ours(body)


def test_the_published_envelope_is_valid() -> None:
    body = (REFERENCE / "examples" / "EDXL-DE-EDXL-DE.xml").read_bytes()
    assert accepted_whole(body)
    reading = xml.read(body)
    assert reading.issues == ()
    assert [*reading.document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]] == ["technicalNoreq"]


@pytest.mark.parametrize(("name", "namespace"), sorted(xml.NAMESPACES.items()))
def test_each_known_content_is_in_the_namespace_that_the_schemas_give_it(name: str, namespace: str) -> None:
    body = xml.write(envelope({**HEADER, "reference": {"distributionID": "x"}}))
    start, end = body.index(b"<reference"), body.index(b"</reference>") + len(b"</reference>")
    body = body[:start] + f'<{name} xmlns="{namespace}"/>'.encode() + body[end:]
    root = etree.fromstring(body)
    schema = etree.XMLSchema(
        etree.parse(REFERENCE / "xsd" / FILES[name in ("error", "technicalNoreq", "customContent")])
    )
    schema.validate(root)
    assert not any(f"}}{name}': This element is not expected" in str(each) for each in schema.error_log)

"""Messages in XML by our own rules: what is read, what is refused and why, what is written, and what it costs."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from sandbox.edxl import xml
from sandbox.edxl.codes import JSON, XML, HubCode
from sandbox.edxl.message import Message, MessageError, check, converted, read, written
from sandbox.edxl.schemas import MOST_ITEMS, WITHOUT_HEADER
from sandbox.edxl.validation import MOST_ISSUES, cause
from sandbox.edxl.xml import tree
from tests.support.watchdog import untraced
from tests.support.xml_messages import documents
from tests.unit.edxl.corpus import APPOINTMENT, HEADER, appointment, envelope, error, reference

MESSAGE = "edxlDistribution.content.contentObject[0].contentXML.embeddedXMLContent.message"


def text(document: dict[str, Any]) -> str:
    return xml.write(document).decode()


def refused(body: str | bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read(body if isinstance(body, bytes) else body.encode(), XML)
    return caught.value


def issues(body: str) -> list[tuple[str, str]]:
    return [(issue.path, issue.text) for issue in xml.read(body.encode()).issues]


@pytest.mark.requirement("L02-14")
@pytest.mark.parametrize("make", [appointment, reference, error])
def test_a_message_says_the_same_in_both_forms(make: Any) -> None:
    document = make()
    if "Error" in document.values():
        document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]["sourceMessage"] = {"a": "b"}
    body = orjson.dumps(document)
    in_json = read(body)
    there = converted(in_json, body, XML)
    in_xml = read(there, XML)
    assert in_xml.form == XML
    assert in_xml.document == document
    assert orjson.loads(converted(in_xml, there, JSON)) == document
    assert converted(in_xml, there, XML) is there
    assert converted(in_json, body, JSON) is body


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents())
def test_any_message_comes_back_from_xml_as_it_was(document: dict[str, Any]) -> None:
    body = orjson.dumps(document)
    there = converted(read(body), body, XML)
    back = orjson.loads(converted(read(there, XML), there, JSON))
    for each in (document, back):  # what is quoted is not typed: a list of one is an element, a number a text
        of_message(each).get("error", {}).pop("sourceMessage", None)
    assert back == document


def test_what_is_written_looks_as_the_model_shows_it() -> None:
    body = text(reference())
    assert body.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<edxlDistribution xmlns="urn:oasis:names:tc:emergency:'
    )
    assert 'xmlns:xlink="http://www.w3.org/1999/xlink" xlink:type="extended">' in body
    assert (
        '<reference xmlns="urn:emergency:eda:1.9:reference"><distributionID>fr.health.test.ptfsas_1</distributionID>'
        "<refused>true</refused><errorDistributionID>fr.health.samu330_9</errorDistributionID><step>INTEGRE</step>"
    ) in body


def test_properties_in_any_order_become_elements_in_the_order_of_the_model() -> None:
    document = appointment()
    turned = dict(reversed(document.items()))
    assert text(turned) == text(document)


@pytest.mark.parametrize("value", ["<&>\"'é\u20ac\U0001f600", " two  spaces ", "line\nend\ttab\rreturn", "]]>", ""])
def test_any_text_comes_back_as_it_was(value: str) -> None:
    document = appointment()
    document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["appointment"]["appointmentId"] = value
    assert xml.read(xml.write(document)).document == document


@pytest.mark.parametrize(
    ("number", "there"),
    [(300, "300"), (1.5, "1.5"), (1e21, "1000000000000000000000"), (-2e-7, "-0.0000002"), (409.0, "409.0")],
)
def test_a_number_is_written_without_an_exponent(number: float, there: str) -> None:
    document = error()
    document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]["errorCode"]["statusCode"] = number
    assert f"<statusCode>{there}</statusCode>" in text(document)
    found = xml.read(xml.write(document)).document
    assert (
        found["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["error"]["errorCode"]["statusCode"]
        == number
    )


@pytest.mark.parametrize(
    ("sent", "there"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22t10:00:00.9z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00-03:00", "2026-11-22T10:00:00-03:00"),
    ],
)
def test_an_envelopes_instant_is_written_as_xml_has_it(sent: str, there: str) -> None:
    assert f"<dateTimeExpires>{there}</dateTimeExpires>" in text(appointment() | {"dateTimeExpires": sent})


# ---- what is refused


@pytest.mark.parametrize(
    "subset",
    [
        "",
        "[]",
        'SYSTEM "http://127.0.0.1:1/none.dtd"',
        '[<!ENTITY x SYSTEM "file:///etc/hostname">]',
        '[<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]',
        '[<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]',
    ],
)
def test_a_document_type_declaration_is_refused_at_once_and_no_entity_is_resolved(subset: str) -> None:
    body = (
        text(appointment()).replace("<edxlD", f"<!DOCTYPE edxlDistribution {subset}><edxlD").replace("Marchal", "&x;")
    )
    found = refused(body)
    assert found.code == HubCode.UNRECOGNIZED_MESSAGE_FORMAT
    assert "DOCTYPE" in found.cause
    assert found.distribution_id == "fr.health.test.ptfsas_1"


def test_a_billion_laughs_are_nobodys() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    with untraced():
        started = time.process_time()
        refused(f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a>&l9;</a>')
        assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no element found"),
        (b"{}", "not well-formed"),
        (b"<a><b></a>", "mismatched tag (line 1, column 9)"),
        (b"<a/><b/>", "junk after document element"),
        (b"<x:a/>", "unbound prefix"),
        (b"<a>&laugh;</a>", "undefined entity"),
        (b"<a>\xff</a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "unknown encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "multi-byte encodings are not supported"),
        (b'<a xmlns="u}v"/>', "syntax error"),
    ],
)
def test_102_what_is_no_xml(body: bytes, why: str) -> None:
    found = refused(body)
    assert found.code == HubCode.UNRECOGNIZED_MESSAGE_FORMAT
    assert found.cause.startswith("The message is not XML: ")
    assert why in found.cause


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<a>" * 65 + b"</a>" * 65, "over 64 elements in each other"),
        (b"<a>" + b"<b/>" * 10_000 + b"</a>", "over 10000 tags"),
        (b"<a " + b'b="" ' * 10_001 + b"/>", "over 10000 signs of equality"),
        (b"<a>" + b"\n" * 200_001 + b"</a>", "over 200000 line ends"),
        (b"<a>" + b"&#65;" * 200_001 + b"</a>", "over 200000 line ends and references"),
        (b"<a>" + b"x" * tree.LARGEST + b"</a>", f"{tree.LARGEST} at most are read"),
    ],
)
def test_300_too_much_of_anything(body: bytes, why: str) -> None:
    found = refused(body)
    assert found.code == HubCode.INVALID_MESSAGE
    assert why in found.cause


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-15", "windows-1252"])
def test_any_encoding_that_the_document_declares_is_read(encoding: str) -> None:
    body = text(appointment()).replace("UTF-8", encoding.upper()).encode(encoding)
    assert read(body, XML).document == appointment()


@pytest.mark.parametrize("name", ["dateTimeSent", "sentAt", "created", "start", "end"])
def test_space_around_an_instant_says_nothing(name: str) -> None:
    body = xml.write(appointment())
    start, end = f"<{name}>".encode(), f"</{name}>".encode()
    spaced = body.replace(start, start + b"\n\t ", 1).replace(end, b" \r\n" + end, 1)
    assert spaced != body
    assert xml.read(spaced) == xml.read(body)


def test_comments_instructions_white_space_and_prefixes_say_nothing() -> None:
    body = text(appointment()).replace("><", ">\n  <!-- c --><?p i?> <")
    body = body.replace("<message xmlns=", "<e:message xmlns:e=").replace("</message>", "</e:message>")
    for name in ("messageId", "sender", "sentAt", "kind", "recipient", "name", "URI"):
        body = body.replace(f"<{name}>", f"<e:{name}>").replace(f"</{name}>", f"</e:{name}>")
    head, start, tail = body.partition("<appointment")
    body = head.replace("<status>", "<e:status>").replace("</status>", "</e:status>") + start + tail
    outside = tail.partition("</appointment>")[2]
    assert "e:" in outside
    body = body.replace("<e:name>CPTS des Rives</e:name>", "<name>CPTS des Rives</name>")
    assert read(body.encode(), XML).document == appointment()


def test_hints_where_a_schema_is_are_passed_over_and_nothing_is_fetched() -> None:
    hint = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="u http://127.0.0.1:1/x" '
    body = text(appointment()).replace("xlink:type=", f"{hint}xlink:type=", 1)
    assert issues(body) == []
    assert issues(body.replace("schemaLocation", "type")) != []


@pytest.mark.parametrize(
    ("old", "new", "path", "why"),
    [
        (' xlink:type="extended"', "", "@type", "is missing but it is required (xlink:type='extended')"),
        ('"extended"', '"simple"', "@type", "does not have an admitted value ('extended' for type)"),
        ("<senderID>", '<senderID id="1">', "senderID.@id", "is not defined in the schema and the schema does not"),
        ("<senderID>fr.health.test.ptfsas</senderID>", "", "senderID", "is missing but it is required"),
        ("<senderID>fr.health.test.ptfsas<", "<senderID> <", "senderID", "must have 1 to 1023 characters"),
        (">Actual<", ">Actuel<", "distributionStatus", "does not have a value in the enumeration [Actual, Exercise"),
        ("+01:00</dateTimeSent>", "Z</dateTimeSent>", "dateTimeSent", "is not a date and time with its offset"),
        ("2026-11-23T10", "2026-11-31T10", "dateTimeExpires", "is not a date and time (YYYY-MM-DDThh:mm:ss+hh:mm)"),
        ("2026-11-23T10:00:00", "2026-11-23T24:00:00", "dateTimeExpires", "is not a date and time (hour must be"),
        ("fr-FR", "français de France", "descriptor.language", "is no language tag"),
        ("hubex<", "hubex</explicitAddressScheme>x<explicitAddressScheme>y<", "descriptor.explicitAddress", "has text"),
        ("</descriptor>", "<senderRole/></descriptor>", "descriptor.senderRole", "is not defined in the schema"),
    ],
)
def test_a_fault_of_the_envelope_is_told_with_its_path(old: str, new: str, path: str, why: str) -> None:
    body = text(appointment())
    assert old in body
    found = xml.read(body.replace(old, new, 1).encode()).issues
    assert {(issue.root, issue.part) for issue in found} == {("edxlDistribution", "content")}
    assert found[0].path == path
    assert found[0].text.startswith(why)


@pytest.mark.parametrize(
    ("old", "new", "path", "why", "part"),
    [
        ("<messageId>fr.health.test.ptfsas_1</messageId>", "", "messageId", "is missing", "header"),
        ("<sentAt>2026", "<sentAt>26", "sentAt", "is not a date and time", "header"),
        ("<kind>Report", "<kind>Dispatch", "kind", "does not have a value in the enumeration", "header"),
        ("<name>fr.health.samu330</name>", "", "recipient[0].name", "is missing", "header"),
        ("<status>Actual</status>", "", "status", "is missing", "header"),
        ("<message ", '<message id="x" ', "@id", "is not defined in the schema", "content"),
        ("<status>booked", "<status>gone", "appointment.status", "does not have a value", "content"),
        ("<rppsId>8", "<rppsId>1", "appointment.practitioner.rppsId", "does not match the regex pattern", "content"),
        ("<method>", "<x/><method>", "appointment.x", "is not defined in the schema", "content"),
        (
            "<start>",
            "<start>2026-11-22T14:00:00+01:00</start><start>",
            "appointment.start",
            "occurs 2 times",
            "content",
        ),
        ("<start>2026-11-22T14:00:00+01:00", "<start><x/>", "appointment.start", "has elements in it", "content"),
        ("eda:1.9:appointment", "eda:1.9", "appointment", "is of namespace 'urn:emergency:eda:1.9', '", "content"),
    ],
)
def test_a_fault_of_the_message_is_told_under_header_or_content(
    old: str, new: str, path: str, why: str, part: str
) -> None:
    body = text(appointment())
    assert old in body
    found = xml.read(body.replace(old, new, 1).encode()).issues
    assert (found[0].root, found[0].part, found[0].path) == (MESSAGE, part, path)
    assert found[0].text.startswith(why)


def test_elements_in_another_order_are_a_fault_in_xml() -> None:
    body = text(appointment())
    start = "<start>2026-11-22T14:00:00+01:00</start>"
    body = body.replace(start, "").replace("</appointment>", f"{start}</appointment>")
    ((path, why),) = issues(body)
    assert path == "appointment"
    assert why.startswith("has its elements in another order than appointmentId, method, created, start")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("1e3", "is not a decimal number"),
        ("", "is not a decimal number"),
        ("9" * 400, "is beyond the numbers that JSON has"),
    ],
)
def test_a_status_code_is_a_decimal_number_that_json_has(number: str, why: str) -> None:
    body = text(error()).replace("<statusCode>300", f"<statusCode>{number}")
    assert issues(body) == [("error.errorCode.statusCode", why)]


OPTIONAL = {
    *("end", "orientationCategory", "practitioner", "organization", "regulatorId", "refused", "errorDistributionID"),
    *("step", "sourceMessage", "specialityCode", "specialityUrl", "professionCode", "professionUrl", "language"),
}
QUOTED = {"any"}  # within a sourceMessage anything is admitted
REPEATED = {"recipient", "contentObject"}


@pytest.mark.parametrize("make", [appointment, reference, error])
def test_each_element_removed_doubled_or_moved_is_a_fault_where_the_model_says_so(make: Any) -> None:
    whole = tree.parse(xml.write(make()))
    for at, (_, child) in enumerate(_inside(whole)):
        for change in ("remove", "double", "last"):
            root = tree.parse(xml.write(make()))
            parent, element = _inside(root)[at]
            last = parent.children[-1] is element
            if change != "double":
                parent.children.remove(element)
            if change != "remove":
                parent.children.append(element)
            found = xml.read(tree.write(root)).issues
            good = {
                "remove": child.name in OPTIONAL,
                "double": last and child.name in REPEATED,
                "last": last,
            }[change]
            assert (not found) is (good or child.name in QUOTED), (change, child.name)


def _inside(element: tree.Element) -> list[tuple[tree.Element, tree.Element]]:
    """Every element with the one around it."""
    return [pair for child in element.children for pair in ((element, child), *_inside(child))]


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        *((name, f"urn:emergency:eda:1.9:{name}") for name in ("createCase", "createCaseHealth", "technical")),
        *((name, f"urn:emergency:eda:1.9:{name}") for name in ("createCaseHealthUpdate", "technicalNoreq", "emsi")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("resourcesInfo", "resourcesInfoCisu", "rpis")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("resourcesEngagement", "resourcesStatus")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("resourcesRequest", "resourcesResponse")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("interventionReport", "documentLink")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("geoPositionsUpdate", "geoResourcesRequest")),
        *((name, f"urn:emergency:eda:1.9:{name.lower()}") for name in ("geoResourcesDetails",)),
        ("customContent", "urn:emergency:eda:1.9"),
    ],
)
def test_each_known_content_is_in_its_namespace_and_those_of_other_use_cases_are_not_looked_into(
    name: str, namespace: str
) -> None:
    header = {} if name in WITHOUT_HEADER else HEADER
    sent = text(envelope({**HEADER, "reference": {"distributionID": "x"}}))
    start, end = sent.index("<reference"), sent.index("</reference>") + len("</reference>")
    head = sent[:start] if header else sent[: sent.index("<messageId>")]
    body = f'{head}<{name} xmlns="{namespace}"><a b="c">d<e/></a></{name}>{sent[end:]}'
    assert issues(body) == []
    assert check(body.encode(), XML).unread == name
    assert [path for path, _ in issues(body.replace(f'"{namespace}"><a', '"urn:x"><a'))] == [name]


def test_another_root_is_refused() -> None:
    found = refused("<edxlDistribution/>")
    assert "is <edxlDistribution> of namespace '', not <edxlDistribution> of 'urn:oasis" in found.cause


@pytest.mark.parametrize(
    ("content", "header_faults"),
    [("", 1), ("<unheardOf/>", 1), ("<reference/><appointment/>", 1), ("<error/><error/>", 0)],
)
def test_a_content_that_is_missing_unknown_or_not_one_does_not_hide_the_header(
    content: str, header_faults: int
) -> None:
    body = text(envelope({**HEADER, "reference": {"distributionID": "x"}}))
    start, end = body.index("<reference"), body.index("</reference>") + len("</reference>")
    body = (body[:start] + content + body[end:]).replace("<kind>Report</kind>", "")
    found = xml.read(body.encode()).issues
    assert [(issue.path, issue.part) for issue in found if issue.part == "header"] == [
        ("kind", "header")
    ] * header_faults
    assert "known content" in found[-1].text
    assert found[-1].part == "content"


def test_a_header_beside_an_error_is_a_fault_in_xml_and_left_out_when_json_has_one() -> None:
    document = error()
    message = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    message["error"].pop("sourceMessage")
    with_header = envelope({**HEADER, **message}, "Error")
    assert xml.read(xml.write(with_header)).document == document
    body = text(document).replace("<error ", "<messageId>x</messageId><error ")
    assert issues(body) == [
        ("messageId", "is not defined in the schema and the schema does not allow additional properties")
    ]


def test_each_content_object_is_judged_under_its_own_path() -> None:
    document = appointment()
    document["content"] += reference()["content"]
    assert xml.read(xml.write(document)).document == document
    body = text(document).replace("<step>INTEGRE", "<step>LU")
    (issue,) = xml.read(body.encode()).issues
    assert issue.root == MESSAGE.replace("[0]", "[1]")
    assert len(list(read(xml.write(document), XML).each())) == 2


def test_nothing_is_told_beyond_the_fiftieth_issue() -> None:
    body = text(appointment()).replace("<end>", "".join(f"<x{n}/>" for n in range(80)) + "<end>")
    assert len(issues(body)) == MOST_ISSUES
    many = text(appointment()).replace(
        "<recipient>", "<recipient><name>a</name><URI>b</URI></recipient>" * 200 + "<recipient>"
    )
    assert issues(many) == [("recipient", f"occurs 201 times, {MOST_ITEMS} at most")]


def test_an_envelope_that_ends_early_is_judged_as_far_as_it_goes() -> None:
    body = text(appointment())
    for name in ("content", "contentObject", "contentXML", "embeddedXMLContent", "message"):
        start = body.index(f"<{name}")
        end = body.index(f"</{name}>")
        inner = body.index(">", start) + 1
        assert issues(body[:inner] + body[end:]), name
        assert issues(body[:inner] + "text" + body[end:]), name


# ---- what a refused message is quoted as


def test_what_was_read_of_a_refused_message_can_be_quoted() -> None:
    body = text(appointment()).replace("<end>", '<more at="1">a<b>1</b><b>2</b></more><end>')
    document: Any = xml.read(body.encode()).document
    content = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]["appointment"]
    assert content["more"] == {"@at": "1", "#text": "a", "b": ["1", "2"]}
    assert content["start"] == APPOINTMENT["start"]


# ---- what cannot be said in the other form


def unconvertible(document: dict[str, Any]) -> str:
    body = orjson.dumps(document)
    with pytest.raises(MessageError) as caught:
        converted(read(body), body, XML)
    assert caught.value.code == HubCode.MESSAGE_CONVERSION_ERROR
    assert caught.value.distribution_id == document["distributionID"]
    return caught.value.cause


def of_message(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    return found


def test_600_what_json_says_and_xml_cannot() -> None:
    assert "xyz: this property has no counterpart" in unconvertible(envelope({**of_message(appointment()), "xyz": 1}))
    control = appointment()
    of_message(control)["appointment"]["appointmentId"] = "a\x01b"
    assert "U+0001" in unconvertible(control)
    assert "must have 1 to 1023 characters" in unconvertible(appointment() | {"distributionID": "x" * 1024})
    assert "createCase: a content that is not read here" in unconvertible(envelope({**HEADER, "createCase": {}}))
    large = appointment()
    of_message(large)["appointment"]["appointmentId"] = "<" * (tree.LARGEST // 4)
    assert f"over {tree.LARGEST} octets in XML" in unconvertible(large)
    of_message(large)["appointment"]["appointmentId"] = "<" * (tree.LARGEST + 1)
    assert f"over {tree.LARGEST} octets in XML" in unconvertible(large)
    far = appointment() | {"dateTimeExpires": "2026-11-23T10:00:00+20:00"}
    assert "dateTimeExpires: is not a date and time" in unconvertible(far)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"a b": 1}, "the name 'a b' cannot be that of an XML element"),
        ({"a": [[1]]}, "a list within a list has no counterpart in XML"),
        ({"a": [1] * 5_001}, "over 5000 elements"),
        (orjson.loads('{"a":' * 55 + "1" + "}" * 55), "values nested deeper than 54 levels"),
    ],
)
def test_600_a_quotation_that_xml_cannot_say(source: Any, why: str) -> None:
    document = error()
    of_message(document)["error"]["sourceMessage"] = source
    assert why in unconvertible(document)


def test_a_quotation_of_any_shape_becomes_elements() -> None:
    document = error()
    of_message(document)["error"]["sourceMessage"] = {"a": [1, True, None, {"b": "x"}], "c": 1.5}
    assert "<sourceMessage><a>1</a><a>true</a><a></a><a><b>x</b></a><c>1.5</c></sourceMessage>" in text(document)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (">Actual</distributionStatus>", ">Test</distributionStatus>", "distributionStatus: does not have a value"),
        ("<language>fr-FR</language>", "", "descriptor.language: is missing"),
        ("<created>2026-11-22T10:00:00+01:00", "<created>2026-11-22T10:00:00Z", "appointment.created: does not match"),
        ("<created>2026-11-22T10:00:00+01:00", "<created>12026-11-22T10:00:00+01:00", "appointment.created: does not"),
    ],
)
def test_600_what_xml_says_and_json_cannot(old: str, new: str, why: str) -> None:
    body = text(appointment()).replace(old, new, 1).encode()
    message: Message = check(body, XML)
    with pytest.raises(MessageError) as caught:
        converted(message, body, JSON)
    assert caught.value.code == HubCode.MESSAGE_CONVERSION_ERROR
    assert why in caught.value.cause
    assert refused(body).code == HubCode.INVALID_MESSAGE  # for the person who has to understand it


def test_600_the_content_of_another_use_case_is_not_converted_from_xml_either() -> None:
    body = text(reference())
    start, end = body.index("<reference"), body.index("</reference>") + len("</reference>")
    body = body[:start] + '<createCase xmlns="urn:emergency:eda:1.9:createCase"><a/></createCase>' + body[end:]
    message = check(body.encode(), XML)
    assert message.unread == "createCase"
    assert converted(message, body.encode(), XML) == body.encode()
    with pytest.raises(MessageError, match="createCase: a content that is not read here"):
        converted(message, body.encode(), JSON)


# ---- what is written without being valid


def test_an_invalid_message_of_our_own_is_invalid_in_xml_too() -> None:
    document = reference()
    of_message(document)["reference"] = {"refused": False}
    body = written(orjson.dumps(document), XML)
    assert cause(xml.read(body).issues).endswith("reference.distributionID: is missing but it is required")
    del document["content"]
    assert xml.read(xml.write(document)).issues


@pytest.mark.parametrize(
    "change",
    [
        {"senderID": {"a": 1}},
        {"descriptor": "x"},
        {"content": [{}]},
        {"content": [3]},
    ],
)
def test_what_has_no_place_in_xml_at_all_is_told(change: dict[str, Any]) -> None:
    with pytest.raises(xml.Inexpressible):
        xml.write(appointment() | change)


@pytest.mark.parametrize("contents", [[], ["reference", "error"]])
def test_a_message_of_no_or_several_contents_is_not_written(contents: list[str]) -> None:
    with pytest.raises(xml.Inexpressible, match=f"a message with {len(contents)} known contents"):
        xml.write(envelope({**HEADER, **{name: {} for name in contents}}))


def test_wrong_values_are_written_as_they_are() -> None:
    document = reference()
    of_message(document)["reference"]["refused"] = "no"
    document["dateTimeSent"] = "yesterday"
    assert "<refused>no</refused>" in text(document)
    assert "<dateTimeSent>yesterday</dateTimeSent>" in text(document)

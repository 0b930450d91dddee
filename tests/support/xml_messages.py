"""Messages of the hub in XML to test with: any valid one, and any with a single fault."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from sandbox.edxl import xml
from sandbox.edxl.schemas import CATEGORIES, METHODS, STATUSES, STEPS
from sandbox.kernel.clock import l02_datetime
from tests.unit.edxl.corpus import APPOINTMENT, HEADER, envelope

if TYPE_CHECKING:
    from lxml import etree
else:
    try:  # only what is damaged needs it
        from lxml import etree
    except ImportError:
        etree = None

XLINK = "http://www.w3.org/1999/xlink"
_SCHEMA_HINT = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")) | st.sampled_from("\t\n\r<&>\"' "))
strings = texts.filter(lambda text: not set(text) & {"\ufffe", "\uffff"})
instants = st.integers(86_400, 4_000_000_000).map(lambda second: l02_datetime(datetime.fromtimestamp(second, UTC)))


def _object(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


_PARTY = _object({"name": strings, "URI": strings})
_PERSON = _object(
    {"rppsId": st.from_regex(r"81[0-9]{10}", fullmatch=True, alphabet="0123456789"), "lastName": strings}
    | {"firstName": strings},
    **dict.fromkeys(("specialityCode", "specialityUrl", "professionCode", "professionUrl"), strings),
)
appointments = _object(
    {
        "appointmentId": strings,
        "method": st.sampled_from(METHODS),
        "created": instants,
        "start": instants,
        "status": st.sampled_from(STATUSES),
        "regulator": _object(
            dict.fromkeys(("regulatorName", "regulatorFirstname", "regulatorEmail"), strings), regulatorId=strings
        ),
    },
    end=instants,
    orientationCategory=st.sampled_from(CATEGORIES),
    practitioner=_PERSON,
    organization=_object({"organizationId": strings, "name": strings}),
)
references = _object(
    {"distributionID": strings}, refused=st.booleans(), errorDistributionID=strings, step=st.sampled_from(STEPS)
)
_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,8}", fullmatch=True)
_quoted = st.recursive(
    strings, lambda inner: st.dictionaries(_names, inner | st.lists(inner, min_size=2, max_size=3), max_size=3)
)
_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15)
errors = _object(
    {
        "errorCode": _object({"statusCode": _numbers, "statusString": strings}),
        "errorCause": strings,
        "referencedDistributionID": strings,
    },
    sourceMessage=st.dictionaries(_names, _quoted, max_size=3),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid message that both forms can say."""
    header = HEADER | draw(_object({"messageId": strings, "recipient": st.lists(_PARTY, min_size=1, max_size=3)}))
    messages = st.one_of(
        appointments.map(lambda content: {**header, "appointment": content}),
        references.map(lambda content: {**header, "reference": content}),
        errors.map(lambda content: {"error": content}),
    )
    document = envelope(draw(messages), draw(st.sampled_from(["Report", "Update", "Cancel", "Ack", "Error"])))
    return document | {"distributionStatus": draw(st.sampled_from(["Actual", "Exercise"]))}


_NAMES = (
    "status",
    "statut",
    "distributionID",
    "URI",
    "reference",
    "error",
    "appointment",
    "end",
    "senderRole",
    "other",
)
_NAMESPACES = ("", "urn:emergency:eda:1.9", "urn:emergency:eda:1.9:appointment", "urn:x")
_TEXTS = (
    *(
        "",
        " ",
        "x",
        "\n x ",
        "true",
        "1",
        " false ",
        "yes",
        "Actual",
        " Actual",
        "Test",
        "Error",
        "booked",
        "SOS",
        "RECU",
    ),
    *("2026-11-22T10:00:00+01:00", " 2026-11-22T10:00:00+01:00\n", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00"),
    *("2026-11-22T10:00:00.5-02:30", "2026-02-30T10:00:00+01:00", "2024-02-29T10:00:00+01:00", "2026-11-22"),
    *("2026-11-22T25:00:00+01:00", "2026-11-22T10:00:00+14:30", "12026-11-22T10:00:00+01:00", "2026-11-22T10:00:60Z"),
    *("810000000001", "81000000000", " 810000000001", "300", "+3.50", ".5", "1e3", "0x1", "fr", "fr-FR-x", "français"),
    *("9" * 1023, "9" * 1024, "a  b"),
)
_ATTRIBUTES = (
    *("id", f"{{{XLINK}}}type", f"{{{XLINK}}}title", f"{{{XLINK}}}role", f"{{{XLINK}}}label", f"{{{XLINK}}}href"),
    *(_SCHEMA_HINT, "{http://www.w3.org/XML/1998/namespace}lang"),
)
_VALUES = ("extended", "resource", " resource ", "simple", "", "x", "1x", "a b")


def _spoil(draw: st.DrawFn, element: Any) -> None:
    """One change, which may be a fault."""
    parent, action = (
        element.getparent(),
        draw(st.sampled_from(("name", "namespace", "text", "tail", "attribute", "into"))),
    )
    name = etree.QName(element)
    if action == "name":
        element.tag = etree.QName(name.namespace, draw(st.sampled_from(_NAMES)))
    elif action == "namespace":
        element.tag = etree.QName(draw(st.sampled_from(_NAMESPACES)) or None, name.localname)
    elif action == "text":
        element.text = draw(st.sampled_from(_TEXTS))
    elif action == "tail" and parent is not None:
        element.tail = draw(st.sampled_from(("x", "\n ")))
    elif action == "attribute":
        key = draw(st.sampled_from((*element.attrib, *_ATTRIBUTES)))
        if draw(st.booleans()):
            element.attrib.pop(key, None)
        else:
            element.set(key, draw(st.sampled_from(_VALUES)))
    elif action == "into":
        element.append(
            draw(st.sampled_from((etree.Comment("c"), etree.ProcessingInstruction("p"), etree.Element("x"))))
        )


def _rearrange(draw: st.DrawFn, element: Any) -> None:
    parent, action = element.getparent(), draw(st.sampled_from(("remove", "double", "move")))
    if action == "remove":
        parent.remove(element)
    elif action == "double":
        parent.append(etree.fromstring(etree.tostring(element)))
    else:
        parent.insert(draw(st.integers(0, 5)), element)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message in which one thing was changed."""
    content = draw(st.sampled_from(("appointment", "reference", "error")))
    message: dict[str, Any] = {
        "appointment": {**HEADER, "appointment": APPOINTMENT},
        "reference": {**HEADER, "reference": {"distributionID": "x_1", "refused": False, "step": "RECU"}},
        "error": {"error": draw(errors)},
    }[content]
    root = etree.fromstring(xml.write(envelope(message)))
    elements = [each for each in root.iter() if isinstance(each.tag, str)]
    element = draw(st.sampled_from(elements))
    if element is root or draw(st.booleans()):
        _spoil(draw, element)
    else:
        _rearrange(draw, element)
    return etree.tostring(root)

"""The message model in XML, in our own statement: which elements, in which order, of which type and namespace.

Envelope: EDXL-DE 2.0 as far as its JSON form goes (its other optional elements have no counterpart there and are
refused). Message: RC-DE and one content, or a content that stands alone. Contents of other use cases are known by name
and namespace only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sandbox.edxl import schemas
from sandbox.edxl.xml.types import (
    BOOLEAN,
    DATE_TIME,
    DECIMAL,
    EDXL_DATE_TIME,
    EDXL_STRING,
    LANGUAGE,
    STRING,
    Simple,
    matching,
    one_of,
)

EDXL = "urn:oasis:names:tc:emergency:EDXL:DE:2.0"
EDA = "urn:emergency:eda:1.9"
_OWN = {
    name: f"{EDA}:{name if name.startswith(('createCase', 'technical')) else name.lower()}" for name in schemas.UNREAD
}
NAMESPACES: Mapping[str, str] = {
    **_OWN,
    "customContent": EDA,
    **{name: f"{EDA}:{name}" for name in schemas.CONTENTS},
}
"""The namespace of each content, by its name."""


@dataclass(frozen=True, slots=True)
class Anything:
    """An element that is not judged. `only_elements`: it has no text of its own (what is in it may have)."""

    only_elements: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A `message`: what it must be follows from the content that it holds."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Elements in an order. `link`: the value of its `xlink:type`, empty when it has no attributes of XLink;
    `linked`: that attribute must be there."""

    fields: tuple[Field, ...]
    link: str = ""
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """An element of a sequence: its namespace, its type, how often it occurs."""

    name: str
    namespace: str
    kind: Kind
    least: int = 1
    most: int = 1


Kind = Simple | Anything | Whole | Sequence


def _sequence(namespace: str, required_first: Mapping[str, Kind], *, link: str = "", linked: bool = False) -> Sequence:
    """A sequence. A name that ends in `?` is optional; one that ends in `+` occurs once or more often."""
    fields = tuple(
        Field(
            name.rstrip("?+"),
            namespace,
            kind,
            least=0 if name.endswith("?") else 1,
            most=schemas.MOST_ITEMS if name.endswith("+") else 1,
        )
        for name, kind in required_first.items()
    )
    return Sequence(fields, link, linked)


_PARTY = _sequence(EDA, {"name": STRING, "URI": STRING})
_HEADER = _sequence(
    EDA,
    {
        "messageId": STRING,
        "sender": _PARTY,
        "sentAt": DATE_TIME,
        "kind": one_of(*schemas.KINDS),
        "status": one_of("Actual", "Exercise", "System"),
        "recipient+": _PARTY,
    },
)
HEADER_NAMES = tuple(field.name for field in _HEADER.fields)


def _content(name: str, elements: Mapping[str, Kind]) -> Sequence:
    return _sequence(NAMESPACES[name], elements)


_CONTENTS: Mapping[str, Kind] = {
    "appointment": _content(
        "appointment",
        {
            "appointmentId": STRING,
            "method": one_of(*schemas.METHODS),
            "created": DATE_TIME,
            "start": DATE_TIME,
            "end?": DATE_TIME,
            "status": one_of(*schemas.STATUSES),
            "orientationCategory?": one_of(*schemas.CATEGORIES),
            "practitioner?": _content(
                "appointment",
                {
                    "rppsId": matching("81[0-9]{10}"),
                    "lastName": STRING,
                    "firstName": STRING,
                    "specialityCode?": STRING,
                    "specialityUrl?": STRING,
                    "professionCode?": STRING,
                    "professionUrl?": STRING,
                },
            ),
            "organization?": _content("appointment", {"organizationId": STRING, "name": STRING}),
            "regulator": _content(
                "appointment",
                {
                    "regulatorId?": STRING,
                    "regulatorName": STRING,
                    "regulatorFirstname": STRING,
                    "regulatorEmail": STRING,
                },
            ),
        },
    ),
    "reference": _content(
        "reference",
        {
            "distributionID": STRING,
            "refused?": BOOLEAN,
            "errorDistributionID?": STRING,
            "step?": one_of(*schemas.STEPS),
        },
    ),
    "error": _content(
        "error",
        {
            "errorCode": _content("error", {"statusCode": DECIMAL, "statusString": STRING}),
            "errorCause": STRING,
            "sourceMessage?": Anything(only_elements=True),
            "referencedDistributionID": STRING,
        },
    ),
}


@cache
def message(content: str) -> Sequence:
    """The rules for a message with that content; with "", the rules for its header."""
    own = () if not content else (Field(content, NAMESPACES[content], _CONTENTS.get(content, Anything())),)
    return Sequence(own if content in schemas.WITHOUT_HEADER else (*_HEADER.fields, *own))


# Values that EDXL-DE defines and the JSON form does not have are admitted in elements that both forms have.
_STATUSES = ("Actual", "Exercise", "System", "Test", "Unknown", "NoAppropriateDefault")
_KINDS = (
    *("Report", "Update", "Cancel", "Request", "Response", "Dispatch", "Ack", "Error", "SensorConfiguration"),
    *("SensorControl", "SensorStatus", "SensorDetection", "Unknown", "NoAppropriateDefault"),
)
_ADDRESS = _sequence(EDXL, {"explicitAddressScheme": EDXL_STRING, "explicitAddressValue": EDXL_STRING})
_DESCRIPTOR = _sequence(EDXL, {"language?": LANGUAGE, "explicitAddress": _ADDRESS}, link="resource")
_CONTENT_XML = _sequence(EDXL, {"embeddedXMLContent": Sequence((Field("message", EDA, Whole()),))})
_OBJECT = _sequence(EDXL, {"contentXML": _CONTENT_XML}, link="resource")
ENVELOPE = _sequence(
    EDXL,
    {
        "distributionID": EDXL_STRING,
        "senderID": EDXL_STRING,
        "dateTimeSent": EDXL_DATE_TIME,
        "dateTimeExpires": EDXL_DATE_TIME,
        "distributionStatus": one_of(*_STATUSES, collapse=True),
        "distributionKind": one_of(*_KINDS, collapse=True),
        "descriptor": _DESCRIPTOR,
        "content": _sequence(EDXL, {"contentObject+": _OBJECT}, link="resource"),
    },
    link="extended",
    linked=True,
)

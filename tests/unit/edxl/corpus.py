"""Messages to test with: valid ones of each content, and mutations of them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

HEADER: dict[str, Any] = {
    "messageId": "fr.health.test.ptfsas_1",
    "sender": {"name": "fr.health.test.ptfsas", "URI": "hubex:fr.health.test.ptfsas"},
    "sentAt": "2026-11-22T10:00:00+01:00",
    "kind": "Report",
    "status": "Actual",
    "recipient": [{"name": "fr.health.samu330", "URI": "hubex:fr.health.samu330"}],
}
APPOINTMENT: dict[str, Any] = {
    "appointmentId": "3f0c6a52-0a61-4e6e-a62c-4a1f6f3f3f01",
    "method": "CreateAppointment",
    "created": "2026-11-22T10:00:00+01:00",
    "start": "2026-11-22T14:00:00+01:00",
    "end": "2026-11-22T14:15:00+01:00",
    "status": "booked",
    "orientationCategory": "CPTS",
    "practitioner": {
        "rppsId": "810000000001",
        "lastName": "Marchal",
        "firstName": "Inès",
        "specialityCode": "SM54",
        "specialityUrl": "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
        "professionCode": "10",
        "professionUrl": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
    },
    "organization": {"organizationId": "1330000001", "name": "CPTS des Rives"},
    "regulator": {
        "regulatorId": "3330000001/42",
        "regulatorName": "Dorval",
        "regulatorFirstname": "Luc",
        "regulatorEmail": "luc.dorval@example.org",
    },
}
REFERENCE: dict[str, Any] = {
    "distributionID": "fr.health.test.ptfsas_1",
    "refused": True,
    "errorDistributionID": "fr.health.samu330_9",
    "step": "INTEGRE",
}
ERROR: dict[str, Any] = {
    "errorCode": {"statusCode": 300, "statusString": "INVALID_MESSAGE"},
    "errorCause": "something",
    "sourceMessage": {"any": ["thing"]},
    "referencedDistributionID": "fr.health.test.ptfsas_1",
}


def envelope(message: dict[str, Any], kind: str = "Report") -> dict[str, Any]:
    """A document around `message`."""
    return {
        "distributionID": "fr.health.test.ptfsas_1",
        "senderID": "fr.health.test.ptfsas",
        "dateTimeSent": "2026-11-22T10:00:00+01:00",
        "dateTimeExpires": "2026-11-23T10:00:00+01:00",
        "distributionStatus": "Actual",
        "distributionKind": kind,
        "descriptor": {
            "language": "fr-FR",
            "explicitAddress": {
                "explicitAddressScheme": "hubex",
                "explicitAddressValue": "fr.health.samu330",
            },
        },
        "content": [{"jsonContent": {"embeddedJsonContent": {"message": message}}}],
    }


def appointment() -> dict[str, Any]:
    """A fresh valid document with every property of RS-SAS-RDV."""
    return copy.deepcopy(envelope({**HEADER, "appointment": APPOINTMENT}))


def reference() -> dict[str, Any]:
    """A fresh valid acknowledgement."""
    return copy.deepcopy(envelope({**HEADER, "kind": "Ack", "reference": REFERENCE}, "Ack"))


def error() -> dict[str, Any]:
    """A fresh valid error report, without RC-DE header."""
    return copy.deepcopy(envelope({"error": ERROR}, "Error"))


def places(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of every value inside a document."""
    found: list[tuple[str | int, ...]] = [path] if path else []
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in pairs:
        found += places(value, (*path, key))
    return found


def parent(document: Any, path: tuple[str | int, ...]) -> Any:
    """The container of the value at `path`."""
    for step in path[:-1]:
        document = document[step]
    return document


VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            0,
            1.5,
            "",
            "x",
            [],
            {},
            ["x"],
            {"x": 1},
            "2026-11-22T10:00:00+01:00",
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00.123+01:00",
            "2026-11-22",
            "Exercise",
            "System",
            "Hubex",
            "UpdateAppointment",
            "createAppointment",
            "cancelled",
            "SOS",
            "010000000001",
            "RECU",
        ]
    ),
    st.text(max_size=5),
).map(copy.deepcopy)  # a list that one example changes must not reach the next


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document with up to three values removed, replaced, or added."""
    document = draw(st.sampled_from([appointment, reference, error]))()
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(document)))
        container, key = parent(document, path), path[-1]
        action = draw(st.sampled_from(["remove", "replace", "add"]))
        if action == "remove":
            del container[key]
        elif action == "replace":
            container[key] = draw(VALUES)
        elif isinstance(container, dict):
            container[draw(st.sampled_from(["extra", "step", "refused", "end", "name"]))] = draw(VALUES)
        else:
            container.append(draw(VALUES))
    return document

"""The message model as JSON Schemas (draft 7), in our own statement.

Envelope: EDXL-DE as Hub Santé takes it. Header: RC-DE, whose properties stand beside the content in `message` (other
properties are admitted there). Contents: RS-SAS-RDV (`appointment`), RC-REF (`reference`), RS-ERROR (`error`), which
admit no property that they do not name; contents of other use cases are known by name only. Values that JSON Schema
cannot say (the id prefix, the routing) are checked by `hub.checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
# RC-DE and RS-SAS-RDV: an offset, no decimals, never `Z`. The envelope's own dates are plain date-times.
L02_INSTANT: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[-+][0-9]{2}:[0-9]{2}$",
}

KINDS = ("Report", "Update", "Cancel", "Ack", "Error")
METHODS = ("CreateAppointment", "UpdateAppointment")
STATUSES = ("pending", "booked", "fulfilled", "noshow", "cancelled")
CATEGORIES = ("CPTS", "MSP", "CDS", "SOS", "PS", "PDM")
STEPS = ("RECU", "ERREUR", "INTEGRE", "CONSULTE", "SUPPRIME")
MOST_ITEMS = 100  # items of one array; the published model sets no maximum, but checking needs one


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def _closed(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has the required properties and no others than those named."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def _open(required: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "required": list(required), "properties": dict(required)}


ENVELOPE: Schema = _closed(
    {
        "distributionID": TEXT,
        "senderID": TEXT,
        "dateTimeSent": INSTANT,
        "dateTimeExpires": INSTANT,
        "distributionStatus": _one_of("Actual", "Exercise"),
        "distributionKind": _one_of(*KINDS),
        # The guide's table writes the scheme `Hubex`, its examples `hubex`: the model admits any text.
        "descriptor": _closed(
            {
                "language": TEXT,
                "explicitAddress": _closed({"explicitAddressScheme": TEXT, "explicitAddressValue": TEXT}),
            }
        ),
        "content": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ITEMS,
            "items": _closed({"jsonContent": _closed({"embeddedJsonContent": _open({"message": {"type": "object"}})})}),
        },
    }
)

_PARTY = _closed({"name": TEXT, "URI": TEXT})
HEADER: Mapping[str, Schema] = {
    "messageId": TEXT,
    "sender": _PARTY,
    "sentAt": L02_INSTANT,
    "kind": _one_of(*KINDS),
    "status": _one_of("Actual", "Exercise", "System"),
    "recipient": {"type": "array", "minItems": 1, "maxItems": MOST_ITEMS, "items": _PARTY},
}

APPOINTMENT: Schema = _closed(
    {
        "appointmentId": TEXT,
        "method": _one_of(*METHODS),
        "created": L02_INSTANT,
        "start": L02_INSTANT,
        "status": _one_of(*STATUSES),
        "regulator": _closed(
            {"regulatorName": TEXT, "regulatorFirstname": TEXT, "regulatorEmail": TEXT}, {"regulatorId": TEXT}
        ),
    },
    {
        "end": L02_INSTANT,
        "orientationCategory": _one_of(*CATEGORIES),
        "practitioner": _closed(
            {
                "rppsId": {"type": "string", "pattern": "^81[0-9]{10}$"},
                "lastName": TEXT,
                "firstName": TEXT,
            },
            {"specialityCode": TEXT, "specialityUrl": TEXT, "professionCode": TEXT, "professionUrl": TEXT},
        ),
        # FINESS or SIRET; unprefixed ones occur, so the form is not checked here.
        "organization": _closed({"organizationId": TEXT, "name": TEXT}),
    },
)

REFERENCE: Schema = _closed(
    {"distributionID": TEXT},
    {"refused": {"type": "boolean"}, "errorDistributionID": TEXT, "step": _one_of(*STEPS)},
)

ERROR: Schema = _closed(
    {
        "errorCode": _closed({"statusCode": {"type": "number"}, "statusString": TEXT}),
        "errorCause": TEXT,
        "referencedDistributionID": TEXT,
    },
    {"sourceMessage": {"type": "object"}},
)

CONTENTS: Mapping[str, Schema] = {"appointment": APPOINTMENT, "reference": REFERENCE, "error": ERROR}
"""The contents that are read, by their name in `message`."""

UNREAD = (
    *("createCase", "createCaseHealth", "createCaseHealthUpdate", "emsi", "resourcesInfo", "resourcesInfoCisu"),
    *("resourcesEngagement", "resourcesStatus", "resourcesRequest", "resourcesResponse", "rpis", "interventionReport"),
    *("documentLink", "geoPositionsUpdate", "geoResourcesRequest", "geoResourcesDetails"),
    *("technical", "technicalNoreq", "customContent"),
)
"""Contents of other use cases, an LRM's ordinary traffic: the model knows them, here they are not looked into."""

WITHOUT_HEADER = frozenset(("error", "technicalNoreq", "customContent"))
"""Contents beside which there is no RC-DE header."""

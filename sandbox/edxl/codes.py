"""Content types of messages, and error codes of Hub Santé: number and official name (message model, « RS-ERROR »;
guide, INT_L02)."""

from __future__ import annotations

from enum import IntEnum

JSON, XML = "application/json", "application/xml"
FORMS = {"json": JSON, "xml": XML}
"""The content type by the name that settings and commands have for it."""


class HubCode(IntEnum):
    """An error code; `name` is the official `statusString`.

    100 to 501 come from the hub's dispatcher, 409 and 600 to 704 from a client (an LRM, a converter). 409 is in the
    guide but not in the published model; the guide also writes `DEAD_LETTERED_QUEUE` where the hub sends
    `DEAD_LETTER_QUEUED`.
    """

    DELIVERY_MODE_INCONSISTENCY = 100
    NOT_ALLOWED_CONTENT_TYPE = 101
    UNRECOGNIZED_MESSAGE_FORMAT = 102
    SENDER_INCONSISTENCY = 200
    INVALID_MESSAGE = 300
    SCHEMA_NOT_FOUND = 301
    EXPIRED_MESSAGE_BEFORE_ROUTING = 400
    CONFLICT = 409
    DEAD_LETTER_QUEUED = 500
    UNROUTABLE_MESSAGE = 501
    MESSAGE_CONVERSION_ERROR = 600
    INTERNAL_CLIENT_ERROR = 700
    CASE_ALREADY_EXISTS = 701
    WRONG_MESSAGE_SEQUENCE = 702
    UNKNOWN_SENDER = 703
    INSUFFICIENT_DATA = 704


EXPIRIES = frozenset({HubCode.EXPIRED_MESSAGE_BEFORE_ROUTING, HubCode.DEAD_LETTER_QUEUED})
"""The codes of a message that expired, or was not read, on its way; its content was not judged."""

NO_DISTRIBUTION_ID = "distributionID_could_not_be_extracted"
"""`referencedDistributionID` of an error about a message whose own id cannot be read."""

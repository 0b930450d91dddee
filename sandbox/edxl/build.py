"""Builds messages of the hub, as octets. The results are valid according to `edxl.validation`.

Dates are written as the guide prescribes: local time with offset, no decimals, never `Z`. `distributionID` starts with
the sender's own id, also in acknowledgements and errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from sandbox.edxl.codes import NO_DISTRIBUTION_ID, HubCode
from sandbox.kernel.clock import l02_datetime

ERROR_LIFE = timedelta(days=1)
LARGEST_REPORT = 1024 * 1024  # octets: the largest error report that quotes its source
SCHEME = "hubex"  # the guide's table writes `Hubex`, every example and the hub `hubex`


@dataclass(frozen=True, slots=True)
class Address:
    """The envelope of one message: its id, the client ids of sender and recipient, and when it is valid (aware)."""

    distribution_id: str
    sender: str
    recipient: str
    sent: datetime
    expires: datetime
    status: str = "Actual"


def new_distribution_id(sender: str, unique: str) -> str:
    """`<senderID>_<unique>`: the form that the hub requires for every id."""
    return f"{sender}_{unique}"


def report(address: Address, appointment: Mapping[str, Any]) -> bytes:
    """A business message: an RS-SAS-RDV appointment."""
    return _with_header(address, "Report", {"appointment": appointment})


def ack(address: Address, acknowledged: str, *, step: str | None = None, refused_by: str | None = None) -> bytes:
    """A final acknowledgement (RC-REF) of the message `acknowledged`.

    `refused_by` is the distributionID of the error that refuses it; `step` one of `schemas.STEPS`.
    """
    reference: dict[str, Any] = {"distributionID": acknowledged}
    if refused_by is not None:
        reference |= {"refused": True, "errorDistributionID": refused_by}
    if step is not None:
        reference["step"] = step
    return _with_header(address, "Ack", {"reference": reference})


def error(address: Address, code: HubCode, cause: str, *, source: object, referenced: str) -> bytes:
    """An error report (RS-ERROR), without RC-DE header as the hub and the guide send it.

    `source` is the document that is reported; it is quoted when it is an object (it is left out when it is nested too
    deep to be written again, or so large that the report would become too large). `referenced` is its distributionID,
    empty when unknown.
    """
    content: dict[str, Any] = {
        "errorCode": {"statusCode": int(code), "statusString": code.name},
        "errorCause": cause,
        "referencedDistributionID": referenced or NO_DISTRIBUTION_ID,
    }
    if isinstance(source, dict):
        try:
            report = _envelope(address, "Error", {"error": {**content, "sourceMessage": source}})
        except TypeError:  # orjson.JSONEncodeError: nested deeper than 254 levels
            report = b""
        if 0 < len(report) <= LARGEST_REPORT:
            return report
    return _envelope(address, "Error", {"error": content})


def error_address(sender: str, unique: str, recipient: str, now: datetime) -> Address:
    """The envelope of an error report, which expires after one day."""
    return Address(new_distribution_id(sender, unique), sender, recipient, now, now + ERROR_LIFE)


def _with_header(address: Address, kind: str, content: Mapping[str, Any]) -> bytes:
    header = {
        "messageId": address.distribution_id,
        "sender": _party(address.sender),
        "sentAt": l02_datetime(address.sent),
        "kind": kind,
        "status": address.status,
        "recipient": [_party(address.recipient)],
    }
    return _envelope(address, kind, {**header, **content})


def _party(client_id: str) -> dict[str, str]:
    return {"name": client_id, "URI": f"{SCHEME}:{client_id}"}


def _envelope(address: Address, kind: str, message: Mapping[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "distributionID": address.distribution_id,
            "senderID": address.sender,
            "dateTimeSent": l02_datetime(address.sent),
            "dateTimeExpires": l02_datetime(address.expires),
            "distributionStatus": address.status,
            "distributionKind": kind,
            "descriptor": {
                "language": "fr-FR",
                "explicitAddress": {
                    "explicitAddressScheme": SCHEME,
                    "explicitAddressValue": address.recipient,
                },
            },
            "content": [{"jsonContent": {"embeddedJsonContent": {"message": message}}}],
        }
    )

"""The contextual call (INT_L01): the link by which a case file opens its search in the SAS platform. Pure.

It contains the place of the patient, the specialty that is wanted and the patient's doctor, but never the patient's
identity.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from sandbox.kernel.identifiers import SYSTEM_PERSON
from sandbox.lrm.ledger.records import Call

SPECIALTIES_OID = "urn:oid:1.2.250.1.71.4.2.5"
_NUMBERED = re.compile(r"(\d+)\s*(.*)")


def search_link(page: str, origin: str, call: Call) -> str:
    """The link. `page`: the SAS core's search page; `origin`: the LRM's assigning authority."""
    numbered = _NUMBERED.fullmatch(call.line)
    number, street = (numbered[1], numbered[2]) if numbered is not None else ("", call.line)
    values = {
        "origin": origin,
        "specialty": f"{SPECIALTIES_OID}|{call.specialty}" if call.specialty else "",
        "practitioner": _doctor(call.doctor),
        "streetnumber": number,
        "streetname": street,
        "inseecode": call.insee,
        "city": call.city,
    }
    return page + "?" + urlencode({name: value for name, value in values.items() if value})


def _doctor(doctor: str) -> str:
    """An RPPS with its prefix is sent with its system, any other text unchanged."""
    return f"{SYSTEM_PERSON}|{doctor}" if re.fullmatch(r"8\d{11}", doctor) else doctor

"""`GET openapi.json` of the SAS API: what the modules beside this one serve, as OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sandbox import __version__
from sandbox.config import SAS_UI
from sandbox.net.context import Context
from sandbox.net.http.problems import ApiProblem
from sandbox.sas.api.agenda import AgendaApi
from sandbox.sas.api.answers import SearchLine
from sandbox.sas.api.appointments import AppointmentApi
from sandbox.sas.api.login import LoginApi
from sandbox.sas.api.messages import MessageApi
from sandbox.sas.api.orientations import OrientationApi
from sandbox.sas.api.regulators import RegulatorApi
from sandbox.sas.api.search import SearchApi
from sandbox.sas.desk import Orientation
from sandbox.sas.regulators.accounts import SYSTEMS, Change, Draft, Right
from sandbox.sas.search.cards import Card, CardPlace, CardSlot
from sandbox.sas.search.events import STATES, Done, Found, SourceAnswer, SourceState
from sandbox.sas.search.reasons import REASONS
from sandbox.web.openapi import Description, Details, Endpoint, Failures

_MEANINGS = {
    400: "The request cannot be understood",
    401: "No token, or an unknown one",
    403: "The account lacks the right",
    404: "No such thing",
    409: "What is asked for contradicts what is there",
    413: "The body is too large",
    415: "The body is no application/json",
    422: "A rule refuses it",
    429: "Too many failed logins of that account; Retry-After says in how many seconds",
    503: "Too many searches run already",
}

_KILOMETRES = {"description": "kilometres"}
_CODE = {"enum": [*REASONS]}
_COUNTS = {name: {"minimum": 0} for name in ("slots", "findings", "ms")}
_EDITOR = {"description": "slug"}
_IN_FRENCH = {"description": "in French"}

# What the types of structures that do not know of the API leave open.
_DETAILS: dict[type, Details] = {
    Card: {
        "kind": {
            "enum": ["practitioner", "cpts", "sos"],
            "description": "cpts: the one card `through` which they are shown",
        },
        "editor": _EDITOR,
        "external": {"description": "the editor is the real server of a vendor"},
        "distance_km": _KILOMETRES,
        "member_of": {"description": "FINESS"},
        "extra": {"description": "would take a patient beside the agenda"},
    },
    CardPlace: {
        "id": {"description": "Schedule id at the editor"},
        "distance_km": _KILOMETRES,
        "group": {"enum": ["MSP", "CDS"]},
    },
    CardSlot: {
        "url": {
            "format": "uri-reference",
            "description": "The page where it is booked, without `origin`: the editor's, or one of this server",
        }
    },
    SourceAnswer: {"editor": _EDITOR, "state": {"enum": [*STATES]}, "reason": _IN_FRENCH, "code": _CODE, **_COUNTS},
    SourceState: {
        "slug": _EDITOR,
        "state": {"enum": ["answered", "partial", "failed"]},
        "reason": _IN_FRENCH,
        "code": _CODE,
        **_COUNTS,
    },
    Found: {
        "lot": {"minimum": 0},
        "radius_km": _KILOMETRES,
        "cards": {"description": "all of this lot so far: replaces what was sent of it before"},
    },
    Done: {"radius_km": _KILOMETRES},
    Draft: {
        "type": {"enum": [*SYSTEMS]},
        "value": {"description": "identifier; empty with INTRN: the SAS core gives one"},
        "email": {"format": "email"},
        "rights": {"items": {"enum": [*Right]}},
        "password": {"description": "of the demonstration account at Pro Santé Connect"},
    },
    Change: {
        "at": {"format": "date-time"},
        "by": {"description": "`system|value` of who made it"},
        "action": {"enum": ["create", "change", "withdraw", "restore", "delete"]},
        "fields": {"description": "by name: what it was, what it became"},
    },
}


class DescriptionApi:
    """The document itself."""

    def __init__(self, context: Context) -> None:
        self._document = description(context.settings.http(SAS_UI, "/api"))

    @Endpoint("GET", "/openapi.json", answer=dict[str, Any], meaning="OpenAPI 3.1")
    async def openapi(self, _: Request) -> dict[str, Any]:
        """This description."""
        return self._document


_DESCRIPTION = Description(
    info={
        "title": "SAS core sandbox API",
        "version": __version__,
        "description": "Search, orientations and L02 follow-up of the SAS core, for tests. Fictitious data only.",
    },
    apis=[LoginApi, SearchApi, AppointmentApi, OrientationApi, AgendaApi, RegulatorApi, MessageApi, DescriptionApi],
    failures=Failures(ApiProblem, _MEANINGS),
    named={"Event": SearchLine, "Orientation": Orientation},
    details=_DETAILS,
    security_schemes={"bearer": {"type": "http", "scheme": "bearer"}},
)


def description(server: str) -> dict[str, Any]:
    """The document; `server`: the URL under which the API is reached."""
    return _DESCRIPTION.document(server)

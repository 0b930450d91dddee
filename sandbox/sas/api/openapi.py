"""OpenAPI 3.1 description of the SAS API, written by hand: it is the contract, `api.py` follows it. Pure."""

from __future__ import annotations

from typing import Any

from sandbox import __version__
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.sas.api import openapi_admin
from sandbox.sas.search.events import STATES
from sandbox.sas.search.reasons import REASONS

L02_STATES = ("due", "published", "acknowledged", "refused", "expired")


def description(server: str) -> dict[str, Any]:
    """The document; `server` is the URL under which the API is reached."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SAS core sandbox API",
            "version": __version__,
            "description": "Search, orientations and L02 follow-up of the SAS core, for tests. Fictitious data only.",
        },
        "servers": [{"url": server}],
        "paths": {**_PATHS, **openapi_admin.PATHS},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**_SCHEMAS, **openapi_admin.SCHEMAS},
            "responses": _RESPONSES,
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _ok(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema or {"type": "string"},
    }


def _path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def _answers(ok: dict[str, Any], *failures: str) -> dict[str, Any]:
    return {"200": ok, **{status: {"$ref": f"#/components/responses/{status}"} for status in failures}}


_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
_ON_LOOPBACK: list[dict[str, list[str]]] = [{"bearer": []}, {}]
_INSTANT = _text(format="date-time")
_KM = {"type": "number", "description": "kilometres"}
_COUNT = {"type": "integer", "minimum": 0}

_PAGE = {
    "description": "The page; as NDJSON the events of the search, one a line, as editors answer",
    "content": {
        "application/json": {"schema": _ref("Page")},
        "application/x-ndjson": {"schema": _ref("Event")},
    },
}

_PATHS: dict[str, Any] = {
    "/login": {
        "post": {
            "operationId": "login",
            "summary": "A Bearer token for a demonstration account; counts as a login (INT_R02)",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": _object(
                            ("identifier", "password"),
                            identifier=_text("`system|value`, the value alone, or the e-mail address"),
                            password=_text(),
                        )
                    }
                },
            },
            "responses": _answers(_ok(_ref("Token"), "Logged in"), "400", "401", "413", "415", "429"),
        }
    },
    "/logout": {
        "post": {
            "operationId": "logout",
            "summary": "The token of this call is good no more, nor is any copy of it",
            "security": _BEARER,
            "responses": {
                "204": {"description": "Logged out"},
                "401": {"$ref": "#/components/responses/401"},
            },
        }
    },
    "/search": {
        "get": {
            "operationId": "search",
            "summary": "One page of cards with free slots",
            "security": _BEARER,
            "parameters": [
                _query("specialty", "TRE_R38 code (SM54), `<system>|<code>` or label; default general medicine"),
                _query("insee", "INSEE code of the town; stronger than `town`"),
                _query("town", "Name of the town, also `33000 Bordeaux`"),
                _query("from", "Date or dateTime; default now"),
                _query("to", "Date (included) or dateTime; default the end of the day after tomorrow"),
                _query("streetname", "With `streetnumber`: the place is that address of the town, nearest first"),
                _query("streetnumber", "`12`, `12 bis`; only beside `streetname`"),
                _query("lat", "With `lon`: the place is an address, nearest first", type="number"),
                _query("lon", "Degrees east", type="number"),
                _query("shuffle", "Seed of the order when there is no address"),
                _query(
                    "place", "Instead of them: `12 rue du Modèle, 33000 Bordeaux`, a town, postal code or département"
                ),
                _query("order", "Default: by distance for an address", enum=["distance", "shuffled"]),
                _query("radius", "Instead of the département's, in km", type="number"),
                _query("reason", "Only slots for this reason"),
                _query("preferred", "National id of the doctor whose card comes first"),
                _query("visibility", "Only slots that one of these sees: PUBLIC, PRO, SNP, CPTS; comma-separated"),
                _query("type", "Only AMB, HH or VR; comma-separated"),
                _query("booking", "Only slots with or without booking", enum=["with", "without"]),
                _query("within", "Only places within so many km", type="number"),
                _query("kind", "Only cpts, sos, cds or msp; comma-separated"),
                _query("page", "From 1; five cards each", type="integer", minimum=1, maximum=40),
            ],
            "responses": _answers(_PAGE, "400", "401", "403", "503"),
        }
    },
    "/l02/{distribution_id}": {
        "get": {
            "operationId": "l02",
            "summary": "What became of one L02 message; no token needed on loopback",
            "security": _ON_LOOPBACK,
            "parameters": [_path("distribution_id", "distributionID of the message")],
            "responses": _answers(_ok(_ref("Message"), "The message's state"), "401", "404"),
        }
    },
    "/appointments": {
        "get": {
            "operationId": "appointments",
            "summary": "The caller's own appointments, newest first, at most 200",
            "security": _BEARER,
            "parameters": [_query("identifier", "Only the one with this `[system|]value` of the editor's")],
            "responses": _answers(
                _ok(_object(("appointments",), appointments=_list(_ref("Appointment"))), "The list"), "400", "401"
            ),
        }
    },
    "/appointments/{id}": {
        "get": {
            "operationId": "appointment",
            "summary": "One appointment by the SAS core's id; no token needed on loopback",
            "security": _ON_LOOPBACK,
            "parameters": [_path("id", "UUID given by the SAS core (`appointmentId` of L02)")],
            "responses": _answers(_ok(_ref("Appointment"), "The appointment"), "401", "404"),
        }
    },
    "/regulator-accounts": {
        "get": {
            "operationId": "regulatorAccounts",
            "summary": "What each editor is known to have of the caller's account (INT_R02)",
            "security": _BEARER,
            "responses": _answers(
                _ok(_object(("regulator", "accounts"), regulator=_text(), accounts=_list(_ref("Account"))), "State"),
                "401",
            ),
        }
    },
    "/openapi.json": {
        "get": {
            "operationId": "openapi",
            "summary": "This description",
            "responses": _answers(_ok({"type": "object"}, "OpenAPI 3.1")),
        }
    },
}

_IDENTIFIER = _object(("system", "value"), system=_text(), value=_text())

# What is searched, as it was understood.
_SEARCHED: dict[str, Any] = {
    "specialty": _object(("code", "label"), code=_text(), label=_text()),
    "place": _object(
        ("kind", "label"),
        kind={"enum": ["address", "town", "department"]},
        label=_text(),
        others={**_list(_text()), "description": "what else the text may mean, when it does not say which"},
    ),
    "town": _object(("insee", "name", "postal_code"), insee=_text(), name=_text(), postal_code=_text()),
    "order": {"enum": ["distance", "shuffled"]},
    "from": _INSTANT,
    "to": _INSTANT,
    "page": _COUNT,
}

_CPTS = _object(("finess", "name"), finess=_text(), name=_text())

_SCHEMAS: dict[str, Any] = {
    "Token": _object(
        ("token", "token_type", "expires_at", "regulator"),
        token=_text(),
        token_type={"const": "Bearer"},
        expires_at={**_INSTANT, "description": "real time, whatever the clock of the sandbox shows"},
        regulator=_object(
            ("identifier", "family", "given", "territory"),
            identifier=_text("`system|value`"),
            family=_text(),
            given=_text(),
            territory=_text(),
        ),
    ),
    "Slot": _object(
        ("id", "start", "end"),
        id=_text(),
        start=_INSTANT,
        end=_INSTANT,
        url=_text("The editor's booking page, without `origin`", format="uri"),
        visibilities=_list(_text()),
        types=_list(_text()),
        reasons=_list(_text()),
        cpts=_list(_text()),
        walkin={"type": "boolean"},
    ),
    "Place": _object(
        ("id", "line", "postal_code", "city"),
        id=_text("Schedule id at the editor"),
        line=_text(),
        postal_code=_text(),
        city=_text(),
        distance_km=_KM,
        name=_text(),
        group={"enum": ["MSP", "CDS"]},
        phone=_text(),
        slots=_list(_ref("Slot")),
    ),
    "Card": _object(
        ("kind", "id", "name", "editor", "editor_name", "distance_km"),
        kind={
            "enum": ["practitioner", "cpts", "sos"],
            "description": "cpts: the one card `through` which they are shown",
        },
        id=_text("Prefixed national id, or SIRET of the SOS association"),
        name=_text(),
        editor=_text("slug"),
        editor_name=_text(),
        external={"type": "boolean", "description": "the editor is the real server of a vendor"},
        distance_km=_KM,
        specialty=_text(),
        specialty_label=_text(),
        phone=_text(),
        cpts=_list(_CPTS),
        through=_list(_CPTS),
        member_of=_list(_text("FINESS")),
        extra={"type": "boolean", "description": "would take a patient beside the agenda"},
        places=_list(_ref("Place")),
    ),
    "EditorState": _object(
        ("slug", "name", "state"),
        slug=_text(),
        name=_text(),
        state={"enum": ["answered", "partial", "failed"]},
        reason=_text("in French"),
        code={"enum": [*REASONS]},
        slots=_COUNT,
        findings=_COUNT,
        ms=_COUNT,
    ),
    "Event": {
        "description": "One line. The first repeats what is searched, the last says that it is over.",
        "oneOf": [_ref("Searched"), _ref("Source"), _ref("Found"), _ref("Done")],
    },
    "Searched": _object(("event", *_SEARCHED), event={"const": "search"}, **_SEARCHED),
    "Source": _object(
        ("event", "editor", "name", "state"),
        event={"const": "source"},
        editor=_text("slug"),
        name=_text(),
        state={"enum": list(STATES)},
        reason=_text("in French"),
        code={"enum": [*REASONS]},
        slots=_COUNT,
        findings=_COUNT,
        ms=_COUNT,
    ),
    "Found": _object(
        ("event", "lot", "radius_km", "cards", "without_slots"),
        event={"const": "found"},
        lot=_COUNT,
        radius_km=_KM,
        cards={**_list(_ref("Card")), "description": "all of this lot so far: replaces what was told of it before"},
        without_slots=_list(_ref("Card")),
    ),
    "Done": _object(
        ("event", "partial", "complete", "radius_km"),
        event={"const": "done"},
        partial={"type": "boolean"},
        complete={"type": "boolean"},
        radius_km=_KM,
    ),
    "Page": _object(
        (*_SEARCHED, "radius_km", "next", "partial", "complete", "cards", "without_slots", "editors"),
        **_SEARCHED,
        radius_km={**_KM, "description": "kilometres; more than the place's own when nothing was found in those"},
        complete={"type": "boolean", "description": "false: time ran out"},
        next={"type": ["integer", "null"]},
        partial={"type": "boolean", "description": "an editor failed, or time ran out"},
        cards=_list(_ref("Card")),
        without_slots={**_list(_ref("Card")), "description": "asked about, and nothing free; on the first page"},
        editors=_list(_ref("EditorState")),
    ),
    "Message": _object(
        ("distributionID", "appointmentId", "state", "events"),
        distributionID=_text(),
        appointmentId={"type": ["string", "null"]},
        state={"enum": list(L02_STATES)},
        code={"type": "integer"},
        cause=_text(),
        events=_list(
            _object(
                ("state", "at"),
                state=_text(),
                at=_INSTANT,
                code={"type": "integer"},
                cause=_text(),
                step=_text("of the acknowledgement, as INTEGRE"),
            )
        ),
        recipient=_text("the LRM's client id; where messages are listed"),
        again={"type": "boolean", "description": "may be sent again by hand; where messages are listed"},
    ),
    "Appointment": _object(
        ("id", "version", "editor", "identifier", "regulator", "status", "start", "end", "created", "l02"),
        id=_text(format="uuid"),
        version={"type": "integer", "minimum": 1},
        editor=_text("slug"),
        identifier=_IDENTIFIER,
        regulator=_IDENTIFIER,
        practitioner={"type": ["string", "null"]},
        organization={"type": ["string", "null"]},
        status={"enum": list(AppointmentStatus)},
        start=_INSTANT,
        end=_INSTANT,
        created=_INSTANT,
        received=_INSTANT,
        orientationCategory={"enum": list(OrientationCategory)},
        flagged={"type": "boolean", "description": "a terminal status was corrected"},
        l02=_list(_ref("Message")),
    ),
    "Account": _object(
        ("editor", "name", "state", "attempts"),
        editor=_text("slug"),
        name=_text(),
        state={"enum": ["known", "due", "failed", "withdrawn", "withdrawing", "unknown"]},
        attempts=_COUNT,
        error=_text(),
        at=_INSTANT,
    ),
    "Problem": _object(
        ("type", "title", "status", "detail"),
        type=_text(),
        title=_text(),
        status={"type": "integer"},
        detail=_text(),
        errors=_list(_object(("code", "detail"), code=_text(), detail=_text(), pointer=_text())),
    ),
}

_RESPONSES: dict[str, Any] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": _ref("Problem")}}}
    for status, text in {
        "400": "The request cannot be understood",
        "401": "No token, or an unknown one",
        "404": "No such thing",
        **openapi_admin.RESPONSES,
        "429": "Too many failed logins of that account; Retry-After says in how many seconds",
        "503": "Too many searches run already",
    }.items()
}

"""The administrators' part of the description of the SAS API (`openapi.py` has the rest). Pure."""

from __future__ import annotations

from typing import Any

_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _responses(status: str, content: dict[str, Any] | None, *failures: str) -> dict[str, Any]:
    ok: dict[str, Any] = {"description": "Done"}
    if content is not None:
        ok["content"] = {"application/json": {"schema": content}}
    return {status: ok, **{failure: {"$ref": f"#/components/responses/{failure}"} for failure in failures}}


def _operation(
    id: str, summary: str, responses: dict[str, Any], *parameters: str, body: str | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": id, "summary": summary, "security": _BEARER, "responses": responses}
    if parameters:
        found["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in parameters]
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    return found


PATHS: dict[str, Any] = {
    "/regulators": {
        "get": _operation(
            "regulators",
            "All regulators' accounts",
            _responses(
                "200",
                {"type": "object", "properties": {"regulators": {"type": "array", "items": _ref("Regulator")}}},
                "401",
                "403",
            ),
        ),
        "post": _operation(
            "createRegulator",
            "A new account; the answer has its password",
            _responses("201", _ref("Regulator"), "400", "401", "403", "413", "415", "422"),
            body="RegulatorDraft",
        ),
    },
    "/regulators/{id}": {
        "get": _operation(
            "regulator",
            "One account with its history",
            _responses("200", _ref("Regulator"), "401", "403", "404"),
            "id",
        ),
        "put": _operation(
            "changeRegulator",
            "Change an account; active false withdraws it at once (INT_R02)",
            _responses("200", _ref("Regulator"), "400", "401", "403", "404", "413", "415", "422"),
            "id",
            body="RegulatorDraft",
        ),
        "delete": _operation(
            "deleteRegulator",
            "Delete an account; the editors are told at once (INT_R02)",
            _responses("204", None, "401", "403", "404"),
            "id",
        ),
    },
    "/l02": {
        "get": {
            **_operation(
                "l02Statistics",
                "The L02 messages in numbers, and the latest that failed; no token needed on loopback",
                _responses("200", _ref("L02Statistics"), "401"),
            ),
            "security": [{"bearer": []}, {}],
        }
    },
    "/l02/{distribution_id}/resend": {
        "post": _operation(
            "resendL02",
            "Send a refused or expired message again: the new message",
            _responses("202", _ref("Message"), "401", "403", "404", "409"),
            "distribution_id",
        )
    },
}

_DRAFT: dict[str, Any] = {
    "type": {"enum": ["IDNPS", "INTRN"]},
    "value": {**_TEXT, "description": "identifier; empty with INTRN: the SAS core gives one"},
    "family": _TEXT,
    "given": _TEXT,
    "email": {**_TEXT, "format": "email"},
    "territory": _TEXT,
    "rights": {"type": "array", "items": {"enum": ["orientation", "administration"]}},
    "active": {"type": "boolean"},
    "password": {**_TEXT, "description": "of the demonstration account at Pro Santé Connect"},
}

SCHEMAS: dict[str, Any] = {
    "RegulatorDraft": {
        "type": "object",
        "required": ["type", "family", "given", "email", "territory"],
        "properties": _DRAFT,
        "additionalProperties": False,
    },
    "Regulator": {
        "type": "object",
        "required": ["id", "type", "system", "value", "family", "given", "email", "territory", "rights", "active"],
        "properties": {
            **_DRAFT,
            "id": _TEXT,
            "system": _TEXT,
            "editors": {"type": "array", "items": _ref("Account")},
            "history": {"type": "array", "items": _ref("Change")},
        },
    },
    "Change": {
        "type": "object",
        "required": ["at", "by", "action", "account"],
        "properties": {
            "at": {**_TEXT, "format": "date-time"},
            "by": {**_TEXT, "description": "`system|value` of who made it"},
            "action": {"enum": ["create", "change", "withdraw", "restore", "delete"]},
            "account": _TEXT,
            "fields": {
                "type": "object",
                "description": "by name: what it was, what it became",
                "additionalProperties": {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2},
            },
        },
    },
    "L02Statistics": {
        "type": "object",
        "required": ["states", "open", "oldest", "lastHour", "seconds", "causes", "waiting", "connected", "troubles"],
        "properties": {
            "states": {"type": "object", "additionalProperties": _COUNT},
            "open": {**_COUNT, "description": "messages that nobody has answered yet"},
            "oldest": {"type": ["number", "null"], "description": "age of the oldest of them, seconds"},
            "lastHour": {"type": "object", "additionalProperties": _COUNT},
            "seconds": {"type": "object", "description": "until the acknowledgement: median, p95"},
            "causes": {"type": "array", "items": {"type": "object"}},
            "waiting": {**_COUNT, "description": "messages that the hub has not confirmed yet"},
            "connected": {"type": "boolean"},
            "troubles": {"type": "array", "items": _ref("Message")},
        },
    },
}

RESPONSES = {
    "403": "The account lacks the right",
    "413": "The body is too large",
    "415": "The body is no application/json",
    "409": "What is asked for contradicts what is there",
    "422": "A rule refuses it",
}

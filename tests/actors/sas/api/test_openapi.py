"""The description of the SAS API is valid and has every route; every answer conforms to it."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import openapi_spec_validator
import pytest
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from starlette.routing import Route

from sandbox.kernel.flows import AppointmentStatus
from sandbox.sas.api.answers import message as shown
from sandbox.sas.api.openapi import description
from sandbox.sas.orientations.l02.states import L02Message, MessageState, StateChange
from tests.actors.sas.console.test_administration import DRAFT
from tests.actors.sas.console.test_messages import failed
from tests.actors.sas.sas_core import Core, reply
from tests.actors.sas.searching import QUERY, open_editors

DOCUMENT = description("http://127.0.0.1:8000/api")
LINES = "application/x-ndjson"


def closed(node: Any) -> Any:
    """The schema, which then allows no property that it does not name."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: closed(value) for name, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        found.setdefault("additionalProperties", False)
    return found


def judge(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator for a schema of the description, or for a reference to one."""
    return jsonschema_rs.validator_for({**schema, "components": closed(DOCUMENT["components"])}, validate_formats=True)


def conforms(answer: httpx.Response) -> Any:
    """The body of an answer; fails unless its status, media type and schema are described."""
    path = answer.request.url.path.removeprefix("/api")
    operation = next(
        operations[answer.request.method.lower()]
        for template, operations in sorted(DOCUMENT["paths"].items())
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+(?:/[^/]+)?" if "l02" in template else "[^/]+", template), path)
        and answer.request.method.lower() in operations
    )
    told = operation["responses"][str(answer.status_code)]
    if "$ref" in told:
        told = DOCUMENT["components"]["responses"][told["$ref"].rpartition("/")[2]]
    if "content" not in told:
        assert answer.content == b""
        return None
    kind = answer.headers["content-type"].partition(";")[0]
    schema = closed(told["content"][kind]["schema"])
    bodies = [json.loads(line) for line in answer.text.splitlines()] if kind == LINES else [answer.json()]
    for body in bodies:
        judge(schema).validate(body)
    return bodies if kind == LINES else bodies[0]


async def test_the_description_is_valid(core: Core) -> None:
    async with core.browser() as browser:
        document = (await browser.get("/api/openapi.json")).json()
    openapi_spec_validator.validate(document)
    assert document == json.loads(json.dumps(DOCUMENT))


def test_the_validators_find_what_is_wrong() -> None:
    broken = {**DOCUMENT, "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    with pytest.raises(OpenAPIValidationError):
        openapi_spec_validator.validate(broken)
    done = {"event": "done", "partial": False, "complete": True, "radius_km": 10.0}
    event = judge({"$ref": "#/components/schemas/Event"})
    assert event.is_valid(done)
    assert not event.is_valid({**done, "surprise": 1})


async def test_every_route_and_nothing_else_is_described(core: Core) -> None:
    described = {(path, method.upper()) for path, operations in DOCUMENT["paths"].items() for method in operations}
    served = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in core.sas.api.routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert described == served


def test_states_are_all_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Message"]["properties"]["state"] == {"$ref": "#/components/schemas/MessageState"}
    assert set(schemas["MessageState"]["enum"]) == set(MessageState)
    assert schemas["Appointment"]["properties"]["status"] == {"$ref": "#/components/schemas/AppointmentStatus"}
    assert set(schemas["AppointmentStatus"]["enum"]) == set(AppointmentStatus)


@pytest.mark.parametrize("accept", ["application/json", LINES])
@pytest.mark.parametrize("query", [QUERY, f"{QUERY}&page=2", "/api/search?place=Gironde&kind=sos&order=distance"])
async def test_searches_are_answered_as_described_whole_and_by_lines(core: Core, query: str, accept: str) -> None:
    open_editors(core)

    async def down(*_: object) -> Any:
        return reply({}, 503)

    core.editors.answers["agenda-azur"] = down
    token = await core.token()
    async with core.browser() as browser:
        found = conforms(await browser.get(query, headers={**token, "Accept": accept}))
    assert len(found) > 3 if accept == LINES else found["cards"]


async def test_refused_searches_are_answered_as_described(core: Core) -> None:
    token = await core.token()
    async with core.browser() as browser:
        assert conforms(await browser.get(QUERY))["status"] == 401
        assert conforms(await browser.get("/api/search?place=x", headers=token))["errors"][0]["pointer"] == "http.place"
        core.sas.aggregator.running = 256
        assert conforms(await browser.get(QUERY, headers=token))["status"] == 503
        core.sas.aggregator.running = 0
        draft = {**DRAFT, "rights": ["administration"], "password": "essai-33"}
        made = conforms(await browser.post("/api/regulators", json=draft, headers=token))
        owner = {"identifier": made["value"], "password": made["password"]}
        theirs = conforms(await browser.post("/api/login", json=owner))
        bearer = {"Authorization": f"Bearer {theirs['token']}"}
        assert conforms(await browser.get(QUERY, headers=bearer))["status"] == 403


async def test_appointments_and_messages_are_answered_as_described(core: Core) -> None:
    message = await failed(core)
    key, id = message.distribution_id, (message.appointment or {})["appointmentId"]
    token = await core.token()
    async with core.browser() as browser:
        assert len(conforms(await browser.get("/api/appointments", headers=token))["appointments"]) == 1
        assert conforms(await browser.get(f"/api/appointments/{id}"))["version"] == 1
        assert conforms(await browser.get("/api/appointments/x"))["status"] == 404
        assert conforms(await browser.get(f"/api/l02/{key}"))["state"] == "refused"
        assert conforms(await browser.get("/api/l02/x"))["status"] == 404
        assert conforms(await browser.get("/api/l02"))["troubles"]
        assert conforms(await browser.post(f"/api/l02/{key}/resend", headers=token))["distributionID"] == f"{key}.1"
        assert len(conforms(await browser.get("/api/regulator-accounts", headers=token))["accounts"]) == 4


def test_a_message_is_as_described_whatever_became_of_it() -> None:
    at = "2026-11-23T10:30:00.000+01:00"
    message = L02Message("x_1", MessageState.DUE, (StateChange(MessageState.DUE, at),))
    for event in (
        StateChange(MessageState.PUBLISHED, at),
        StateChange(MessageState.REFUSED, at, 409, "exists"),
        StateChange(MessageState.ACKNOWLEDGED, at, step="INTEGRE"),
        StateChange(MessageState.EXPIRED, at, 500, "dead"),
    ):
        message = message.after(event)
        for appointment in ("a", None):
            document = json.loads(msgspec.json.encode(shown(message.document(appointment))))
            judge({"$ref": "#/components/schemas/Message"}).validate(document)


async def test_accounts_are_answered_as_described(core: Core) -> None:
    token = await core.token()
    async with core.browser() as browser:
        account = conforms(await browser.post("/api/regulators", json=DRAFT, headers=token))
        url = f"/api/regulators/{account['id']}"
        assert conforms(await browser.put(url, json={**DRAFT, "value": "T9"}, headers=token))["value"] == "T9"
        assert [change["action"] for change in conforms(await browser.get(url, headers=token))["history"]]
        assert conforms(await browser.get("/api/regulators", headers=token))["regulators"]
        assert conforms(await browser.put(url, json={**DRAFT, "family": ""}, headers=token))["status"] == 422
        assert conforms(await browser.put(url, content=b"{}", headers=token))["status"] == 415
        large = {**DRAFT, "family": "x" * 70_000}
        assert conforms(await browser.post("/api/regulators", json=large, headers=token))["status"] == 413
        assert conforms(await browser.delete(url, headers=token)) is None
        assert conforms(await browser.get(url, headers=token))["status"] == 404
        assert conforms(await browser.post("/api/login", json={}))["status"] == 400

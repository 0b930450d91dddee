"""OpenAPI documents made from handlers and structures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import jsonschema_rs
import msgspec
import openapi_spec_validator
import pytest
from msgspec import UNSET, Meta, UnsetType
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from sandbox.net.http.problems import ApiProblem
from sandbox.web.openapi import Description, Endpoint, Failures, Parameter, Schemas, routes


class Colour(msgspec.Struct, omit_defaults=True):
    """A colour.

    Its name is French.
    """

    name: str
    shade: str | None = None
    mixed_from: tuple[str, ...] = ()
    hue: Annotated[int | str | None, Meta(description="degrees, or a word")] = None
    more: Any = None


class Thing(msgspec.Struct):
    id: str
    colour: Colour
    weight: float | None = None
    note: str | UnsetType = UNSET


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    colour: str = "rouge"


class Added(msgspec.Struct, tag_field="event", tag="added"):
    thing: Thing


class Removed(msgspec.Struct, tag_field="event", tag="removed"):
    id: str


class Things:
    @Endpoint("GET", "/things/{id:path}", answer=Thing, parameters=[Parameter("id", "Any path")], failures=(404,))
    async def thing(self, request: Request) -> Thing:
        """One thing. And what it is."""
        return Thing(request.path_params["id"], Colour("bleu"))

    @Endpoint("POST", "/things", body=Wish, answer=Thing, status=201, meaning="Made", security=[{"bearer": []}])
    async def make_thing(self, request: Request) -> Thing:
        """A new thing."""
        return Thing("new", Colour(msgspec.json.decode(await request.body(), type=Wish).colour), note="made")

    @Endpoint("DELETE", "/things", status=204, parameters=[Parameter("id", schema={"type": "integer"})])
    async def remove_things(self, _: Request) -> None:
        """Remove them."""

    @Endpoint("GET", "/events", also={"application/x-ndjson": Added | Removed})
    async def events(self, _: Request) -> Response:
        """What happens."""
        return Response(b'{"event":"removed","id":"1"}\n', media_type="application/x-ndjson")

    async def unserved(self, _: Request) -> None:
        raise NotImplementedError


DESCRIPTION = Description(
    info={"title": "Things", "version": "1"},
    apis=[Things],
    failures=Failures(ApiProblem, {404: "No such thing"}),
    named={"Event": Added | Removed},
    details={Colour: {"name": {"enum": ["rouge", "bleu"]}}},
    security_schemes={"bearer": {"type": "http", "scheme": "bearer"}},
)
DOCUMENT = DESCRIPTION.document("http://127.0.0.1/api")
SCHEMAS = DOCUMENT["components"]["schemas"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Starlette(routes=routes(Things())))
    async with httpx.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


def judge(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_the_document_is_valid_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["servers"] == [{"url": "http://127.0.0.1/api"}]


def test_an_operation_is_named_after_its_handler_and_described_by_its_docstring() -> None:
    assert set(DOCUMENT["paths"]) == {"/things/{id}", "/things", "/events"}
    operation = DOCUMENT["paths"]["/things/{id}"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("thing", "One thing. And what it is")
    assert operation["parameters"] == [
        {"name": "id", "in": "path", "required": True, "description": "Any path", "schema": {"type": "string"}}
    ]
    assert operation["responses"]["404"] == {"$ref": "#/components/responses/404"}
    made = DOCUMENT["paths"]["/things"]["post"]
    assert (made["operationId"], made["security"]) == ("makeThing", [{"bearer": []}])
    assert made["responses"]["201"]["description"] == "Made"
    assert made["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Wish"}
    removed = DOCUMENT["paths"]["/things"]["delete"]
    assert removed["responses"] == {"204": {"description": "Done"}}
    assert removed["parameters"] == [{"name": "id", "in": "query", "required": False, "schema": {"type": "integer"}}]


async def test_what_is_answered_is_as_described(client: httpx.AsyncClient) -> None:
    thing = await client.get("/things/a/b")
    assert thing.headers["content-type"] == "application/json"
    assert thing.json() == {"id": "a/b", "colour": {"name": "bleu"}, "weight": None}
    judge("Thing").validate(thing.json())
    made = await client.post("/things", json={})
    assert made.status_code == 201
    judge("Thing").validate(made.json())
    gone = await client.delete("/things")
    assert (gone.status_code, gone.content) == (204, b"")
    judge("Event").validate((await client.get("/events")).json())


def test_of_answers_the_schema_says_what_is_written() -> None:
    assert SCHEMAS["Thing"]["required"] == ["id", "colour", "weight"]
    assert SCHEMAS["Colour"]["required"] == ["name"]
    assert SCHEMAS["Colour"]["properties"]["shade"] == {"type": "string"}
    assert SCHEMAS["Colour"]["properties"]["hue"] == {
        "description": "degrees, or a word",
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }
    assert SCHEMAS["Colour"]["properties"]["mixed_from"]["default"] == []
    assert SCHEMAS["Colour"]["properties"]["more"] == {}
    assert not judge("Thing").is_valid({"id": "a", "colour": {"name": "bleu", "shade": None}, "weight": None})


def test_of_bodies_the_schema_says_what_may_be_left_out() -> None:
    assert SCHEMAS["Wish"]["properties"]["colour"]["default"] == "rouge"
    assert judge("Wish").is_valid({})
    assert not judge("Wish").is_valid({"size": 3})


def test_docstrings_and_details_describe_structures() -> None:
    assert SCHEMAS["Colour"]["description"] == "A colour.\n\nIts name is French."
    assert SCHEMAS["Colour"]["properties"]["name"]["enum"] == ["rouge", "bleu"]
    assert not judge("Thing").is_valid({"id": "a", "colour": {"name": "vert"}, "weight": None})


def test_details_of_a_member_that_is_not_there_are_an_error() -> None:
    wrong = Description({}, [Things], Failures(ApiProblem, {}), details={Colour: {"size": {"minimum": 0}}})
    with pytest.raises(KeyError, match="size"):
        wrong.document("http://127.0.0.1")


def test_a_named_type_has_a_schema_of_its_own() -> None:
    content: Any = DOCUMENT["paths"]["/events"]["get"]["responses"]["200"]["content"]
    assert content == {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Event"}}}
    assert SCHEMAS["Event"]["discriminator"]["propertyName"] == "event"
    assert judge("Event").is_valid({"event": "removed", "id": "1"})
    assert not judge("Event").is_valid({"event": "lost", "id": "1"})


def test_two_structures_of_one_name_are_an_error() -> None:
    other = msgspec.defstruct("Thing", [("id", int)], module="elsewhere")
    with pytest.raises(ValueError, match="Thing"):
        Schemas([Thing, other])

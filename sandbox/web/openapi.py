"""JSON APIs that describe themselves: OpenAPI 3.1 made from the handlers and the structures that they read and answer.

    class Things:
        @Endpoint("GET", "/things/{id}", answer=Thing, failures=(404,))
        async def thing(self, request: Request) -> Thing:
            "One thing."

`routes(Things())` are the routes for Starlette, `Description(...).document(server)` is the OpenAPI document of the
classes. The first line of a handler's docstring is the summary. The schemas come from the msgspec structures; their
docstrings and `msgspec.Meta` give the descriptions. What Python's types do not say (an enum of texts, a format) is
given by `Meta(extra_json_schema=...)`, or by `Description.details` for structures that are independent of the API.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import NODEFAULT
from msgspec.inspect import Field, StructType, multi_type_info
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.net.http.body import JSON
from sandbox.net.http.problems import PROBLEM_JSON, Problem

_REFERENCE = "#/components/schemas/{name}"
_MARK = "_endpoint"  # attribute of a handler
_TEXT: Mapping[str, Any] = {"type": "string"}
_NULL = {"type": "null"}

Details: TypeAlias = Mapping[str, Mapping[str, Any]]  # parts of a JSON Schema by the member that they are added to
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Parameter:
    """One parameter of the query (or of the `place` `header`), or of the path when the path has its name. `schema`: a
    JSON Schema."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: _TEXT)
    place: Literal["query", "header"] = "query"


@dataclass(frozen=True)
class Endpoint:
    """What is served under one path by one method; a decorator of the method that handles it.

    `path`: as Starlette has it (`/l02/{id:path}`); `answer`: type of the JSON answer, None for one without a body;
    `also`: types of answers in other media types; `status` and `meaning` of the answer; `body`: type of the JSON
    that is sent; `failures`: statuses of problems; `security`: OpenAPI's security requirements, one of which is
    enough. The handler's name in camelCase is the operationId, the first line of its docstring the summary; it
    returns what `answer` says, or a Response.
    """

    method: str
    path: str
    _: KW_ONLY
    answer: Any = None
    also: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    meaning: str = "Done"
    body: Any = None
    parameters: Sequence[Parameter] = ()
    failures: Sequence[int] = ()
    security: Sequence[Mapping[str, list[str]]] = ()

    def __call__(self, handler: Handler) -> Handler:
        """Mark the handler as that of this endpoint."""
        handler.__dict__[_MARK] = self
        return handler

    @property
    def types(self) -> list[Any]:
        """Types of the answers."""
        return [*([] if self.answer is None else [self.answer]), *self.also.values()]


@dataclass(frozen=True)
class Failures:
    """The answers that say what went wrong: the structure of all of them, and what each status means."""

    problem: type[Problem]
    meanings: Mapping[int, str]


def routes(api: object) -> list[Route]:
    """The routes to the endpoints of an object, in the order of their definition."""
    return [
        Route(endpoint.path, _answering(getattr(api, name), endpoint.status), methods=[endpoint.method])
        for name, endpoint in endpoints(type(api))
    ]


def endpoints(api: type) -> Iterator[tuple[str, Endpoint]]:
    """The endpoints of a class by the names of their handlers, in the order of their definition."""
    for name, member in vars(api).items():
        endpoint = getattr(member, _MARK, None)
        if isinstance(endpoint, Endpoint):
            yield name, endpoint


def json_answer(answer: object, status: int = 200) -> Response:
    """The answer with a JSON body."""
    return Response(msgspec.json.encode(answer), status, media_type=JSON)


def _answering(handler: Callable[[Request], Awaitable[Any]], status: int) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        answer = await handler(request)
        if isinstance(answer, Response):
            return answer
        return Response(status_code=status) if answer is None else json_answer(answer, status)

    return answering


@dataclass(frozen=True)
class Description:
    """What an OpenAPI document says of some APIs. `info`: OpenAPI's Info object; `apis`: classes with endpoints;
    `named`: types that get a schema under a name of their own; `details`: what is added to the schemas of some
    structures; `security_schemes` by name."""

    info: Mapping[str, Any]
    apis: Sequence[type]
    failures: Failures
    named: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[type[msgspec.Struct], Details] = field(default_factory=dict)
    security_schemes: Mapping[str, Any] = field(default_factory=dict)

    def document(self, server: str) -> dict[str, Any]:
        """The document; `server`: the URL under which the API is reached."""
        schemas = self._schemas()
        made = {
            "openapi": "3.1.0",
            "info": dict(self.info),
            "servers": [{"url": server}],
            "paths": self._paths(schemas),
            "components": {
                "securitySchemes": dict(self.security_schemes),
                "schemas": schemas.components,
                "responses": self._failures(schemas),
            },
        }
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(made))  # JSON's types only: tuples are lists
        return found

    def _endpoints(self) -> list[tuple[Callable[..., Any], Endpoint]]:
        return [(vars(api)[name], endpoint) for api in self.apis for name, endpoint in endpoints(api)]

    def _schemas(self) -> Schemas:
        found = [endpoint for _, endpoint in self._endpoints()]
        answers = [kind for endpoint in found for kind in endpoint.types]
        bodies = [endpoint.body for endpoint in found if endpoint.body is not None]
        schemas = Schemas([*answers, self.failures.problem], bodies, self.named)
        for structure, details in self.details.items():
            for member, more in details.items():
                schemas.components[structure.__name__]["properties"][member].update(more)
        return schemas

    def _paths(self, schemas: Schemas) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for handler, endpoint in self._endpoints():
            path = re.sub(r":\w+}", "}", endpoint.path)
            paths.setdefault(path, {})[endpoint.method.lower()] = _operation(handler, endpoint, schemas)
        return paths

    def _failures(self, schemas: Schemas) -> dict[str, Any]:
        content = {PROBLEM_JSON: {"schema": schemas.of(self.failures.problem)}}
        return {
            str(status): {"description": meaning, "content": content}
            for status, meaning in self.failures.meanings.items()
        }


def _operation(handler: Callable[..., Any], endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    first, *others = handler.__name__.split("_")
    found: dict[str, Any] = {
        "operationId": first + "".join(word.capitalize() for word in others),
        "summary": (inspect.getdoc(handler) or "").partition("\n")[0].rstrip("."),
        "parameters": _parameters(endpoint),
        "security": [dict(one) for one in endpoint.security],
    }
    found = {key: value for key, value in found.items() if value}
    if endpoint.body is not None:
        found["requestBody"] = {"required": True, "content": _content({JSON: endpoint.body}, schemas)}
    kinds = {JSON: endpoint.answer} if endpoint.answer is not None else {}
    content = _content({**kinds, **endpoint.also}, schemas)
    answer = {"description": endpoint.meaning, **({"content": content} if content else {})}
    failures = {str(status): {"$ref": f"#/components/responses/{status}"} for status in endpoint.failures}
    return {**found, "responses": {str(endpoint.status): answer, **failures}}


def _content(kinds: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    return {media: {"schema": schemas.of(kind)} for media, kind in kinds.items()}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """The parameters of the path, described or not, then the others."""
    names = re.findall(r"{(\w+)", endpoint.path)
    described = {parameter.name: parameter for parameter in endpoint.parameters}
    found: list[tuple[Parameter, str]] = [(described.get(name, Parameter(name)), "path") for name in names]
    found += [(parameter, parameter.place) for parameter in endpoint.parameters if parameter.name not in names]
    return [
        {
            "name": parameter.name,
            "in": place,
            "required": place == "path",
            **({"description": parameter.description} if parameter.description else {}),
            "schema": dict(parameter.schema),
        }
        for parameter, place in found
    ]


class Schemas:
    """JSON Schemas of types, with the structures among them as `components` (by the names of their classes), and the
    types in `named` by the names given there.

    The schema of an answer describes what is written: a member that is always present is required, and one that is left
    out when it is None is never null. The schema of a request body says which members may be left out, and their
    defaults. Raises ValueError when two structures have the same name.
    """

    def __init__(
        self, answers: Sequence[Any], bodies: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> None:
        named = named or {}
        types = [*answers, *bodies, *named.values()]
        schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
        self._of: dict[Any, dict[str, Any]] = dict(zip(types, schemas, strict=True))
        read = {info.cls for info in _structures(bodies)}
        for info in _structures(types):
            schema = components.get(info.cls.__name__)
            if schema is None:
                raise ValueError(f"several structures are named {info.cls.__name__}")
            if info.cls not in read:
                _as_written(schema, info)
        components |= {name: self._of[kind] for name, kind in named.items()}
        self._of |= {kind: {"$ref": _REFERENCE.format(name=name)} for name, kind in named.items()}
        self.components = {name: _described(schema) for name, schema in sorted(components.items())}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of one of the types."""
        found: dict[str, Any] = self._of[kind]
        return found


def _structures(types: Iterable[Any]) -> list[StructType]:
    """All structures that the types consist of."""
    found: dict[type, StructType] = {}
    waiting: list[Any] = [*multi_type_info(types)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, StructType):
            if info.cls in found:
                continue
            found[info.cls] = info
        if isinstance(info, tuple):
            waiting += info
        elif isinstance(info, msgspec.inspect.Type | Field):
            waiting += [getattr(info, name) for name in info.__struct_fields__]
    return list(found.values())


def _as_written(schema: dict[str, Any], info: StructType) -> None:
    omitting = info.cls.__struct_config__.omit_defaults
    tag = [info.tag_field] if info.tag_field is not None else []
    schema["required"] = [*tag]
    for member in info.fields:
        shown = schema["properties"][member.encode_name]
        unset = member.default is NODEFAULT and member.default_factory is NODEFAULT  # or its type is that of UNSET
        omitted = not member.required and (omitting or unset)
        if not omitted:
            schema["required"].append(member.encode_name)
        elif member.default is None:
            _never_null(shown)
        if not omitted or member.default in (None, ""):
            shown.pop("default", None)


def _never_null(schema: dict[str, Any]) -> None:
    """Take null out of the alternatives of a schema."""
    others = [one for one in schema.get("anyOf", ()) if one != _NULL]
    if len(others) == 1:
        del schema["anyOf"]
        schema.update({**others[0], **schema})
    elif others:
        schema["anyOf"] = others


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """A component without its title (its name says it), with the docstring as a text."""
    shown = {name: value for name, value in schema.items() if name != "title"}
    if "description" in shown:
        shown["description"] = inspect.cleandoc(shown["description"])
    return shown

"""What FHIR asks of HTTP, for every FHIR port: media types, OperationOutcome answers, `Prefer`.

A handler is `async (Request) -> Response` and raises RequestError; `answering` makes an endpoint of it that always
answers in FHIR, whatever happens. The guide writes `application/json+fhir`, the standard `application/fhir+json`:
both are understood, the standard one is answered.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from sandbox.fhir.document import Check, NeedsModel, postpone
from sandbox.fhir.outcome import operation_outcome, outcome
from sandbox.kernel.errors import Issue, RequestError, StoreError
from sandbox.kernel.seldom import Seldom
from sandbox.net.http.body import JSON_TYPES
from sandbox.net.http.conditions import conditions_of
from sandbox.net.http.immediate import ReadyAnswer
from sandbox.net.http.preferences import preferences

log = logging.getLogger(__name__)
_refused = Seldom(log)  # log lines about requests that the store refused

MEDIA_TYPE = "application/fhir+json; charset=utf-8"
_CONTENT_TYPE = MEDIA_TYPE.encode()

_ACCEPTED = JSON_TYPES | {"*/*", "application/*"}
_FORMATS = JSON_TYPES | {"json"}

Handler = Callable[[Request], Awaitable[Response]]
Parsed = TypeVar("Parsed", covariant=True)


class Parser(Protocol[Parsed]):
    """`parse_regulator`, `receive_appointment`: rules of ours, then `check` for elements that they do not read."""

    def __call__(self, body: bytes, *, check: Check = ...) -> Parsed: ...


class FhirResponse(Response):
    """An answer with ready bytes. Its head is written directly, because every search uses it."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
        if body:
            self.raw_headers.append((b"content-type", _CONTENT_TYPE))
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))


def fhir_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in `application/fhir+json`; an empty body stays without content type (e.g. `return=minimal`)."""
    return FhirResponse(body, status, headers)


def error_response(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a refused request: `error.status` and its OperationOutcome."""
    return fhir_response(operation_outcome(error), error.status, headers)


def read_response(request: Request, body: bytes, etag: str) -> Response:
    """The answer to the read of a resource: 200, or 304 when the client has this one. Raises RequestError 412, 400."""
    headers = {"ETag": etag}
    if conditions_of(request).is_fresh(etag):
        return fhir_response(b"", 304, headers)
    return fhir_response(body, headers=headers)


_PLAINLY = frozenset({b"application/fhir+json", b"application/json+fhir", b"application/json", b"*/*"})


_NOT_PLAIN = frozenset({b"prefer", b"expect", b"content-length", b"content-encoding", b"transfer-encoding"})
_PLAIN_HOST = re.compile(rb"[A-Za-z0-9.:_\[\]-]*")


@lru_cache(maxsize=64)
def _is_plain_host(value: bytes) -> bool:
    return _PLAIN_HOST.fullmatch(value) is not None


def is_plain_get(scope: Scope) -> bool:
    """True for a GET whose head asks for nothing but FHIR in JSON: `check_accept` and the rules of HTTP
    (`net/http/rules.py`) would accept it, and there is no `Prefer`."""
    if scope["method"] != "GET" or b"_format" in scope["query_string"]:
        return False
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
            if not _is_plain_host(value):
                return False
        elif (name == b"accept" and value not in _PLAINLY) or name in _NOT_PLAIN:
            return False
    return hosts == 1


def ready_fhir(parts: Sequence[bytes]) -> ReadyAnswer:
    """The answer 200 with this resource, which is given in pieces."""
    size = sum(map(len, parts))
    return ReadyAnswer(b"content-length: %d\r\ncontent-type: %b\r\n" % (size, _CONTENT_TYPE), parts, size)


def query_of(request: Request) -> str:
    """The query string as it came (`Request.url` builds the whole URL for it)."""
    query: bytes = request.scope["query_string"]
    return query.decode(errors="replace")


def check_accept(request: Request, query: str | None = None) -> None:
    """Raise RequestError 406 when neither `_format` nor `Accept` admits FHIR in JSON. `_format` overrules `Accept`.

    `query`: where `_format` may be, when that is not the query string alone (a search by POST).

    Understood: application/fhir+json, application/json+fhir (the guide's spelling), application/json, text/json,
    `json` (in `_format`), `*/*`, `application/*`, no header at all; parameters such as `fhirVersion` are ignored,
    but `;q=0` refuses.
    """
    wanted = _format_parameter(query_of(request) if query is None else query)
    if wanted is not None:
        if _bare(wanted) not in _FORMATS:
            raise RequestError(406, Issue("not-supported", f"_format '{wanted}' is not offered", "http._format"))
        return
    accept = ",".join([value.decode("latin-1") for name, value in request.scope["headers"] if name == b"accept"])
    if accept and not any(_admits(part) for part in accept.split(",")):
        detail = f"Accept '{accept}' is not offered (expected application/fhir+json)"
        raise RequestError(406, Issue("not-supported", detail, "http.Accept"))


def _format_parameter(query: str) -> str | None:
    if "_format" not in query:
        return None
    # A raw `+` in `application/fhir+json` is read as a space by form decoding: it is meant as a plus.
    values = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "_format"]
    return values[-1].replace(" ", "+") if values else None


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _admits(part: str) -> bool:
    quality = part.replace(" ", "").lower().partition(";q=")[2]
    return _bare(part) in _ACCEPTED and not (quality and quality.strip("0.") == "")


async def parse_body(parse: Parser[Parsed], body: bytes) -> Parsed:
    """`parse(body)` for an event loop: in place for bodies of the guide, in a thread when the FHIR model must judge.

    Raises RequestError as `parse` does.
    """
    try:
        return parse(body, check=postpone)
    except NeedsModel:
        return await asyncio.to_thread(parse, body)


def wants_representation(request: Request) -> bool:
    """True when `Prefer: return=representation` asks for the resource in the answer (RFC 7240, 4.2)."""
    return prefers(request, "return", "representation")


def prefers(request: Request, name: str, value: str) -> bool:
    """True when the header `Prefer` has that preference with that value, both in lower case (RFC 7240)."""
    return preferences(request.headers.getlist("prefer")).get(name) == value


def handling(request: Request) -> str | None:
    """What `Prefer: handling=` asks for in a search (FHIR R4, 3.1.1.2): `strict`, `lenient`; None: no preference."""
    texts = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"prefer"]
    value = preferences(texts).get("handling") if texts else None
    return value if value in ("strict", "lenient") else None


def not_found(detail: str) -> RequestError:
    """404: no such resource, type or path."""
    return RequestError(404, Issue("not-found", detail))


def to_metadata(base: str) -> Response:
    """307 from a FHIR base, which is no resource, to its CapabilityStatement."""
    return Response(status_code=307, headers={"Location": f"{base.rstrip('/')}/metadata"})


class MethodNotAllowed(RequestError):
    """405; `allow` are the methods that the path has (header Allow, RFC 9110, 15.5.6)."""

    def __init__(self, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(405, Issue("not-supported", detail))
        self.allow = (*allow, "HEAD") if "GET" in allow and "HEAD" not in allow else allow


def not_allowed(method: str, where: str, *allow: str) -> RequestError:
    """405: the path exists, the interaction does not. `allow`: the methods that it has."""
    return MethodNotAllowed(f"{method} is not supported on {where}", allow)


def answering(handler: Handler) -> Handler:
    """Wrap `handler`: content negotiation first, and every failure answered with an OperationOutcome.

    RequestError -> its status; StoreError -> 503 (nothing is known to be stored); anything else -> 500 without detail,
    logged with its traceback.
    """

    async def endpoint(request: Request) -> Response:
        try:
            if not (request.method == "POST" and request.scope["path"].endswith("/_search")):
                check_accept(request)  # there it may be in the body, which the handler reads
            return await handler(request)
        except MethodNotAllowed as error:
            return error_response(error, {"Allow": ", ".join(error.allow)})
        except RequestError as error:
            return error_response(error, getattr(error, "headers", None))
        except StoreError as error:
            _refused.error("the store refused a write: %s", error)
            body = outcome(
                Issue("transient", f"the request cannot be stored now ({error.reason}): send it again later")
            )
            return fhir_response(body, 503, {"Retry-After": "5"})
        except Exception:  # the last line of defence: the peer must get FHIR, the traceback goes to the log
            log.exception("unexpected failure on %s %s", request.method, request.url.path)
            return fhir_response(outcome(Issue("exception", "internal error")), 500)

    return endpoint

"""Answers that a listener gives itself: to octets that are not a request, and where no application answers.

On a FHIR port an OperationOutcome, elsewhere a problem (RFC 9457) or, for browsers, a page in French.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import Scope, Send

from sandbox.fhir.outcome import operation_outcome
from sandbox.kernel.errors import Issue, RequestError
from sandbox.net.http.problems import PROBLEM_JSON, ListenerProblem, phrase, problem_body

Headers = list[tuple[bytes, bytes]]

_FHIR_JSON = b"application/fhir+json; charset=utf-8"
_HTML = b"text/html; charset=utf-8"

# For people, by issue code first, then by status.
_IN_FRENCH: Mapping[str | int, str] = {
    "transient": "panne simulée",
    400: "requête mal formée",
    408: "requête trop lente",
    413: "demande trop longue",
    415: "encodage de l'envoi non pris en charge",
    417: "attente non prise en charge",
    431: "en-têtes trop longs",
    501: "méthode ou codage non pris en charge",
    505: "version de HTTP non prise en charge",
}
_PAGE = (
    '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8"><title>Erreur {status}</title></head>'
    "<body><h1>Erreur {status}</h1><p>{text}.</p></body></html>\n"
)


class Refusal(RequestError):
    """A request that the rules of HTTP refuse, for any application. `headers`: of its answer (`Accept-Encoding`)."""

    def __init__(
        self, status: int, code: str, detail: str, where: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, Issue(code, detail, where))
        self.headers: Mapping[str, str] = headers or {}


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: Send) -> None:
        """Send it as ASGI messages."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def octets(self) -> bytes:
        """The same as HTTP/1.1 on a connection that closes then."""
        lines = [b"HTTP/1.1 %d %b" % (self.status, phrase(self.status).encode()), b"connection: close"]
        lines += [b"%b: %b" % header for header in self.headers]
        return b"\r\n".join([*lines, b"", self.body])


def answer_to(error: RequestError, scope: Scope | None, *, fhir: bool) -> Answer:
    """The answer to a refused request; `scope`, if known, shows whether a browser sent it."""
    if fhir:
        kind, body = _FHIR_JSON, operation_outcome(error)
    elif scope is not None and _is_browser(scope):
        kind, body = _HTML, _PAGE.format(status=error.status, text=_in_french(error)).encode()
    else:
        kind, body = PROBLEM_JSON.encode(), problem_body(ListenerProblem, error.status, error.issues)
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if kind is _HTML:
        headers.append((b"content-security-policy", b"default-src 'none'"))
    if scope is not None and waits_for_leave(scope):
        headers.append((b"connection", b"close"))
    extra: Mapping[str, str] = getattr(error, "headers", {})
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in extra.items()]
    return Answer(error.status, headers, body)


def waits_for_leave(scope: Scope) -> bool:
    """True when the client sent `Expect: 100-continue`: after a final answer it may still send its body, or not."""
    return any(name == b"expect" for name, _ in scope.get("headers", ()))


def _is_browser(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope.get("headers", ()))


def _in_french(error: RequestError) -> str:
    known = _IN_FRENCH.get(error.issues[0].code) or _IN_FRENCH.get(error.status) or "requête refusée"
    return known[0].upper() + known[1:]

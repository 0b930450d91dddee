"""Errors for programs as `application/problem+json` (RFC 9457).

Three kinds of documents are published for integrators. Each has its class, from which the schemas of the OpenAPI
descriptions can be made too. `problem` makes an answer with such a document, `problem_body` its octets only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from sandbox.kernel.errors import Issue

PROBLEM_JSON = "application/problem+json"
_ANY = "about:blank"  # RFC 9457, 4.2.1: the status says what kind of problem it is


class Problem(msgspec.Struct):
    """A problem document; each class makes its own of the same values."""

    @classmethod
    def of(cls, status: int, issues: Sequence[Issue], detail: str) -> Problem:
        """The document for a status and what is wrong; `detail`: all of it in one text."""
        raise NotImplementedError


class WrongPlace(msgspec.Struct):
    """`where`: the place in the request, "" for all of it."""

    where: str
    message: str


class ListenerProblem(Problem):
    """What a listener itself answers, before any application."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[WrongPlace]

    @classmethod
    def of(cls, status: int, issues: Sequence[Issue], detail: str) -> ListenerProblem:
        errors = [WrongPlace(issue.expression or "", issue.detail) for issue in issues]
        return cls(_ANY, phrase(status) or f"{status}", status, detail, errors)


class ApiError(msgspec.Struct):
    """`code` is of FHIR's issue types; `pointer`: the place in the request, left out for all of it."""

    code: str
    detail: str
    pointer: str | msgspec.UnsetType = msgspec.UNSET


class ApiProblem(Problem):
    """The SAS API's. `errors` is left out when the detail says everything."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ApiError] | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, status: int, issues: Sequence[Issue], detail: str) -> ApiProblem:
        errors = [ApiError(issue.code, issue.detail, issue.expression or msgspec.UNSET) for issue in issues]
        return cls(_ANY, phrase(status) or f"{status}", status, detail, errors or msgspec.UNSET)


class AdminError(msgspec.Struct):
    """`pointer`: the place in the request, null for all of it."""

    detail: str
    pointer: str | None


class AdminProblem(Problem):
    """The control plane's (`__admin`): its title is the detail, which the commands show."""

    type: str
    status: int
    title: str
    errors: list[AdminError]

    @classmethod
    def of(cls, status: int, issues: Sequence[Issue], detail: str) -> AdminProblem:
        return cls(_ANY, status, detail, [AdminError(issue.detail, issue.expression) for issue in issues])


def problem(
    kind: type[Problem],
    status: int,
    issues: Sequence[Issue] = (),
    *,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a program; without `detail` it is the details of all issues."""
    return Response(problem_body(kind, status, issues, detail), status, headers=headers, media_type=PROBLEM_JSON)


def problem_body(kind: type[Problem], status: int, issues: Sequence[Issue] = (), detail: str = "") -> bytes:
    """The document alone, as JSON."""
    text = detail or "; ".join(issue.detail for issue in issues)
    return msgspec.json.encode(kind.of(status, issues, text))


def phrase(status: int) -> str:
    """The reason phrase of a status, "" where it has none."""
    return HTTPStatus(status).phrase if status in [*HTTPStatus] else ""

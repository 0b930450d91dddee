"""Why the SAS agenda refuses something: for programs by status and detail, for people in French. Pure."""

from __future__ import annotations

from enum import StrEnum

from sandbox.kernel.errors import Issue, RequestError


class Cause(StrEnum):
    """What is wrong."""

    OVERLAP = "overlap"
    PAST = "past"
    END = "end-before-start"
    LENGTH = "length"
    PLACE = "place"
    VISIBILITY = "visibility"
    TYPE = "type"
    REASONS = "reasons"
    PATIENTS = "max-patients"
    UNTIL = "until"
    SCOPE = "scope"
    LABEL = "label"
    MANY = "too-many"
    UNKNOWN = "unknown"
    BOOKED = "booked"
    GONE = "gone"


_CODES = {404: "not-found", 409: "conflict", 422: "business-rule"}


class Refusal(RequestError):
    """A rule of the SAS agenda refuses a request. `french`: the same as `detail`, for the pages; `cause` for programs
    of the sandbox."""

    def __init__(
        self, cause: Cause, detail: str, french: str, where: str | None = None, *further: Issue, status: int = 422
    ) -> None:
        super().__init__(status, Issue(_CODES[status], detail, where), *further)
        self.cause, self.french = cause, french

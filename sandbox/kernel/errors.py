"""The tree of errors. Errors carry data; `fhir`, `amqp`, `edxl` and `cli` render them.

SandboxError
├── UsageError            the person who started the sandbox is at fault: one line, exit code 2
│   └── ConfigError       … in a YAML file: with file and line
├── RequestError          the caller of an interface is at fault: HTTP 4xx + OperationOutcome
├── PeerError             the other side of one of our calls is at fault
│   ├── PeerUnreachable       no connection (refused, reset, name unknown)
│   │   └── PeerUntrusted         … because TLS was refused, by them or by us
│   ├── PeerTimeout           no complete answer within the time-out
│   ├── PeerTooLarge          an answer larger than is read
│   └── PeerRefused           an answer outside 2xx: its status and body are kept
├── JsonError             octets from outside hold no JSON that is read: whoever reads them says whose fault it is
├── NobodyAnswers         a command needs a running sandbox, and there is none: exit code 3
├── StoreError            the disk is at fault; what was being written is not accepted
│   └── StoreLocked           another process holds this store
└── TransitionError       a life cycle was asked for a step that its table does not have
"""

from __future__ import annotations

import errno
from dataclasses import dataclass


class SandboxError(Exception):
    """Root of the tree."""


class UsageError(SandboxError):
    """A wrong option, a taken port, an unusable directory. `str(error)` is the line for the person."""


class NobodyAnswers(SandboxError):
    """A command needs a running sandbox and there is none."""


class ConfigError(UsageError):
    """What is wrong in a YAML file, where (file, line from 1), and what was expected."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.file, self.line, self.problem = file, line, problem


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a request.

    `code` is of FHIR's issue-type value set (`invalid`, `required`, `value`, `business-rule`, `not-supported`,
    `duplicate`, `conflict`, `forbidden`, `not-found`, `too-costly`); `expression` is the FHIRPath of the culprit
    or `http.<parameter>` for a query parameter; `requirement` an id of the acceptance list (R01-5), if one applies.
    """

    code: str
    detail: str
    expression: str | None = None
    requirement: str | None = None


class RequestError(SandboxError):
    """The caller is at fault. `status` is the HTTP answer (400 malformed, 403, 404, 409, 422 refused by a rule)."""

    def __init__(self, status: int, *issues: Issue) -> None:
        super().__init__("; ".join(issue.detail for issue in issues))
        self.status, self.issues = status, issues


def malformed(detail: str, expression: str | None = None, *, code: str = "invalid") -> RequestError:
    """400: the request cannot be read, or lacks something mandatory."""
    return RequestError(400, Issue(code, detail, expression))


def refused(detail: str, expression: str | None = None, *, code: str = "business-rule") -> RequestError:
    """422: the request is readable, a rule refuses it."""
    return RequestError(422, Issue(code, detail, expression))


class JsonError(SandboxError):
    """What is wrong with JSON from outside, and `where`: a path from `$`, a line and column, or "" for all of it."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{reason} at {where}" if where else reason)
        self.reason, self.where = reason, where

    def expression(self, root: str) -> str | None:
        """The place as a FHIRPath from the resource type `root`; None when it is a line or all of it."""
        return self.where.replace("$", root, 1) if self.where.startswith("$") else None


class PeerError(SandboxError):
    """A call that we made failed. `peer` is the slug or client id of the other side."""

    def __init__(self, peer: str, detail: str) -> None:
        super().__init__(f"{peer}: {detail}")
        self.peer, self.detail = peer, detail


class PeerUnreachable(PeerError):
    """No connection to the peer."""


class PeerUntrusted(PeerUnreachable):
    """No connection: the TLS handshake was refused, or the certificate of the peer."""


class PeerTooLarge(PeerError):
    """The answer is larger than the caller reads; the connection is closed."""


class PeerTimeout(PeerError):
    """The peer did not answer in time; what arrives later is ignored."""


class PeerRefused(PeerError):
    """The peer answered outside 2xx."""

    def __init__(self, peer: str, status: int, body: bytes) -> None:
        super().__init__(peer, f"answered {status}")
        self.status, self.body = status, body


class StoreError(SandboxError):
    """The durable store cannot be used."""

    @property
    def reason(self) -> str:
        """Why, without the path of the file: `No space left on device`."""
        return str(self).rpartition(": ")[2]


DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})  # of an OSError: the disk refuses


class StoreLocked(StoreError):
    """Another process holds the store."""


class TransitionError(SandboxError):
    """A life cycle has no such step."""

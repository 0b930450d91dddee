"""Errors that the broker reports: reply code, text and the method that caused it, as sent to the client (AMQP 0-9-1, §
1.2).

ProtocolError
└── FrameError      the octets themselves cannot be read: nothing after them can be either
"""

from __future__ import annotations

from sandbox.kernel.errors import SandboxError

NAMES = {
    311: "CONTENT_TOO_LARGE",
    312: "NO_ROUTE",
    320: "CONNECTION_FORCED",
    403: "ACCESS_REFUSED",
    404: "NOT_FOUND",
    405: "RESOURCE_LOCKED",
    406: "PRECONDITION_FAILED",
    501: "FRAME_ERROR",
    503: "COMMAND_INVALID",
    504: "CHANNEL_ERROR",
    505: "UNEXPECTED_FRAME",
    506: "RESOURCE_ERROR",
    530: "NOT_ALLOWED",
    540: "NOT_IMPLEMENTED",
    541: "INTERNAL_ERROR",
}
_CHANNEL_CODES = frozenset((311, 312, 403, 404, 405, 406))


class ProtocolError(SandboxError):
    """An error of the client. `code`: reply code; `method`: (class id, method id) of the method that caused it, filled
    in by the receiver when it is not known where the error is raised."""

    def __init__(self, code: int, detail: str, method: tuple[int, int] | None = None) -> None:
        super().__init__(f"{NAMES[code]} - {detail}")
        self.code, self.method = code, method

    @property
    def closes_connection(self) -> bool:
        """Hard errors close the connection, soft ones only their channel."""
        return self.code not in _CHANNEL_CODES


class FrameError(ProtocolError):
    """501: the boundaries of frames are lost, or a frame's content cannot be read."""

    def __init__(self, detail: str, method: tuple[int, int] | None = None) -> None:
        super().__init__(501, detail, method)


def malformed_frame(kind: int, payload: bytes, problem: str) -> FrameError:
    """501 in RabbitMQ's words, with the first octets of the frame and what is wrong with them."""
    return FrameError(f"{_first_octets(kind, payload)}: {problem}", (0, 0))


def unexpected_frame(kind: int, payload: bytes) -> ProtocolError:
    """505 for a frame that is not allowed at this point."""
    return ProtocolError(505, _first_octets(kind, payload), (0, 0))


def undecodable(arguments: bytes) -> FrameError:
    """501 for a method whose arguments cannot be read."""
    return FrameError(f"cannot decode <<{_numbers(arguments[:64])}>>")


def _first_octets(kind: int, payload: bytes) -> str:
    which = "all" if len(payload) <= 16 else "first 16"
    return f"type {kind}, {which} octets = {_erlang(payload[:16])}"


def _erlang(octets: bytes) -> str:
    """A binary as Erlang prints it: as text if it is text, as numbers otherwise."""
    text = octets.decode("latin-1")
    if octets and all(char.isprintable() for char in text):
        return '<<"' + text.replace("\\", "\\\\").replace('"', '\\"') + '">>'
    return f"<<{_numbers(octets)}>>"


def _numbers(octets: bytes) -> str:
    return ",".join(map(str, octets))

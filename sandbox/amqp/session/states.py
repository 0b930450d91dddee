"""Life cycles of connections and channels as transition tables (AMQP 0-9-1, § 2.2.4 and § 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from sandbox.kernel.errors import TransitionError


class ConnectionState(Enum):
    """The states of a connection, named after what the broker waits for."""

    __hash__ = object.__hash__  # compared by identity; Enum's own hash is slow, and steps are taken per frame

    HEADER = auto()  # the protocol header
    START_OK = auto()
    TUNE_OK = auto()
    OPEN = auto()
    RUNNING = auto()
    CLOSE_OK = auto()  # we have sent connection.close
    HANG_UP = auto()  # the client has sent connection.close, we have answered
    ENDED = auto()  # waits for nothing: the transport is flushed and closed


class ChannelState(Enum):
    """The states of a channel. A channel that is not open has no object, and so no state."""

    __hash__ = object.__hash__

    OPEN = auto()
    CONTENT_HEADER = auto()  # basic.publish was received
    CONTENT_BODY = auto()  # its header was received, the body is incomplete
    CLOSE_OK = auto()  # we have sent channel.close
    GONE = auto()


_C, _H = ConnectionState, ChannelState

CONNECTION: Mapping[ConnectionState, Mapping[str, ConnectionState]] = {
    _C.HEADER: {"header": _C.START_OK, "cut": _C.ENDED, "force": _C.ENDED},
    _C.START_OK: {"start-ok": _C.TUNE_OK, "refuse": _C.CLOSE_OK, "cut": _C.ENDED, "force": _C.ENDED},
    _C.TUNE_OK: {"tune-ok": _C.OPEN, "cut": _C.ENDED, "force": _C.ENDED},
    _C.OPEN: {
        "open": _C.RUNNING,
        "refuse": _C.CLOSE_OK,
        "cut": _C.ENDED,
        "force": _C.CLOSE_OK,
    },
    _C.RUNNING: {"refuse": _C.CLOSE_OK, "close": _C.HANG_UP, "cut": _C.ENDED, "force": _C.CLOSE_OK},
    _C.CLOSE_OK: {"close-ok": _C.ENDED, "close": _C.CLOSE_OK, "cut": _C.ENDED, "force": _C.CLOSE_OK},
    _C.HANG_UP: {"cut": _C.ENDED, "force": _C.ENDED},
    _C.ENDED: {"cut": _C.ENDED, "force": _C.ENDED},
}

CHANNEL: Mapping[ChannelState, Mapping[str, ChannelState]] = {
    _H.OPEN: {"publish": _H.CONTENT_HEADER, "refuse": _H.CLOSE_OK, "close": _H.GONE},
    _H.CONTENT_HEADER: {"header": _H.CONTENT_BODY, "complete": _H.OPEN, "refuse": _H.CLOSE_OK},
    _H.CONTENT_BODY: {"complete": _H.OPEN, "refuse": _H.CLOSE_OK},
    _H.CLOSE_OK: {"close-ok": _H.GONE, "close": _H.CLOSE_OK},
    _H.GONE: {},
}


def connection_step(state: ConnectionState, event: str) -> ConnectionState:
    """The next state; raises TransitionError when the table has no such step."""
    try:
        return CONNECTION[state][event]
    except KeyError:
        raise TransitionError(f"connection: no '{event}' in state {state.name}") from None


def channel_step(state: ChannelState, event: str) -> ChannelState:
    """The next state; raises TransitionError when the table has no such step."""
    try:
        return CHANNEL[state][event]
    except KeyError:
        raise TransitionError(f"channel: no '{event}' in state {state.name}") from None

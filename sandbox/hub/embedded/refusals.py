"""Channels and connections that the embedded broker closed for an error, by client and reply code, for integrators who
look for the reason. Each is also journalled as one Exchange.
"""

from __future__ import annotations

from sandbox.amqp.errors import ProtocolError
from sandbox.kernel.bounded import make_room
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.report import RefusalState
from sandbox.net.context import Context

MOST = 100
_STOPPED = 320  # 320: the broker stops, or a client was removed; this is no error of a client


class Refusals:
    """The refusals since the start of the hub, at most MOST rows."""

    def __init__(self, context: Context) -> None:
        self._clock, self._journal = context.clock, context.journal_of("hub")
        self._found: dict[tuple[str, int], RefusalState] = {}

    def add(self, client: str, error: ProtocolError) -> None:
        """Count one more. `client`: empty when its login was refused."""
        if error.code == _STOPPED:
            return
        key, at, text = (client, error.code), self._clock.now().timestamp(), str(error)[:255]
        before = self._found.pop(key, None)
        make_room(self._found, MOST)
        self._found[key] = RefusalState(client, error.code, before.count + 1 if before else 1, text, at)
        action = "connection.close" if error.closes_connection else "channel.close"
        self._journal.sent(Flow.INT_L02, action, client, status=error.code, note=text)

    def latest(self) -> tuple[RefusalState, ...]:
        """A row per client and code, the latest first."""
        return tuple(reversed(self._found.values()))

"""The channels and connections that the embedded broker closed, by client and reply code: what an integrator looks for
when his client was thrown out. One Exchange each goes to the journal too."""

from __future__ import annotations

from sandbox.amqp.errors import ProtocolError
from sandbox.kernel.bounded import make_room
from sandbox.kernel.flows import Flow
from sandbox.kernel.hub.report import RefusalState
from sandbox.kernel.journal import Exchange
from sandbox.net.context import Context

MOST = 100
_STOPPED = 320  # the broker stops, or a client was taken away: nobody did anything wrong


class Refusals:
    """Those since the start."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: dict[tuple[str, int], RefusalState] = {}

    def add(self, client: str, error: ProtocolError) -> None:
        """One more. `client`: empty when it was not let in."""
        if error.code == _STOPPED:
            return
        key, at, text = (client, error.code), self._context.clock.now().timestamp(), str(error)[:255]
        before = self._found.pop(key, None)
        make_room(self._found, MOST)
        self._found[key] = RefusalState(client, error.code, before.count + 1 if before else 1, text, at)
        action = "connection.close" if error.closes_connection else "channel.close"
        self._context.journal.put(
            Exchange(at, "hub", Flow.INT_L02, "out", action, client, status=error.code, note=text)
        )

    def latest(self) -> tuple[RefusalState, ...]:
        """By client and code, the latest first."""
        return tuple(reversed(self._found.values()))

"""The rights of users, and how a client proves who it is. Pure.

The hub's users have configure `^$`, write `^hubsante$`, read on their own three queues, and a topic right for their
own id (guide, « Hub Santé »; refusals as RabbitMQ 3.10 words them). A passive declare needs no right.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sandbox.amqp.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one user. `topics`: exchange -> the routing keys it may publish with; with other exchanges any key.
    `operator`: the user may delete queues, as the dispatcher's user may on a RabbitMQ; no user may change the rest of
    the topology."""

    user: str
    vhosts: frozenset[str]
    readable: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()
    topics: tuple[tuple[str, frozenset[str]], ...] = ()
    operator: bool = False

    def enter(self, vhost: str, known: bool) -> None:
        """Check that the user may open a connection. Raises ProtocolError 530 for a vhost that is unknown or
        refused."""
        if not known:
            raise ProtocolError(530, f"vhost {vhost} not found")
        if vhost not in self.vhosts:
            raise ProtocolError(530, f"access to vhost '{vhost}' refused for user '{self.user}'")

    def read(self, vhost: str, queue: str) -> None:
        """Check that the user may consume, get and purge. Raises ProtocolError 403."""
        if queue not in self.readable:
            raise self.refuse("queue", queue, vhost)

    def delete(self, vhost: str, queue: str) -> None:
        """Check that the user may delete a queue. Raises ProtocolError 403."""
        if not self.operator:
            raise self.refuse("queue", queue, vhost)

    def publish(self, vhost: str, exchange: str, routing_key: str) -> None:
        """Check that the user may publish. Raises ProtocolError 403 for the exchange, or for the topic."""
        if exchange not in self.writable:
            raise self.refuse("exchange", exchange or "amq.default", vhost)
        for name, keys in self.topics:
            if name == exchange and routing_key not in keys:
                raise ProtocolError(
                    403,
                    f"access to topic '{routing_key}' in exchange '{exchange}' in vhost '{vhost}'"
                    f" refused for user '{self.user}'",
                )

    def refuse(self, kind: str, name: str, vhost: str) -> ProtocolError:
        """Raise ProtocolError 403 for a queue or an exchange."""
        return ProtocolError(403, f"access to {kind} '{name}' in vhost '{vhost}' refused for user '{self.user}'")


class Authenticator(Protocol):
    """How clients prove who they are."""

    @property
    def mechanisms(self) -> str:
        """What connection.start offers, separated by blanks."""
        ...

    def login(self, response: bytes) -> Rights | None:
        """The rights of the user with this response of SASL; None when the login is refused."""
        ...


@dataclass(frozen=True, slots=True)
class External:
    """SASL EXTERNAL: the certificate's CN alone decides, the response is ignored (clients put anything there)."""

    common_name: str
    rights: Callable[[str], Rights | None]
    mechanisms: str = "EXTERNAL"

    def login(self, response: bytes) -> Rights | None:
        """The rights of the certificate's CN."""
        return self.rights(self.common_name)


@dataclass(frozen=True, slots=True)
class Plain:
    """SASL PLAIN (RFC 4616): `[authzid] NUL user NUL password`, one password for all clients."""

    password: str
    rights: Callable[[str], Rights | None]
    mechanisms: str = "PLAIN"

    def login(self, response: bytes) -> Rights | None:
        """The rights of the user when the password is right."""
        parts = response.split(b"\0")
        if len(parts) != 3 or not hmac.compare_digest(parts[2], self.password.encode()):
            return None
        return self.rights(parts[1].decode(errors="replace"))

"""What every role is given when it is built (`Context`) and what it must offer (`Service`): the contract between
`ecosystem` and the actors."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.config import Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy, seeded
from sandbox.kernel.journal import ActorJournal, Journal
from sandbox.kernel.world import WorldView
from sandbox.pki.authority import Pki
from sandbox.population.people import Population


@dataclass(frozen=True)
class Context:
    """What one role is given. `sockets`: bound, not yet listening, by port offset; `pki` None with `--no-mtls`."""

    settings: Settings
    world: WorldView
    clock: Clock
    journal: Journal
    entropy: Entropy
    population: Population
    sockets: Mapping[int, socket.socket]
    pki: Pki | None
    master_secret: bytes

    def secret(self, purpose: str) -> str:
        """A secret that every role derives alike and that survives restarts (cookie keys, OIDC client secrets)."""
        return derived_secret(self.master_secret, purpose)

    @property
    def admin_token(self) -> str:
        """The token that the control plane asks for; "" when only this machine can reach it and none was configured."""
        return admin_token(self.settings, self.master_secret)

    def lrm_password(self, client_id: str) -> str:
        """The password of an LRM's pages, asked for when other machines can reach them; "" when they cannot."""
        return self.secret(f"lrm-password:{client_id}")[:24] if self.settings.exposed else ""

    def lrm_passwords(self, client_ids: Iterable[str]) -> tuple[str, ...]:
        """The passwords of these LRMs, and the administration token, which is accepted too; empty when no password is
        asked for."""
        if not self.settings.exposed:
            return ()
        return (*map(self.lrm_password, client_ids), self.admin_token)

    def chance(self, purpose: str) -> Callable[[], float]:
        """A source of numbers in [0, 1) derived from the seed. Faults draw from it, so that a run can be repeated."""
        return seeded(f"{self.settings.seed}/{purpose}").chance

    def journal_of(self, actor: str) -> ActorJournal:
        """The journal for the exchanges of one actor, e.g. `sas` or `lrm:fr.health.samu330`."""
        return ActorJournal(self.journal, self.clock, actor)

    def cookie(self, role: str) -> str:
        """Cookie name: cookies ignore ports, so it names the sandbox and the role."""
        return f"sas_sandbox_{self.settings.port_base}_{role.replace('-', '_')}"

    def store_dir(self, role: str) -> Path:
        """The directory of a role's durable store."""
        return self.settings.data / role


def derived_secret(master: bytes, purpose: str) -> str:
    """The secret of a purpose: 64 hexadecimal digits, from which the master secret cannot be found."""
    return hmac.new(master, purpose.encode(), hashlib.sha256).hexdigest()


def admin_token(settings: Settings, master: bytes) -> str:
    """The token of the control plane: the configured one, else a derived one where other machines reach its port."""
    if settings.admin_token is not None:
        return settings.admin_token
    return derived_secret(master, "admin-token") if settings.exposed else ""


class Service(Protocol):
    """A running role. `start` returns once it answers; `stop` drains (bounded to 3 s) and closes its store."""

    async def start(self) -> None:
        """Open the store, start workers, then listeners."""
        ...

    async def stop(self) -> None:
        """Stop listeners, then workers, then the store."""
        ...

    def health(self) -> dict[str, object]:
        """Small JSON: what an operator wants to see first (queue depths, counts)."""
        ...

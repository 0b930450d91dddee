"""What every role is given when it is built, and what it owes: the contract between `ecosystem` and the actors."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.config import Settings
from sandbox.kernel.clock import Clock
from sandbox.kernel.entropy import Entropy, seeded
from sandbox.kernel.journal import Journal
from sandbox.kernel.world import WorldView
from sandbox.pki.authority import Pki
from sandbox.population.people import Population


@dataclass(frozen=True)
class Context:
    """One role's surroundings. `sockets`: bound, not yet listening, by port offset; `pki` None with `--no-mtls`."""

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

    def chance(self, purpose: str) -> Callable[[], float]:
        """Numbers in [0, 1) that follow from the seed: what faults draw, so that a run can be played again."""
        return seeded(f"{self.settings.seed}/{purpose}").chance

    def cookie(self, role: str) -> str:
        """Cookie name: cookies ignore ports, so it names the sandbox and the role."""
        return f"sas_sandbox_{self.settings.port_base}_{role.replace('-', '_')}"

    def store_dir(self, role: str) -> Path:
        """Where a role keeps what it must not lose."""
        return self.settings.data / role


def derived_secret(master: bytes, purpose: str) -> str:
    """The secret of a purpose: 64 hexadecimal digits that tell nothing of the master's."""
    return hmac.new(master, purpose.encode(), hashlib.sha256).hexdigest()


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

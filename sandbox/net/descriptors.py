"""Limits of connections when file descriptors run short: ports for partners leave some descriptors to the consoles, and
consoles leave some to files and outgoing calls.

The kernel gives the lowest free descriptor, so the descriptor of a new connection shows how many are in use.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import ModuleType

resource: ModuleType | None = None
with contextlib.suppress(ImportError):  # Windows limits them in another way
    import resource

ENOUGH = 65_536
MOST_CONNECTIONS = 2000  # of one port, even when more descriptors are available
LEFT_BY_PARTNERS = 64  # the consoles leave only the next number; both leave fewer when the system's limit is small
LEFT_BY_CONSOLES = 24


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many connections a port may have.

    `console`: people use it; a port for other software leaves them some descriptors when those run short.
    `per_certificate`: connections of one client certificate, None for three quarters of all; those beyond are refused.
    `most`: connections of the whole port, None for what the system's limit admits.
    """

    console: bool = True
    per_certificate: int | None = None
    most: int | None = None

    @property
    def connections(self) -> int:
        """How many connections the whole port may have."""
        return self.most or most_connections(console=self.console)

    @property
    def of_one_certificate(self) -> int:
        """How many connections one client certificate may have."""
        return self.per_certificate or self.connections - self.connections // 4


FOR_PEOPLE, FOR_PARTNERS = Capacity(), Capacity(console=False)


def raise_limit() -> None:
    """Let this process have ENOUGH descriptors, or as many as the system allows it."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def highest(*, console: bool) -> int:
    """The first descriptor that a connection of such a port may not have."""
    if resource is None:
        return 1 << 30
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    left = min(LEFT_BY_CONSOLES, soft // 8) if console else min(LEFT_BY_PARTNERS, soft // 4)
    return int(soft - left)


def most_connections(*, console: bool) -> int:
    """How many connections one such port may have: half of the descriptors for a port for partners, a sixteenth for a
    console."""
    return max(4, min(MOST_CONNECTIONS, highest(console=console) // (16 if console else 2)))

"""The source of identifiers, secrets and chance. It is injected, so that tests get reproducible values."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable


class Entropy:
    """Fresh identifiers and secrets from a source of octets (`os.urandom`, or a seeded one in tests)."""

    def __init__(self, octets: Callable[[int], bytes]) -> None:
        self.octets = octets

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(bytes=self.octets(16), version=4))

    def token(self, size: int = 32) -> str:
        """A URL-safe secret of `size` octets, hexadecimal."""
        return self.octets(size).hex()

    def chance(self) -> float:
        """A number in [0, 1)."""
        return (int.from_bytes(self.octets(7), "big") >> 3) / (1 << 53)  # 53 bits: the precision of a float


def seeded(seed: int | str) -> Entropy:
    """A reproducible source: octets are a hash chain of `seed`."""
    counter = 0

    def octets(size: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(f"{seed}/{counter}".encode()).digest(size)

    return Entropy(octets)

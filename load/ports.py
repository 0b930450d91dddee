"""Finds free ports for a further sandbox on the machine."""

from __future__ import annotations

import contextlib
import os
import socket

from sandbox.ground import PORT_NAMES

FIRST, LAST = 10_000, 32_700  # below the range that systems use for outgoing connections


def free_base() -> int:
    """A port base of which every port is free now. Bases are 100 apart, so that sandboxes do not overlap; each process
    starts its search at another base. Raises RuntimeError when there is none.
    """
    bases = list(range(FIRST, LAST, 100))
    start = os.getpid() * 7 % len(bases)
    for base in bases[start:] + bases[:start]:
        if _is_free(base):
            return base
    raise RuntimeError("no free ports")


def _is_free(base: int) -> bool:
    with contextlib.ExitStack() as stack:
        try:
            for offset in PORT_NAMES:
                probe = stack.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", base + offset))
        except OSError:
            return False
    return True

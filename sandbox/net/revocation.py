"""TLS contexts that follow the revocation list: a revoked certificate is refused from the next handshake on.

The list is a file that is replaced as a whole. Before each handshake one `stat` shows whether it was replaced; if so,
the context is made again. Existing connections keep the context that they were made with.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from typing import Literal, TypeAlias

from sandbox.net.tls import server_context
from sandbox.pki.authority import Pki

_log = logging.getLogger(__name__)

Contexts: TypeAlias = Callable[[], ssl.SSLContext]


class Following:
    """Called for each handshake, it gives the context that `make` built last. Creating it raises what `make` raises."""

    def __init__(self, pki: Pki, make: Callable[[], ssl.SSLContext]) -> None:
        self._path, self._make = pki.crl, make
        self._seen = _stamp(os.stat(pki.crl))
        self._context = make()

    def __call__(self) -> ssl.SSLContext:
        """The context for the next handshake; the previous one when the list or a certificate cannot be read."""
        try:
            stamp = _stamp(os.stat(self._path))
            if stamp != self._seen:
                self._context, self._seen = self._make(), stamp
        except OSError as error:  # ssl.SSLError is one
            _log.warning("%s: the revocation list cannot be read again: %s", self._path, error)
        return self._context


def listener_contexts(pki: Pki | None, *, client_certificate: Literal["required", "optional"]) -> Contexts | None:
    """For a listener: `server_context` that follows the revocation list; None without TLS."""
    if pki is None:
        return None
    return Following(pki, lambda: server_context(pki, client_certificate=client_certificate))


def always(context: ssl.SSLContext) -> Contexts:
    """The same context for every handshake."""
    return lambda: context


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_ino, status.st_size

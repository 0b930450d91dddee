"""TLS to a server whose certificate must be valid for its host and also have the expected CN and OU.

The check is part of the handshake: nothing is sent to any other server (guide, « Sécurisation des
échanges » : chaque côté vérifie CN et OU).
"""

from __future__ import annotations

import ssl

from sandbox.net.tls import client_context, parse_peer
from sandbox.pki.authority import Pki
from sandbox.pki.subjects import Subject


def expecting_context(pki: Pki, name: str | None, expected: Subject | None) -> ssl.SSLContext:
    """`client_context`, and the server's certificate must name `expected` (None: any of our CA that names its host)."""
    context = client_context(pki, name)
    if expected is not None:
        context.sslobject_class = type("Expecting", (_Expecting,), {"expected": expected})
    return context


class _Expecting(ssl.SSLObject):
    expected: Subject

    def do_handshake(self) -> None:
        """The handshake, then the check of the certificate's names. Raises ssl.SSLError."""
        super().do_handshake()
        peer = parse_peer(self.getpeercert())
        if peer is None or (peer.cn, peer.ou) != (self.expected.cn, self.expected.ou):
            found = f"CN '{peer.cn}' with OU '{peer.ou}'" if peer is not None else "no certificate"
            message = f"{found} is not what was agreed (CN '{self.expected.cn}' with OU '{self.expected.ou}')"
            error = ssl.SSLCertVerificationError(1, message)
            error.verify_message = message
            raise error

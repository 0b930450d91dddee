"""TLS towards a server that must show the CN and the OU that were agreed, beside a good certificate for its host.

The check is part of the handshake: nothing is sent to a server that is somebody else (guide, « Sécurisation des
échanges » : chaque côté vérifie CN et OU).
"""

from __future__ import annotations

import ssl

from sandbox.net.tls import client_context, parse_peer
from sandbox.pki.authority import Pki
from sandbox.pki.subjects import Subject


def agreed_context(pki: Pki, name: str | None, agreed: Subject | None) -> ssl.SSLContext:
    """`client_context`, and the server's certificate must name `agreed` (None: any of our CA that names its host)."""
    context = client_context(pki, name)
    if agreed is not None:
        context.sslobject_class = type("Agreed", (_Agreed,), {"agreed": agreed})
    return context


class _Agreed(ssl.SSLObject):
    agreed: Subject

    def do_handshake(self) -> None:
        """The handshake, then the look at the certificate. Raises ssl.SSLError."""
        super().do_handshake()
        peer = parse_peer(self.getpeercert())
        if peer is None or (peer.cn, peer.ou) != (self.agreed.cn, self.agreed.ou):
            found = f"CN '{peer.cn}' with OU '{peer.ou}'" if peer is not None else "no certificate"
            message = f"{found} is not what was agreed (CN '{self.agreed.cn}' with OU '{self.agreed.ou}')"
            error = ssl.SSLCertVerificationError(1, message)
            error.verify_message = message
            raise error

"""Renews the PKI's directory: keeps the certificates that still hold, makes the others, and writes the manifest last.

Every entry names the authority it came from, so a new authority renews everything, and nothing else does. What was
revoked by hand is made again.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.pki.bad_certificates import bad_order
from sandbox.pki.directory import NEAR, PkiDirectory
from sandbox.pki.issuing import LEAF_LIFE, SKEW, Order, Pair, issue, make_root
from sandbox.pki.subjects import BAD_KINDS, Subject, server_subject

_OTHER = "AC étrangère (bac à sable)"


class Renewal(PkiDirectory):
    """Renewal at one instant. Raises OSError when the directory cannot be written."""

    def run(
        self,
        hosts: tuple[str, ...],
        clients: Mapping[str, Subject],
        servers: Mapping[str, tuple[Subject, tuple[str, ...]]],
        bad_like: Subject,
    ) -> None:
        """Make whatever is missing or does not hold any more."""
        self.good("server", self._order(server_subject(hosts[0]), "server", hosts))
        for name, subject in clients.items():
            self.good(name, self._order(subject, "client", (subject.cn,)))
        for name, (subject, names) in servers.items():
            self.good(name, self._order(subject, "server", names))
        for kind in BAD_KINDS:
            self._bad(kind, bad_order(kind, bad_like, hosts, self.now))
        self.manifest.clients, self.manifest.servers = tuple(clients), tuple(servers)
        self.save()

    def _order(self, subject: Subject, usage: str, hosts: tuple[str, ...]) -> Order:
        return Order(subject, usage, hosts, self.now - SKEW, self.now + LEAF_LIFE)

    def _bad(self, kind: str, order: Order) -> None:
        """A certificate that its peers must refuse; kept as long as it is bad for its own reason only."""
        name = f"bad/{kind}"
        wanted = self.wanted(kind, order)
        if self.holds(name, wanted):
            return
        issuer: tuple[Pair, ...] = (self.issuer, self.root)
        if kind == "self_signed":
            issuer = ()
        elif kind == "other_ca":
            issuer = (make_root(_OTHER, self.now),)
        ends = order.since if kind == "not_yet_valid" else self.now + LEAF_LIFE
        files = self.files(name, issue(order, issuer[0] if issuer else None), issuer)
        self.manifest.write(self.directory, name, wanted, (self.now - SKEW, ends - NEAR), files)

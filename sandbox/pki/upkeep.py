"""One round of upkeep of the PKI's directory: keeps what holds, makes the rest, writes the manifest last.

Every entry names the authority it came from, so a new authority renews everything, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from sandbox.pki.bad import bad_order
from sandbox.pki.issuing import (
    CA_LIFE,
    CRL_LIFE,
    LEAF_LIFE,
    SKEW,
    Order,
    Pair,
    issue,
    make_intermediate,
    make_root,
    pkcs12_bytes,
    read_pair,
    read_serial,
    revocation_list,
)
from sandbox.pki.manifest import Manifest, read_manifest
from sandbox.pki.subjects import BAD_KINDS, Subject, server_subject

NEAR = timedelta(days=30)  # what ends within it is made again

_ROOT = "AC racine IGC-Santé (bac à sable)"
_INTERMEDIATE = "AC intermédiaire IGC-Santé (bac à sable)"
_OTHER = "AC étrangère (bac à sable)"


class Upkeep:
    """Upkeep at one instant. Raises OSError when the directory cannot be written."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory, self._now = directory, now
        for folder in (directory, directory / "bad", directory / "authority"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        self._manifest = read_manifest(directory) or Manifest()
        self._before = msgspec.json.encode(self._manifest)
        self._root, self._issuer = self._authority()
        self._id = f"{self._issuer.cert.serial_number:x}"

    def run(self, hosts: tuple[str, ...], clients: Mapping[str, Subject], bad_like: Subject) -> None:
        """Bring everything to what is asked for."""
        self._leaf("server", self._good(server_subject(hosts[0]), "server", hosts))
        for name, subject in clients.items():
            self._leaf(name, self._good(subject, "client", (subject.cn,)))
        for kind in BAD_KINDS:
            self._bad(kind, bad_order(kind, bad_like, hosts, self._now))
        self._revocations()
        self._manifest.clients = tuple(clients)
        if msgspec.json.encode(self._manifest) != self._before:
            self._manifest.save(self._directory)

    def _authority(self) -> tuple[Pair, Pair]:
        """Root and intermediate, from their files, or fresh when they do not hold."""
        folder = self._directory / "authority"
        if self._manifest.holds(self._directory, "authority", "", self._now):
            pems = [(folder / f"{name}{end}").read_bytes() for name in ("root", "issuer") for end in (".pem", ".key")]
            return read_pair(*pems[:2]), read_pair(*pems[2:])
        root = make_root(_ROOT, self._now)
        issuer = make_intermediate(root, _INTERMEDIATE, self._now)
        files = {
            "authority/root.pem": root.pem,
            "authority/root.key": root.key_pem,
            "authority/issuer.pem": issuer.pem,
            "authority/issuer.key": issuer.key_pem,
            "ca.pem": root.pem + issuer.pem,
        }
        window = (self._now - SKEW, self._now + CA_LIFE - LEAF_LIFE - NEAR)  # no leaf outlives its authority
        self._manifest.write(self._directory, "authority", "", window, files)
        return root, issuer

    def _good(self, subject: Subject, usage: str, hosts: tuple[str, ...]) -> Order:
        return Order(subject, usage, hosts, self._now - SKEW, self._now + LEAF_LIFE)

    def _leaf(self, name: str, order: Order) -> None:
        """A certificate that its peers must accept."""
        wanted = self._wanted(name, order)
        if not self._holds(name, wanted):
            pair = issue(order, self._issuer)
            self._keep(name, wanted, (order.since, order.until - NEAR), pair, (self._issuer, self._root))

    def _bad(self, kind: str, order: Order) -> None:
        """A certificate that its peers must refuse; kept as long as it is bad for its own reason only."""
        name = f"bad/{kind}"
        wanted = self._wanted(kind, order)
        if self._holds(name, wanted):
            return
        issuer: tuple[Pair, ...] = (self._issuer, self._root)
        if kind == "self_signed":
            issuer = ()
        elif kind == "other_ca":
            issuer = (make_root(_OTHER, self._now),)
        ends = order.since if kind == "not_yet_valid" else self._now + LEAF_LIFE
        pair = issue(order, issuer[0] if issuer else None)
        self._keep(name, wanted, (self._now - SKEW, ends - NEAR), pair, issuer)

    def _revocations(self) -> None:
        revoked = (self._directory / "bad/revoked.pem").read_bytes()
        serial = read_serial(revoked)
        wanted = f"{self._id} {serial:x}"
        if not self._holds("crl", wanted):
            content = revocation_list(self._issuer, [serial], self._now) + revocation_list(self._root, [], self._now)
            window = (self._now - SKEW, self._now + CRL_LIFE - NEAR)
            self._manifest.write(self._directory, "crl", wanted, window, {"crl.pem": content})

    def _keep(
        self, name: str, wanted: str, window: tuple[datetime, datetime], pair: Pair, chain: tuple[Pair, ...]
    ) -> None:
        """Write the three files. The PEM goes up to its direct issuer, the PKCS#12 up to the root."""
        files = {
            f"{name}.key": pair.key_pem,
            f"{name}.pem": pair.pem + b"".join(link.pem for link in chain[:1]),
            f"{name}.p12": pkcs12_bytes(name, pair, chain),
        }
        self._manifest.write(self._directory, name, wanted, window, files)

    def _holds(self, name: str, wanted: str) -> bool:
        return self._manifest.holds(self._directory, name, wanted, self._now)

    def _wanted(self, kind: str, order: Order) -> str:
        subject = order.subject
        return msgspec.json.encode(
            [self._id, kind, subject.cn, subject.ou, subject.o, order.usage, order.hosts]
        ).decode()

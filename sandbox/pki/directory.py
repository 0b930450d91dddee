"""Changes to the PKI's directory: its authority, its manifest, and how one certificate is made.

It is opened under the directory's lock (`manifest.locked`), works at one instant, and is saved last.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from sandbox.kernel.errors import UsageError
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
from sandbox.pki.manifest import Manifest, Revocation, private_folder, read_manifest

NEAR = timedelta(days=30)  # what ends within it is made again

REVOKED = ("bad/revoked", "kit/invalid_revoked_certificate")  # revoked as soon as they are made

_ROOT = "AC racine IGC-Santé (bac à sable)"
_INTERMEDIATE = "AC intermédiaire IGC-Santé (bac à sable)"


class PkiDirectory:
    """Work on a directory at one instant. Raises OSError when the directory cannot be written."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self.directory, self.now = directory, now
        for folder in (directory, *(directory / name for name in ("bad", "authority", "issued", "kit"))):
            private_folder(folder)
        self.manifest = read_manifest(directory) or Manifest()
        self._before = msgspec.json.encode(self.manifest)
        self.root, self.issuer = self._authority()
        self.id = f"{self.issuer.cert.serial_number:x}"

    def save(self) -> None:
        """Bring the revocation lists up to date, then write the manifest when it has changed."""
        self._revocations()
        if msgspec.json.encode(self.manifest) != self._before:
            self.manifest.save(self.directory)

    def good(self, name: str, order: Order) -> None:
        """A certificate that its peers accept: kept while it holds and is not revoked."""
        wanted = self.wanted(name, order)
        if self.holds(name, wanted) and not self.is_revoked(name):
            return
        window = (order.since, order.until - NEAR)
        self.manifest.write(self.directory, name, wanted, window, self.files(name, issue(order, self.issuer)))

    def files(self, name: str, pair: Pair, chain: tuple[Pair, ...] | None = None) -> dict[str, bytes]:
        """The three files of a certificate. The PEM goes up to its direct issuer, the PKCS#12 up to the root."""
        chain = (self.issuer, self.root) if chain is None else chain
        return {
            f"{name}.key": pair.key_pem,
            f"{name}.pem": pair.pem + b"".join(link.pem for link in chain[:1]),
            f"{name}.p12": pkcs12_bytes(name, pair, chain),
        }

    def holds(self, name: str, wanted: str) -> bool:
        """True when an entry may be kept."""
        return self.manifest.holds(self.directory, name, wanted, self.now)

    def is_revoked(self, name: str) -> bool:
        """True when the certificate in `<name>.pem` was revoked."""
        if not self.manifest.revoked:
            return False
        return f"{read_serial((self.directory / f'{name}.pem').read_bytes()):x}" in self.manifest.revoked

    def wanted(self, kind: str, order: Order) -> str:
        """What an entry must have been made for in order to hold."""
        subject = order.subject
        return msgspec.json.encode(
            [self.id, kind, subject.cn, subject.ou, subject.o, order.usage, order.hosts]
        ).decode()

    def _authority(self) -> tuple[Pair, Pair]:
        """Root and intermediate, from their files, or fresh when they do not hold (their files are gone, say).

        Raises UsageError when a file of theirs is damaged: a new authority would silently invalidate every certificate
        that was issued.
        """
        folder = self.directory / "authority"
        if (damaged := self.manifest.damaged(self.directory, "authority", self.now)) is not None:
            raise UsageError(f"'{damaged}' is damaged: put it back, or remove it to have all certificates made anew")
        if self.manifest.holds(self.directory, "authority", "", self.now):
            pems = [(folder / f"{name}{end}").read_bytes() for name in ("root", "issuer") for end in (".pem", ".key")]
            return read_pair(*pems[:2]), read_pair(*pems[2:])
        root = make_root(_ROOT, self.now)
        issuer = make_intermediate(root, _INTERMEDIATE, self.now)
        files = {
            "authority/root.pem": root.pem,
            "authority/root.key": root.key_pem,
            "authority/issuer.pem": issuer.pem,
            "authority/issuer.key": issuer.key_pem,
            "ca.pem": root.pem + issuer.pem,
        }
        window = (self.now - SKEW, self.now + CA_LIFE - LEAF_LIFE - NEAR)  # no leaf outlives its authority
        self.manifest.write(self.directory, "authority", "", window, files)
        return root, issuer

    def _revocations(self) -> None:
        """The lists of both authorities, made again when what is revoked has changed."""
        manifest = self.manifest
        manifest.revoked = {serial: one for serial, one in manifest.revoked.items() if self.now < one.until}
        revoked = {int(serial, 16): one.at for serial, one in manifest.revoked.items()}
        for name in REVOKED:
            path = self.directory / f"{name}.pem"
            if path.exists():
                revoked[read_serial(path.read_bytes())] = self.now - SKEW
        wanted = " ".join([self.id, *(f"{serial:x}" for serial in sorted(revoked))])
        if self.holds("crl", wanted):
            return
        manifest.crl_number = max(manifest.crl_number + 1, int(self.now.timestamp()))
        content = revocation_list(self.issuer, revoked, self.now, manifest.crl_number)
        content += revocation_list(self.root, {}, self.now, manifest.crl_number)
        window = (self.now - SKEW, self.now + CRL_LIFE - NEAR)
        manifest.write(self.directory, "crl", wanted, window, {"crl.pem": content})

    def revoke_serial(self, serial: str, until: datetime) -> None:
        """Put a certificate on the revocation list; it is there after `save`."""
        self.manifest.revoked[serial] = Revocation(self.now, until)

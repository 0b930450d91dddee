"""Certificates that people request from the authority, while a sandbox runs or before its first start.

Certificates are issued under a name that is used once, listed with their state, and revoked by name or serial
number. What is revoked is on `crl.pem` when `revoke` returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from sandbox.kernel.errors import UsageError
from sandbox.pki.directory import REVOKED, PkiDirectory
from sandbox.pki.issuing import LEAF_LIFE, SKEW, Order, issue
from sandbox.pki.manifest import Issued, write_private
from sandbox.pki.names import usable_host, usable_name
from sandbox.pki.subjects import Subject

_NO_LEAF = ("authority", "crl")  # entries of the manifest that are no end entity's


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. `kind`: `sandbox`, `issued`, `bad` or `kit`; `state`: valid, expired, future, revoked, foreign.

    `foreign`: its authority is gone, or was never ours. `serial`: hexadecimal.
    """

    name: str
    kind: str
    state: str
    serial: str
    cn: str
    ou: str
    until: datetime


class CertificateService(PkiDirectory):
    """Issue, list and revoke, as of one instant."""

    def issue(self, name: str, subject: Subject, hosts: tuple[str, ...], out: Path | None) -> tuple[Issued, Path]:
        """A certificate for both sides of TLS, its files `<name>.pem`, `.key` and `.p12` in `out` (`issued/` without).

        `hosts`: names and addresses of the SAN, beside the CN when that can be one. Raises UsageError: a name that
        cannot be a file's or is taken, a host that is none, a file that exists; OSError.
        """
        folder = self.directory / "issued" if out is None else out
        self._refuse_name(name, folder)
        names = tuple(dict.fromkeys((subject.cn, *hosts) if usable_host(subject.cn) else hosts))
        for host in hosts:
            if not usable_host(host):
                raise UsageError(f"pki: '{host}' is neither a host name nor an IP address")
        pair = issue(Order(subject, "both", names, self.now - SKEW, self.now + LEAF_LIFE), self.issuer)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, content in self.files(name, pair).items():
            write_private(folder / file, content)
        issued = Issued(
            name=name,
            serial=f"{pair.cert.serial_number:x}",
            authority=self.id,
            cn=subject.cn,
            ou=subject.ou,
            since=self.now - SKEW,
            until=self.now + LEAF_LIFE,
        )
        self.manifest.issued.append(issued)
        self.save()
        return issued, folder

    def _refuse_name(self, name: str, folder: Path) -> None:
        if not usable_name(name):
            raise UsageError(
                f"pki: '{name}' cannot name a certificate (lower case, digits, '.', '_', '-'): give --name"
            )
        if name in self.manifest.entries:
            raise UsageError(f"pki: '{name}' is a certificate of the sandbox itself: give another --name")
        if any(one.name == name and one.authority == self.id for one in self.manifest.issued):
            raise UsageError(f"pki: a certificate named '{name}' was issued before: give another --name")
        for end in (".pem", ".key", ".p12"):
            if (folder / f"{name}{end}").exists() and folder != self.directory / "issued":
                raise UsageError(f"pki: {folder / (name + end)} exists: give another --name or --out")

    def revoke(self, wanted: str) -> Certificate:
        """Revoke the certificate of that name, or serial number (hexadecimal, colons allowed).

        Raises UsageError: none or several are meant, revoked before, or bad already; OSError.
        """
        serial = wanted.replace(":", "").lower().removeprefix("0x").lstrip("0")
        meant = [line for line in self.certificates() if line.name == wanted or line.serial == serial]
        meant = [line for line in meant if line.state != "foreign" or line.kind == "bad"]
        if not meant:
            raise UsageError(f"pki: no certificate has the name or serial number '{wanted}' (see: pki list)")
        if len(meant) > 1:
            raise UsageError(f"pki: several certificates are named '{wanted}': give the serial number (see: pki list)")
        line = meant[0]
        if line.state == "revoked":
            raise UsageError(f"pki: '{line.name}' (serial {line.serial}) is revoked already")
        if line.kind == "bad":
            raise UsageError(f"pki: '{line.name}' is a bad certificate already")
        self.revoke_serial(line.serial, line.until)
        self.save()
        return line

    def revoke_issued(self, cn: str) -> list[str]:
        """Revoke every certificate that was issued to that common name and still holds; their serial numbers. Raises
        OSError."""
        meant = [line for line in self.certificates() if (line.kind, line.cn) == ("issued", cn)]
        meant = [line for line in meant if line.state in ("valid", "future")]
        for line in meant:
            self.revoke_serial(line.serial, line.until)
        self.save()
        return [line.serial for line in meant]

    def free_name(self, name: str) -> str:
        """`name`, or the first of `<name>-2`, `<name>-3`, … that no certificate was issued under."""
        taken = {one.name for one in self.manifest.issued if one.authority == self.id}
        names = chain((name,), (f"{name}-{number}" for number in count(2)))
        return next(each for each in names if each not in taken)

    def certificates(self) -> Iterator[Certificate]:
        """Every end entity's certificate: the sandbox's own, those issued, the bad ones, those of the kit."""
        for name in self.manifest.entries:
            if name not in _NO_LEAF:
                yield self._certificate(name)
        for one in self.manifest.issued:
            state = self._state(one.serial, one.since, one.until) if one.authority == self.id else "foreign"
            yield Certificate(one.name, "issued", state, one.serial, one.cn, one.ou, one.until)

    def _certificate(self, name: str) -> Certificate:
        cert = x509.load_pem_x509_certificate((self.directory / f"{name}.pem").read_bytes())
        serial = f"{cert.serial_number:x}"
        state = self._state(serial, cert.not_valid_before_utc, cert.not_valid_after_utc)
        if not self._is_ours(cert):
            state = "foreign"
        elif name in REVOKED:
            state = "revoked"
        kind = name.partition("/")[0] if "/" in name else "sandbox"
        cn, ou = (str(cert.subject.get_attributes_for_oid(oid)[0].value) for oid in _NAMES)
        return Certificate(name, kind, state, serial, cn, ou, cert.not_valid_after_utc)

    def _is_ours(self, cert: x509.Certificate) -> bool:
        try:
            cert.verify_directly_issued_by(self.issuer.cert)
        except (ValueError, InvalidSignature):
            return False
        return True

    def _state(self, serial: str, since: datetime, until: datetime) -> str:
        if serial in self.manifest.revoked:
            return "revoked"
        if self.now < since:
            return "future"
        return "valid" if self.now < until else "expired"


_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)


def name_of(cn: str) -> str:
    """The name of a certificate for which none was given: its CN in lower case, other characters as `-`."""
    return re.sub(r"[^a-z0-9._-]+", "-", cn.lower()).strip("-._")

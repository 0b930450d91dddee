"""The PKI's directory: what is in it, and how it is made, kept and made again.

`ensure_pki` makes what is missing, near its end, or not as asked any more, and leaves the rest unchanged.
What a crash left half-written is made again (see `manifest`). Validity follows the real wall clock, which the
caller passes: the sandbox's own clock may be shifted, that of its TLS peers is not.

    ca.pem             root and intermediate        crl.pem     CRLs of both
    server.*           every TLS listener           <client>.*  sas, editors, hub clients
    bad/<kind>.*       what a peer must refuse      authority/  the CA's own keys
    <editor>.server.*  an external editor's server  issued/     what people asked for (`certificate_service.py`)

`.pem` is leaf and intermediate, `.key` PKCS#8 without a passphrase, `.p12` both, with the passphrase `sandbox`
(Java loads no key from a PKCS#12 without one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sandbox.kernel.errors import UsageError
from sandbox.pki.manifest import locked, read_manifest
from sandbox.pki.names import usable_name
from sandbox.pki.subjects import BAD_KINDS, Subject

_SERVER = ".server"

ALWAYS = ("localhost", "127.0.0.1", "::1")  # names of every listener, beside those asked for


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate with its chain, its private key, and both as PKCS#12."""

    cert: Path
    key: Path
    p12: Path


@dataclass(frozen=True)
class Pki:
    """The paths of the PKI's files. `clients`, `bad` and `servers` (those of external editors) by name."""

    directory: Path
    clients: Mapping[str, Credentials]
    bad: Mapping[str, Credentials]
    servers: Mapping[str, Credentials] = field(default_factory=dict)

    @property
    def ca(self) -> Path:
        """Trust anchors: root and intermediate."""
        return self.directory / "ca.pem"

    @property
    def crl(self) -> Path:
        """Revocation lists of root and intermediate."""
        return self.directory / "crl.pem"

    @property
    def server(self) -> Credentials:
        """What every listener shows."""
        return _credentials(self.directory, "server")

    def client(self, name: str) -> Credentials:
        """A client's certificate by name (`sas`, an editor's slug, a hub client id); KeyError when there is none."""
        return self.clients[name]


def ensure_pki(
    directory: Path,
    *,
    hosts: tuple[str, ...],
    clients: Mapping[str, Subject],
    now: datetime,
    bad_like: Subject,
    servers: Mapping[str, tuple[Subject, tuple[str, ...]]] | None = None,
) -> Pki:
    """The PKI with everything that is asked for, made where need be.

    `hosts`: what the listeners are called, the first one is the CN; `clients`: name -> subject; `now`: aware, real
    time; `bad_like`: whom the bad certificates pretend to be; `servers`: name -> subject and host names, for servers
    that are not ours, kept as `<name>.server.*`. Raises UsageError: a name that cannot be a file's, a directory that
    cannot be written.
    """
    others = {_server_entry(name): order for name, order in (servers or {}).items()}
    for name in (*clients, *others):
        if not usable_name(name):
            raise UsageError(f"pki: '{name}' cannot name a certificate (lower case, digits, '.', '_', '-')")
    from sandbox.pki.renewal import Renewal  # cryptography costs 0.2 s that a role process need not pay

    try:
        with locked(directory):
            Renewal(directory, now).run(_all_hosts(hosts), clients, others, bad_like)
    except OSError as error:
        raise UsageError(f"pki: {error.filename or directory}: {error.strerror}") from error
    return load_pki(directory)


def load_pki(directory: Path) -> Pki:
    """The PKI as it was made; never writes. Raises UsageError when there is none."""
    manifest = read_manifest(directory)
    if manifest is None:
        raise UsageError(f"pki: {directory} holds no PKI of this sandbox")
    return Pki(
        directory,
        {name: _credentials(directory, name) for name in manifest.clients},
        {kind: _credentials(directory, f"bad/{kind}") for kind in BAD_KINDS},
        {name.removesuffix(_SERVER): _credentials(directory, name) for name in manifest.servers},
    )


def _server_entry(name: str) -> str:
    return f"{name}{_SERVER}"


def _credentials(directory: Path, name: str) -> Credentials:
    return Credentials(directory / f"{name}.pem", directory / f"{name}.key", directory / f"{name}.p12")


def _all_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    named = (host.strip("[]") for host in hosts)
    return tuple(dict.fromkeys((*filter(None, named), *ALWAYS)))

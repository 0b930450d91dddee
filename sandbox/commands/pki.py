"""`sas-sandbox pki`: certificates for vendors from the authority of a data directory, whether or not a sandbox runs.

A revocation reaches the listeners of a running sandbox with their next handshake.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.config import Settings
from sandbox.kernel.errors import UsageError

if TYPE_CHECKING:
    from sandbox.pki.certificate_service import CertificateService

_ORGANIZATION = "Éditeur (bac à sable)"
_STATES = {
    "valid": "valide",
    "expired": "expiré",
    "future": "pas encore valide",
    "revoked": "révoqué",
    "foreign": "autre autorité",
}


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser("pki", help="issue, revoke, list and export certificates").add_subparsers(required=True)
    issue = _command(group, "issue", _issue, "issue a certificate for both sides of TLS")
    issue.add_argument("--cn", required=True, help="common name: host name, or client id of the hub")
    issue.add_argument("--ou", required=True, help="organizational unit: 3 + SIRET or 1 + FINESS")
    issue.add_argument("--o", default=_ORGANIZATION, help="organization (%(default)s)")
    issue.add_argument("--name", metavar="N", help="name of the files (the common name)")
    issue.add_argument(
        "--san", metavar="NAME", action="append", default=[], help="a host name or address more (may be repeated)"
    )
    issue.add_argument("--out", type=Path, metavar="DIR", help="where the files go (pki/issued in the data directory)")
    revoke = _command(group, "revoke", _revoke, "put a certificate on the revocation list")
    revoke.add_argument("which", metavar="NAME|SERIAL", help="as `pki list` shows them")
    _command(group, "list", _list, "list the certificates and their states")
    export = _command(group, "export", _export, "write the certificates of ANS's acceptance kit")
    export.add_argument("--kit", type=Path, metavar="DIR", required=True, help="directory of the kit's certificates")


def _command(
    group: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text)
    directory_options(parser)
    parser.set_defaults(run=run)
    return parser


@contextmanager
def certificate_service(options: argparse.Namespace, *, make: bool) -> Iterator[CertificateService]:
    """The certificate service of the data directory, under lock. A directory without a PKI is given one with `make`,
    else refused."""
    from sandbox.pki.authority import load_pki
    from sandbox.pki.certificate_service import CertificateService
    from sandbox.pki.manifest import FILE, locked

    settings = settings_of(options, "data_dir")
    directory = settings.data / "pki"
    try:
        if make and not (directory / FILE).exists():
            _make(settings)
        load_pki(directory)  # raises UsageError when there is none
        with locked(directory):
            yield CertificateService(directory, _now())
    except OSError as error:
        raise UsageError(f"pki: {error.filename or directory}: {error.strerror}") from error


def _make(settings: Settings) -> None:
    from sandbox.ecosystem import wall
    from sandbox.ground import make_pki
    from sandbox.population.load import load_population

    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_pki(settings, load_population(settings), wall)


def _now() -> datetime:
    from sandbox.ecosystem import wall

    return datetime.fromtimestamp(wall(), UTC)


def _issue(options: argparse.Namespace) -> int:
    from sandbox.pki.certificate_service import name_of
    from sandbox.pki.subjects import Subject

    try:
        subject = Subject(options.cn, options.ou, options.o)
    except ValueError as error:
        raise UsageError(f"pki: {error}") from None
    name = options.name or name_of(options.cn)
    out = options.out.absolute() if options.out else None
    with certificate_service(options, make=True) as service:
        issued, folder = service.issue(name, subject, tuple(options.san), out)
    print(f"{folder / name}.pem, .key, .p12 (mot de passe : sandbox)")
    print(f"numéro de série {issued.serial}, valable jusqu'au {issued.until:%Y-%m-%d}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    with certificate_service(options, make=False) as service:
        line = service.revoke(options.which)
    print(f"{line.name} (numéro de série {line.serial}) est révoqué")
    if line.kind == "sandbox":
        print("c'est un certificat du bac à sable : il en aura un nouveau au prochain démarrage")
    return 0


def _list(options: argparse.Namespace) -> int:
    with certificate_service(options, make=False) as service:
        lines = list(service.certificates())
    for line in lines:
        state = _STATES[line.state]
        print(f"{line.name:<36} {state:<18} {line.until:%Y-%m-%d}  {line.serial:<40}  CN={line.cn} OU={line.ou}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from sandbox.pki.kit import export_kit
    from sandbox.pki.subjects import sas_subject

    target = options.kit.absolute()
    with certificate_service(options, make=True) as service:
        names = export_kit(service, target, sas_subject())
    for name in names:
        print(target / name)
    return 0

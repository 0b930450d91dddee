"""`sas-sandbox init`: what a vendor needs to begin, before the first start too.

Into a directory of its own go the configuration (`<name>.yaml`), a sheet of what to check and of stable test data
(`LISEZMOI.md`), and for an editor its first appointment (`rendez-vous.json`) and what `check editor` must know of its
server (`recette.yaml`); the certificates go into the data directory. Everything follows from the name: the same name
gives the same ids, on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from sandbox.banner import quoted
from sandbox.commands.options import Commands, program, python
from sandbox.config import Settings, load_settings
from sandbox.kernel.errors import UsageError
from sandbox.kernel.identifiers import luhn_digit
from sandbox.kernel.text.shapes import explained
from sandbox.partners import HubClientId, SecureUrl, Slug, Text

if TYPE_CHECKING:
    from sandbox.population.people import Population

FHIR = "https://127.0.0.1:9443/fhir"
TOWN = "33063"
LINE = "1 rue du Dehors"
CLIENT_ID = "fr.health.samu330"
SHEET, APPOINTMENT, TARGET = "LISEZMOI.md", "rendez-vous.json", "recette.yaml"


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser("init", help="write what a vendor needs to begin").add_subparsers(required=True)
    editor = _command(group, "editor", _editor, "for a vendor of agendas: its FHIR server in the place of a fake one")
    editor.add_argument("--fhir", default=FHIR, metavar="URL", help="FHIR base of your server (%(default)s)")
    editor.add_argument("--town", default=TOWN, metavar="INSEE", help="town of your practitioner (%(default)s)")
    lrm = _command(group, "lrm", _lrm, "for a vendor of dispatch software: its LRM in the place of a fake one")
    lrm.add_argument("--client-id", default=CLIENT_ID, metavar="ID", help="your client id at the hub (%(default)s)")


def _command(
    group: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text)
    parser.add_argument("name", metavar="NAME", help="short name: lower-case letters, digits and hyphens")
    parser.add_argument("--title", metavar="TEXT", help="name that people read (made of NAME)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (a directory called NAME)")
    parser.add_argument("--data-dir", metavar="DIR", help="data directory of the sandbox (.sandbox)")
    parser.add_argument("--port-base", type=int, metavar="N", help="first port of the sandbox (8000)")
    parser.set_defaults(run=run)
    return parser


def _editor(options: argparse.Namespace) -> int:
    fhir = str(_checked(options.fhir, SecureUrl, "--fhir")).rstrip("/")
    values = {**_common(options), "fhir": fhir, "origin": f"https://{urlsplit(fhir).netloc}", "town": options.town}
    values |= _editor_ids(options.name)
    return _Start(options, values, "editor.yaml", "editor.md").run([(APPOINTMENT, APPOINTMENT), (TARGET, TARGET)])


def _lrm(options: argparse.Namespace) -> int:
    client_id = _checked(options.client_id, HubClientId, "--client-id")
    if client_id != client_id.lower():
        raise UsageError(f"init: --client-id: {client_id!r} is not usable (expected lower case)")
    return _Start(options, {**_common(options), "client_id": client_id}, "lrm.yaml", "lrm.md").run([])


def _common(options: argparse.Namespace) -> dict[str, Any]:
    name = _checked(options.name, Slug, "NAME")
    title = _checked(options.title or name.replace("-", " ").title(), Text, "--title")
    if not title.isprintable():
        raise UsageError(f"init: --title: {title!r} is not usable (expected one line)")
    out = options.out or Path(name)
    data = str(Path(options.data_dir).absolute()) if options.data_dir else None
    file = out / f"{name}.yaml"
    return {
        "name": name,
        "title": title,
        "file": quoted(str(file)),
        "out": quoted(str(out)),
        "data_dir": data,
        "port_base": options.port_base,
        "program": program(),
        "python": python(),
    }


def _editor_ids(name: str) -> dict[str, Any]:
    """Ids that follow from the name, of the kinds that the guide knows: RPPS, FINESS, SIRET (OU), OID, UUID."""
    from sandbox.pki.subjects import fictitious_finess, fictitious_siret

    number = zlib.crc32(name.encode()) % 1_000_000
    rpps = f"1980{number:06}"
    system = f"urn:oid:1.2.250.1.999.8.{number}"
    return {
        "practitioner": f"8{rpps}{luhn_digit(rpps)}",
        "structure": fictitious_finess(f"place of {name}"),
        "ou": fictitious_siret(name),
        "system": system,
        "appointment": str(uuid.uuid5(uuid.NAMESPACE_URL, system)),
        "line": LINE,
    }


def _checked(value: str, kind: Any, name: str) -> str:
    try:
        return str(msgspec.convert(value, kind))
    except msgspec.ValidationError as error:
        raise UsageError(f"init: {name}: {explained(error, kind, value)[1]}") from None


class _Start:
    """The files for one vendor: they are written once everything is known to be valid, and no existing file is
    overwritten."""

    def __init__(self, options: argparse.Namespace, values: Mapping[str, Any], config: str, sheet: str) -> None:
        self._values, self._config, self._sheet = dict(values), config, sheet
        self._out: Path = options.out or Path(options.name)

    def run(self, more: list[tuple[str, str]]) -> int:
        """Write everything; the next commands go to standard output. `more`: (template, name) of further files."""
        file = self._out / f"{self._values['name']}.yaml"
        names = [file.name, SHEET, *(name for _, name in more)]
        self._refuse_existing(names)
        try:
            self._write(file, [(self._sheet, SHEET), *more])
        except OSError as error:
            raise UsageError(f"init: {error.filename or self._out}: {error.strerror}") from None
        sys.stdout.write(self._render("next.txt"))
        return 0

    def _write(self, file: Path, others: list[tuple[str, str]]) -> None:
        """The configuration first: what is wrong with it is found out by reading it."""
        made = [each for each in (self._out, *self._out.parents) if not each.exists()]
        self._out.mkdir(parents=True, exist_ok=True)
        file.write_text(self._render(self._config), "utf-8")
        try:
            self._values |= self._prepared(file)
        except (UsageError, OSError) as error:
            file.unlink()
            for folder in made:
                folder.rmdir()
            if isinstance(error, UsageError):
                raise UsageError(f"init: {getattr(error, 'problem', error)}") from None
            raise
        for template, name in others:
            (self._out / name).write_text(self._render(template), "utf-8")

    def _refuse_existing(self, names: list[str]) -> None:
        for name in names:
            if (self._out / name).exists():
                raise UsageError(f"init: {self._out / name} exists: nothing is written over it (give another --out)")

    def _prepared(self, file: Path) -> dict[str, Any]:
        """Certificates, made where need be, and the values of the sheet. Raises UsageError: the file does not fit."""
        from sandbox.ecosystem import wall
        from sandbox.ground import make_pki, tell_apart
        from sandbox.population.load import load_population

        settings = load_settings({}, os.environ, file)
        population = load_population(settings)
        tell_apart(settings, population)
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_pki(settings, population, wall)
        return {**_told(settings, population), "seen_pki": _seen_from(self._out, settings.data / "pki")}

    def _render(self, template: str) -> str:
        return str(_templates().get_template(template).render(self._values))


def _seen_from(folder: Path, path: Path) -> str:
    """A path as a file in `folder` names it: relative, and absolute on another drive of Windows."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).with_name("templates"))
    made = Environment(loader=folder, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    made.filters["quoted"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


def _told(settings: Settings, population: Population) -> dict[str, Any]:
    """The values of the sandbox for sheets and next commands."""
    from sandbox.config import CONTROL_UI, PSC_UI, SAS_FHIR, SAS_UI, SSO_REALM
    from sandbox.pki.subjects import BAD_KINDS, sas_subject, server_subject

    data = settings.data
    here = Path.cwd()
    host, port = settings.hub
    return {
        "pki": quoted(str((data.relative_to(here) if data.is_relative_to(here) else data) / "pki")),
        "sas": settings.http(SAS_UI),
        "sas_fhir": settings.fhir(SAS_FHIR, "/sas/fhir"),
        "psc": settings.http(PSC_UI, "/psc"),
        "realm": settings.http(PSC_UI, SSO_REALM),
        "bad": BAD_KINDS,
        "control": settings.http(CONTROL_UI),
        "hub": {"host": host, "port": port, "vhost": settings.vhost, "platform": settings.platform_client_id},
        "platform": sas_subject(),
        "server": server_subject(settings.public_host),
        "editors": population.editors,
        "towns": population.towns,
        "territories": population.territories,
        "regulators": population.regulators,
    }

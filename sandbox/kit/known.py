"""What is known about the editors of a target file or of endpoints.json, beyond what the checker reads of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.check.target import Identity, Target, read_target
from sandbox.kernel.errors import UsageError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.yaml_file import load_yaml

_PRACTITIONERS = ("practitioner_one_site", "practitioner_cpts", "practitioner_two_sites")


@dataclass(frozen=True, slots=True)
class Editor:
    """One editor. `system`: OID or URL of its appointments, "" when unknown; `client`: its certificate at the SAS
    core; `ours`: the sandbox plays it."""

    target: Target
    system: str
    client: Identity | None
    ours: bool

    @property
    def slug(self) -> str:
        """Its short name, or its address."""
        return self.target.name

    @property
    def person(self) -> str | None:
        """A practitioner for an appointment."""
        return next((self.target.example(name)[0] for name in _PRACTITIONERS if self.target.example(name)), None)


@dataclass(frozen=True, slots=True)
class Known:
    """A file that was read. `sas`: `fhir` and `api` of the SAS core, where they are known; `pki`: the directory of the
    certificates, None when the file names no authority; `sandbox`: it describes a sandbox."""

    path: Path
    editors: tuple[Editor, ...]
    sas: Mapping[str, str]
    examples: Mapping[str, Any]
    pki: Path | None
    sandbox: bool

    def speaking(self, flow: str) -> Editor | None:
        """The first editor that speaks a flow."""
        return next((each for each in self.editors if each.target.speaks(flow)), None)

    def with_example(self, flow: str, *names: str) -> Editor | None:
        """The first editor that speaks a flow and has one of the examples; failing that, the first that speaks it."""
        found = (e for e in self.editors if e.target.speaks(flow) and any(e.target.example(name) for name in names))
        return next(found, None) or self.speaking(flow)


def read_known(path: Path, slug: str | None) -> Known:
    """The editor `slug` of a file, or all of them (None). Raises UsageError, ConfigError."""
    document: dict[str, Any] = load_yaml(path, dict, lines=True).value
    rows = document.get("editors")
    slugs = [row.get("slug", "") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if slug is not None or len(slugs) < 2:
        targets = [read_target(path, slug)]
    elif len(set(slugs)) < len(slugs):
        raise UsageError(f"{path} has several editors of the same slug (expected a slug of each)")
    else:
        targets = [read_target(path, each) for each in slugs]
    base = path.resolve().parent
    sas = document.get("sas")
    first = targets[0]
    return Known(
        path,
        tuple(_editor(target, document, base) for target in targets),
        {name: value.rstrip("/") for name, value in sas.items() if isinstance(value, str)}
        if isinstance(sas, dict)
        else {},
        document.get("examples") or {},
        None if first.ca is None else first.ca.parent,
        bool(first.control),
    )


def _editor(target: Target, document: Mapping[str, Any], base: Path) -> Editor:
    rows = [row for row in document["editors"] if row.get("slug") == target.name] or document["editors"][:1]
    system = rows[0].get("system", "")
    clients = (document.get("tls") or {}).get("clients") or {}
    files = clients.get(target.name) or {}
    ours = bool(target.control) and rows[0].get("external") is False
    return Editor(target, system if isinstance(system, str) else "", _identity(target.name, files, base), ours)


def _identity(name: str, files: Any, base: Path) -> Identity | None:
    if not isinstance(files, dict) or not all(isinstance(files.get(part), str) for part in ("cert", "key")):
        return None
    cert, key = base / files["cert"], base / files["key"]
    return Identity(name, cert, key) if cert.is_file() and key.is_file() else None


def regulator_of(target: Target) -> Identifier | None:
    """Who books: the first regulator of the file as INT_R02 names him. A UUID is an id that the SAS core gave."""
    for row in target.regulators:
        value = row.get("identifier")
        if isinstance(value, str) and value:
            system = row.get("system") or (SYSTEM_SAS if _is_uuid(value) else SYSTEM_PERSON)
            return Identifier(str(system), value, "INTRN" if system == SYSTEM_SAS else "IDNPS")
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False

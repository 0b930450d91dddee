"""The server that is examined, and what is known about it: from a target file, or from a sandbox's endpoints.json.

Both have the same shape; a target file may lack anything but the editor's address. What is missing makes checks
skipped, so everything here says what it does not know. Paths of certificates are relative to the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.flows import Flow
from sandbox.yaml_file import YamlFile, load_yaml


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate and its key. `name`: `sas`, or a kind of bad certificate."""

    name: str
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Target:
    """One editor's server.

    `fhir`: base without a slash at the end; `ui`: of its pages, "" when unknown; `flows`: codes of what it speaks;
    `ca`: None for the authorities of this machine; `good`: the platform's certificate, None when unknown; `bad`: by
    kind (`wrong_cn`, `wrong_ou`, `revoked`, `expired`, …); `examples`: practitioners and associations by the names of
    endpoints.json, only those of this editor; `regulators`: demonstration accounts; `psc`: issuer of Pro Santé Connect,
    "" when unknown; `control`: the sandbox's control plane, "" elsewhere; `document`: the whole file.
    """

    name: str
    fhir: str
    ui: str
    flows: tuple[str, ...]
    ca: Path | None
    good: Identity | None
    bad: Mapping[str, Identity]
    examples: Mapping[str, tuple[str, ...]]
    regulators: tuple[Mapping[str, Any], ...]
    psc: str
    control: str
    document: Mapping[str, Any]
    ig: str | None = None

    @property
    def mutual(self) -> bool:
        """False for a server over plain HTTP (`--no-mtls`)."""
        return self.fhir.startswith("https://")

    def speaks(self, flow: str) -> bool:
        """Whether the editor declares a flow."""
        return flow in self.flows

    def example(self, name: str) -> tuple[str, ...]:
        """The ids of an example; none when it is unknown or belongs to another editor."""
        return self.examples.get(name, ())


class Files(msgspec.Struct):
    """A certificate and its key, relative to the target file."""

    cert: str | None = None
    key: str | None = None


class _Editor(msgspec.Struct):
    fhir: str
    flows: list[str]
    slug: str = ""
    name: str = ""
    ui: str = ""
    examples: dict[str, Any] = {}


class Tls(msgspec.Struct):
    """The certificates of a target file."""

    ca: str | None = None
    clients: dict[str, Files] = {}
    bad: dict[str, Files] = {}


class _Issuer(msgspec.Struct):
    issuer: str = ""


class Control(msgspec.Struct):
    """The control plane of a sandbox. `token`: of its API, None when it needs none."""

    api: str = ""
    token: str | None = None


class _Document(msgspec.Struct):
    editors: list[_Editor]
    tls: Tls = msgspec.field(default_factory=Tls)
    examples: dict[str, Any] = {}
    psc: _Issuer = msgspec.field(default_factory=_Issuer)
    control: Control = msgspec.field(default_factory=Control)


def read_target(path: Path, name: str | None, ig: str | None = None) -> Target:
    """The editor `name` of a target file or endpoints.json (None: the only one). Raises UsageError, ConfigError."""
    file: YamlFile[_Document] = load_yaml(path, _Document, lines=True)
    index = _chosen(file, name)
    editor = file.value.editors[index]
    where = f"$.editors[{index}]"
    if not editor.fhir.startswith(("http://", "https://")):
        raise file.error(f"{where}.fhir", f"'{editor.fhir}' is no URL (expected http:// or https://)")
    _check_flows(file, index)
    check_names(file)
    base = path.resolve().parent
    good = identity(file, "clients", "sas", base)
    bad = {kind: one for kind in file.value.tls.bad if (one := identity(file, "bad", kind, base)) is not None}
    document: dict[str, Any] = load_yaml(path, dict, lines=True).value
    ca = file.value.tls.ca
    return Target(
        name=editor.slug or editor.name or editor.fhir,
        fhir=editor.fhir.rstrip("/"),
        ui=editor.ui.rstrip("/"),
        flows=tuple(editor.flows),
        ca=None if ca is None else existing(file, "$.tls.ca", ca, base),
        good=good,
        bad=bad,
        examples=_examples(file, editor),
        regulators=_regulators(file),
        psc=file.value.psc.issuer.rstrip("/"),
        control=file.value.control.api.rstrip("/"),
        document=document,
        ig=ig,
    )


# What endpoints.json has, of which a target file has a part; other names are mistakes.
_NAMES = {
    "$": "version seed now ig sas editors psc hub lrms control tls examples",
    "$.tls": "ca crl server clients servers bad",
}


def _check_flows(file: YamlFile[_Document], index: int) -> None:
    """Raise ConfigError for a flow that is none: what is misspelt would only be skipped."""
    known = [str(each) for each in Flow if each.interfaced]
    for at, flow in enumerate(file.value.editors[index].flows):
        if flow not in known:
            raise file.error(f"$.editors[{index}].flows[{at}]", f"unknown flow '{flow}' (known: {', '.join(known)})")


def check_names(file: YamlFile[Any]) -> None:
    """Raise ConfigError for a name that is none: what is misspelt would only be skipped. (A sandbox's own
    endpoints.json has a `version` and may have more names.)"""
    root: Any = file.root
    if any(key.value == "version" for key, _ in root.value):
        return
    for where, names in _NAMES.items():
        node = root if where == "$" else next((value for key, value in root.value if key.value == "tls"), None)
        for key, _ in node.value if node is not None and isinstance(node.value, list) else ():
            if key.value not in names.split():
                line = key.start_mark.line + 1
                raise ConfigError(file.file, line, f"unknown field `{key.value}` (known: {', '.join(names.split())})")


def _chosen(file: YamlFile[_Document], name: str | None) -> int:
    slugs = [each.slug for each in file.value.editors]
    if not slugs:
        raise file.error("$.editors", "no editor (expected one with its `fhir`)")
    if name is None:
        if len(slugs) == 1:
            return 0
        raise UsageError(f"{file.file} has several editors: choose one by --name ({', '.join(slugs)})")
    if name not in slugs:
        raise UsageError(f"{file.file} has no editor '{name}' (known: {', '.join(slugs)})")
    return slugs.index(name)


def identity(file: YamlFile[Any], group: str, name: str, base: Path) -> Identity | None:
    """A certificate of a target file whose value has `tls: Tls` (`group`: `clients` or `bad`), None when it is not
    there. Raises ConfigError."""
    files: Files | None = getattr(file.value.tls, group).get(name)
    if files is None or (not files.cert and not files.key):
        return None
    where = f"$.tls.{group}.{name}"
    if not files.cert or not files.key:
        raise file.error(where, f"`{'key' if files.cert else 'cert'}` is missing")
    cert = existing(file, f"{where}.cert", files.cert, base)
    return Identity(name, cert, existing(file, f"{where}.key", files.key, base))


def existing(file: YamlFile[Any], where: str, name: str, base: Path) -> Path:
    """A file that a target file names, relative to it. Raises ConfigError."""
    path = base / name
    if not path.is_file():
        raise file.error(where, f"no such file: {path}")
    return path


def _examples(file: YamlFile[_Document], editor: _Editor) -> dict[str, tuple[str, ...]]:
    """Those of the file that are this editor's, then the editor's own."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in (*file.value.examples.items(), *editor.examples.items()):
        if not isinstance(value, dict) or value.get("editor", editor.slug) != editor.slug:
            continue
        ids = value.get("ids", [value["id"]] if "id" in value else [])
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise file.error(f"$.examples.{name}", "expected `id`: a text, or `ids`: a list of texts")
        found[name] = tuple(ids)
    return found


def _regulators(file: YamlFile[_Document]) -> tuple[Mapping[str, Any], ...]:
    rows = file.value.examples.get("regulators", [])
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise file.error("$.examples.regulators", "expected a list of accounts")
    return tuple(rows)

"""The LRM that is examined: its client id, the hub through which it is reached, and the client that the examination is.

From a target file or from a sandbox's endpoints.json. The examination is `hub.sender` when the file names one, else the
first spare client with a certificate, else the platform: in a running sandbox the SAS core consumes the platform's
queues, elsewhere nobody does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sandbox.check.target import Control, Tls, check_names, existing, identity
from sandbox.kernel.errors import UsageError
from sandbox.net.amqp.one_shot_client import Access
from sandbox.yaml_file import YamlFile, load_yaml

PLATFORM = "fr.health.test.ptfsas"


@dataclass(frozen=True, slots=True)
class LrmTarget:
    """`client_id`: of the LRM; `access`: to the hub, as the client that the examination is; `ui`: of its pages, ""
    when unknown; `form`: `json` or `xml`, in which the hub serves it, "" when unknown; `control`: API of the sandbox's
    control plane, "" elsewhere, with its `token`."""

    client_id: str
    access: Access
    ui: str = ""
    form: str = ""
    control: str = ""
    token: str = ""


class _Lrm(msgspec.Struct):
    client_id: str
    ui: str = ""
    format: str = ""


class _Hub(msgspec.Struct):
    amqp: str
    password: str | None = None
    spare_clients: list[str] = []
    sender: str = ""


class _Sas(msgspec.Struct):
    hub_client_id: str = PLATFORM


class _Document(msgspec.Struct):
    hub: _Hub
    lrms: list[_Lrm]
    tls: Tls = msgspec.field(default_factory=Tls)
    sas: _Sas = msgspec.field(default_factory=_Sas)
    control: Control = msgspec.field(default_factory=Control)


def read_lrm_target(path: Path, name: str | None) -> LrmTarget:
    """The LRM `name` (a client id; None: the only one) of a target file or endpoints.json. In a sandbox's own file the
    name may be any client of the hub. Raises UsageError, ConfigError."""
    file: YamlFile[_Document] = load_yaml(path, _Document, lines=True)
    check_names(file)
    document, lrm = file.value, _chosen(file, name)
    if lrm.format not in ("", "json", "xml"):
        raise file.error(f"$.lrms[{document.lrms.index(lrm)}].format", f"'{lrm.format}' (expected json or xml)")
    return LrmTarget(
        lrm.client_id,
        _access(file, _sender(document, lrm.client_id), path.resolve().parent),
        lrm.ui.rstrip("/"),
        lrm.format,
        document.control.api.rstrip("/"),
        document.control.token or "",
    )


def _chosen(file: YamlFile[_Document], name: str | None) -> _Lrm:
    lrms, clients = file.value.lrms, file.value.tls.clients
    known = ", ".join(each.client_id for each in lrms)
    if name is None:
        if len(lrms) == 1:
            return lrms[0]
        if not lrms:
            raise file.error("$.lrms", "no LRM (expected one with its `client_id`)")
        raise UsageError(f"{file.file} has several LRMs: choose one by --name ({known})")
    found = next((each for each in lrms if each.client_id == name), None)
    if found is None and (name in clients or name in file.value.hub.spare_clients):
        return _Lrm(name)
    if found is None:
        raise UsageError(f"{file.file} has no LRM '{name}' (known: {known})")
    return found


def _sender(document: _Document, lrm: str) -> str:
    if document.hub.sender:
        return document.hub.sender
    usable = document.hub.password is not None
    spare = (each for each in document.hub.spare_clients if each != lrm and (usable or each in document.tls.clients))
    return next(spare, document.sas.hub_client_id)


def _access(file: YamlFile[_Document], sender: str, base: Path) -> Access:
    hub = file.value.hub
    if not hub.amqp.startswith(("amqp://", "amqps://")):
        raise file.error("$.hub.amqp", f"'{hub.amqp}' is no URL (expected amqp:// or amqps://)")
    if hub.amqp.startswith("amqp://"):
        return Access(hub.amqp, sender, None, hub.password or "")
    shown = identity(file, "clients", sender, base)
    if shown is None and hub.password is None:
        raise file.error("$.tls.clients", f"no certificate of '{sender}', as which the examination connects")
    ca = file.value.tls.ca
    try:
        context = ssl.create_default_context(cafile=None if ca is None else existing(file, "$.tls.ca", ca, base))
        if shown is not None:
            context.load_cert_chain(shown.cert, shown.key)
    except (OSError, ssl.SSLError) as error:
        raise file.error("$.tls", f"a certificate of '{sender}' or the authority cannot be read ({error})") from None
    return Access(hub.amqp, sender, context, hub.password or "" if shown is None else "")

"""endpoints.json: the addresses, certificates, clients and examples of a running sandbox, for programs and tests.

Its member names are a public interface: members are added, never renamed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from sandbox import __version__
from sandbox.config import CONTROL_UI, EMBEDDED, PSC_UI, SAS_FHIR, SAS_UI, SSO_REALM
from sandbox.kernel.identifiers import SYSTEM_PERSON
from sandbox.net.context import Context
from sandbox.pki.authority import Credentials
from sandbox.pki.subjects import Subject, editor_subject, hub_client_subject, sas_subject, server_subject

FILE = "endpoints.json"
Added = Mapping[str, Mapping[str, str]]  # certificate files (absolute paths) of clients that were added, by name


def document(context: Context, added: Added, *, relative_to: Path | None = None) -> dict[str, Any]:
    """The document. Certificate paths are relative to `relative_to`, absolute without it and for `added`."""
    settings, population = context.settings, context.population
    return {
        "version": __version__,
        "seed": settings.seed,
        "now": context.clock.now().isoformat(timespec="seconds"),
        "sas": {
            "ui": settings.http(SAS_UI),
            "api": settings.http(SAS_UI, "/api"),
            "fhir": settings.fhir(SAS_FHIR, "/sas/fhir"),
            "hub_client_id": settings.platform_client_id,
        },
        "editors": [
            {
                "slug": editor.slug,
                "name": editor.name,
                "system": editor.system,
                "flows": [str(flow) for flow in editor.flows],
                "fhir": settings.editor_fhir(editor),
                "ui": settings.editor_ui(editor),
                "external": editor.external,
            }
            for editor in population.editors.values()
        ],
        "psc": {"issuer": settings.http(PSC_UI, "/psc"), "realm": settings.http(PSC_UI, SSO_REALM)},
        "hub": _hub(context),
        "lrms": [
            {
                "client_id": territory.samu,
                "ui": settings.lrm_ui(territory),
                "territory": territory.code,
                "origin": territory.origin,
                "external": territory.samu in settings.external_lrm_ids,
                "password": context.lrm_password(territory.samu) or None,
            }
            for territory in population.territories.values()
        ],
        "control": {
            "ui": settings.http(CONTROL_UI),
            "api": settings.http(CONTROL_UI, "/__admin"),
            "metrics": settings.http(CONTROL_UI, "/metrics"),
            "token": context.admin_token or None,
        },
        "tls": _tls(context, added, relative_to),
        "examples": {**population.examples, "regulators": _regulators(context)},
    }


def _hub(context: Context) -> dict[str, Any]:
    settings = context.settings
    host, port = settings.hub
    return {
        "amqp": f"{'amqps' if settings.mtls else 'amqp'}://{_bracketed(host)}:{port}/{settings.vhost}",
        "vhost": settings.vhost,
        "exchange": "hubsante",
        "broker": EMBEDDED if settings.hub_broker == EMBEDDED else "rabbitmq",
        "password": None if settings.mtls else context.secret("hub-password"),
        "spare_clients": list(settings.spare_clients),
    }


def _bracketed(host: str) -> str:
    """A host as it is written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _tls(context: Context, added: Added, base: Path | None) -> dict[str, Any]:
    """The certificate files; those of clients and servers with the CN and OU that their peers check."""
    pki, settings = context.pki, context.settings
    if pki is None:
        return {"ca": None, "crl": None, "server": None, "clients": {}, "servers": {}, "bad": {}}

    def show(path: Path) -> str:
        return path.relative_to(base).as_posix() if base is not None else str(path)

    def entry(credentials: Credentials) -> dict[str, str]:
        return {"cert": show(credentials.cert), "key": show(credentials.key), "p12": show(credentials.p12)}

    def named(name: str, files: Mapping[str, str]) -> dict[str, str]:
        return {**files, **_names(_subject(context, name))}

    clients = {**{name: entry(credentials) for name, credentials in pki.clients.items()}, **added}
    return {
        "ca": show(pki.ca),
        "crl": show(pki.crl),
        "server": {"cert": show(pki.server.cert), **_names(server_subject(settings.public_host))},
        "clients": {name: named(name, files) for name, files in clients.items()},
        "servers": {name: named(name, entry(credentials)) for name, credentials in pki.servers.items()},
        "bad": {name: entry(credentials) for name, credentials in pki.bad.items()},
    }


def _subject(context: Context, name: str) -> Subject:
    """The subject of the certificate of that name: the SAS platform, an editor or a client of the hub."""
    if name == "sas":
        return sas_subject()
    editor = context.population.editors.get(name)
    return editor_subject(editor) if editor is not None else hub_client_subject(name)


def _names(subject: Subject) -> dict[str, str]:
    return {"cn": subject.cn, "ou": subject.ou}


def _regulators(context: Context) -> list[dict[str, str]]:
    return [
        {
            "identifier": regulator.identifier.value,
            "system": regulator.identifier.system,
            "email": regulator.email,
            "territory": regulator.territory,
            "password": regulator.password,
        }
        for regulator in sorted(
            context.population.regulators, key=lambda regulator: regulator.identifier.system != SYSTEM_PERSON
        )
    ]


def write(context: Context, added: Added) -> None:
    """Write the file into the data directory, then its copy where `--ready-file` says; each appears whole."""
    base = context.settings.data
    _put(base / FILE, document(context, added, relative_to=base))
    if context.settings.ready_file:
        _put(Path(context.settings.ready_file).absolute(), document(context, added))


def remove(data_dir: Path, ready_file: str | None) -> None:
    """Remove the file and its copy, so that no program takes a stopped sandbox for a running one."""
    (data_dir / FILE).unlink(missing_ok=True)
    if ready_file:
        Path(ready_file).unlink(missing_ok=True)


def _put(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.replace(path)

"""endpoints.json: the addresses, certificates, clients and examples of a running sandbox, for programs and tests.

Its member names are a public interface: members are added, never renamed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from sandbox import __version__
from sandbox.config import CONTROL_UI, EMBEDDED, PSC_UI, SAS_FHIR, SAS_UI, SSO_REALM
from sandbox.kernel.identifiers import SYSTEM_PERSON
from sandbox.kernel.model import Editor, Territory
from sandbox.net.context import Context
from sandbox.pki.authority import Credentials
from sandbox.pki.subjects import Subject, editor_subject, hub_client_subject, sas_subject, server_subject
from sandbox.population.people import Population

FILE = "endpoints.json"
Added = Mapping[str, Mapping[str, str]]  # certificate files (absolute paths) of clients that were added, by name


class SasEndpoints(msgspec.Struct):
    """URLs of the SAS core, and its client id of the hub."""

    ui: str
    api: str
    fhir: str
    hub_client_id: str


class EditorEndpoints(msgspec.Struct):
    """An editor. `flows`: those it answers; `external`: a vendor runs it; `examples`: of an external one, whom of its
    practitioners and associations `check editor` tries, by what they are an example of."""

    slug: str
    name: str
    system: str
    flows: list[str]
    fhir: str
    ui: str
    external: bool
    examples: dict[str, dict[str, list[str]]]


class PscEndpoints(msgspec.Struct):
    """Pro Santé Connect. `realm`: the URL under which its OpenID configuration is."""

    issuer: str
    realm: str


class HubEndpoints(msgspec.Struct):
    """The hub. `password`: of every client, null when certificates prove who they are; `spare_clients`: client ids
    that nobody uses."""

    amqp: str
    vhost: str
    exchange: str
    broker: str
    password: str | None
    spare_clients: list[str]


class LrmEndpoints(msgspec.Struct):
    """An LRM. `origin`: how its contextual calls name it; `password`: of its pages, null when they need none."""

    client_id: str
    ui: str
    territory: str
    origin: str
    external: bool
    password: str | None


class ControlEndpoints(msgspec.Struct):
    """The control plane. `token`: the admin token, null when it needs none."""

    ui: str
    api: str
    metrics: str
    token: str | None


class Endpoints(msgspec.Struct):
    """The addresses, certificates and examples of a running sandbox. `tls`: files of certificates and keys, by name;
    `examples`: persons and places by what they are an example of, and the accounts of regulators."""

    version: str
    seed: int
    now: str
    sas: SasEndpoints
    editors: list[EditorEndpoints]
    psc: PscEndpoints
    hub: HubEndpoints
    lrms: list[LrmEndpoints]
    control: ControlEndpoints
    tls: dict[str, Any]
    examples: dict[str, Any]


def document(context: Context, added: Added, *, relative_to: Path | None = None) -> dict[str, Any]:
    """The document (see `Endpoints`) as plain values. Certificate paths are relative to `relative_to`, absolute without
    it and for `added`."""
    settings, population = context.settings, context.population
    found = Endpoints(
        version=__version__,
        seed=settings.seed,
        now=context.clock.now().isoformat(timespec="seconds"),
        sas=SasEndpoints(
            ui=settings.http(SAS_UI),
            api=settings.http(SAS_UI, "/api"),
            fhir=settings.fhir(SAS_FHIR, "/sas/fhir"),
            hub_client_id=settings.platform_client_id,
        ),
        editors=[_editor(context, editor) for editor in population.editors.values()],
        psc=PscEndpoints(settings.http(PSC_UI, "/psc"), settings.http(PSC_UI, SSO_REALM)),
        hub=_hub(context),
        lrms=[_lrm(context, territory) for territory in population.territories.values()],
        control=_control(context),
        tls=_tls(context, added, relative_to),
        examples={**population.examples, "regulators": _regulators(context)},
    )
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def _editor(context: Context, editor: Editor) -> EditorEndpoints:
    return EditorEndpoints(
        slug=editor.slug,
        name=editor.name,
        system=editor.system,
        flows=[str(flow) for flow in editor.flows],
        fhir=context.settings.editor_fhir(editor),
        ui=context.settings.editor_ui(editor),
        external=editor.external,
        examples=_own_examples(context.population, editor) if editor.external else {},
    )


def _own_examples(population: Population, editor: Editor) -> dict[str, dict[str, list[str]]]:
    """Examples among the people whom a vendor declared. Slots and phones are the vendor's: nothing is said of them."""
    people = list(population.of_editor(editor.slug))
    sites = {siret: len(sos.sites) for siret, sos in population.sos.items() if sos.editor == editor.slug}
    found = {
        "practitioner_one_site": [person.id for person in people if len(person.places) == 1][:1],
        "practitioner_two_sites": [person.id for person in people if len(person.places) == 2][:1],
        "practitioner_pair": [person.id for person in people][:2] if len(people) > 1 else [],
        "practitioner_adeli": [person.id for person in people if person.id.startswith("0")][:1],
        "practitioner_cpts": [person.id for person in people if len(person.cpts) == 1][:1],
        "sos_one_site": [siret for siret, count in sites.items() if count == 1][:1],
        "sos_two_sites": [siret for siret, count in sites.items() if count == 2][:1],
        "sos_associations": [*sites][:2] if len(sites) > 1 else [],
    }
    return {name: {"ids": ids} for name, ids in found.items() if ids}


def _lrm(context: Context, territory: Territory) -> LrmEndpoints:
    return LrmEndpoints(
        client_id=territory.samu,
        ui=context.settings.lrm_ui(territory),
        territory=territory.code,
        origin=territory.origin,
        external=territory.samu in context.settings.external_lrm_ids,
        password=context.lrm_password(territory.samu) or None,
    )


def _control(context: Context) -> ControlEndpoints:
    settings = context.settings
    return ControlEndpoints(
        ui=settings.http(CONTROL_UI),
        api=settings.http(CONTROL_UI, "/__admin"),
        metrics=settings.http(CONTROL_UI, "/metrics"),
        token=context.admin_token or None,
    )


def _hub(context: Context) -> HubEndpoints:
    settings = context.settings
    host, port = settings.hub
    return HubEndpoints(
        amqp=f"{'amqps' if settings.mtls else 'amqp'}://{_bracketed(host)}:{port}/{settings.vhost}",
        vhost=settings.vhost,
        exchange="hubsante",
        broker=EMBEDDED if settings.hub_broker == EMBEDDED else "rabbitmq",
        password=None if settings.mtls else context.secret("hub-password"),
        spare_clients=list(settings.spare_clients),
    )


def _bracketed(host: str) -> str:
    """A host as written in a URL: an IPv6 address in brackets."""
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
            "family": regulator.family,
            "given": regulator.given,
            "email": regulator.email,
            "territory": regulator.territory,
            "password": regulator.password,
        }
        for regulator in sorted(
            context.population.regulators, key=lambda regulator: regulator.identifier.system != SYSTEM_PERSON
        )
    ]


def write(context: Context, added: Added) -> None:
    """Write the file into the data directory, then its copy to the path of `--ready-file`; each file is complete when
    it appears."""
    base = context.settings.data
    _put(base / FILE, document(context, added, relative_to=base))
    if context.settings.ready_file:
        _put(Path(context.settings.ready_file).absolute(), document(context, added))


def remove(data_dir: Path, ready_file: str | None) -> None:
    """Remove the file and its copy, so that programs do not take a stopped sandbox for a running one."""
    (data_dir / FILE).unlink(missing_ok=True)
    if ready_file:
        Path(ready_file).unlink(missing_ok=True)


def _put(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.replace(path)

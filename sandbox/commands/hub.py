"""`sas-sandbox hub`: adds clients to a running hub or removes them, and writes the definitions that a RabbitMQ needs to
serve as Hub Santé."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import quote

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.config import PRESETS
from sandbox.kernel.errors import UsageError


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser(
        "hub", help="add or remove a client of the hub, prepare a RabbitMQ for it"
    ).add_subparsers(required=True)
    text = "write users, rights, policies and topology as a RabbitMQ definitions file"
    parser = group.add_parser("definitions", help=text, description=text)
    directory_options(parser)
    parser.add_argument("--preset", choices=sorted(PRESETS), help="size of the population (demo)")
    parser.add_argument(
        "--no-mtls", dest="mtls", action="store_const", const=False, help="users with a password, no certificates"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (standard output)")
    parser.set_defaults(run=_definitions)
    text = "add a client to the hub of the sandbox that runs: certificate, queues, rights"
    parser = group.add_parser("add-client", help=text, description=text)
    directory_options(parser)
    parser.add_argument("id", metavar="ID", help="client id: fr.health.<name>")
    parser.add_argument("--software", default="", metavar="NAME", help="name of the software behind it")
    parser.add_argument(
        "--format", choices=("json", "xml"), default="json", help="in which form it receives messages (json)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where its certificate goes (pki/issued)")
    parser.set_defaults(run=_add_client)
    text = "take a client away that was added: queues, certificate, rights, connections"
    parser = group.add_parser("remove-client", help=text, description=text)
    directory_options(parser)
    parser.add_argument("id", metavar="ID", help="client id, as it was added")
    parser.set_defaults(run=_remove_client)


def _add_client(options: argparse.Namespace) -> int:
    from sandbox.commands.running import Running
    from sandbox.kernel.hub.clients import usable_client_id, why_not

    if not usable_client_id(options.id):
        raise UsageError(f"hub: {why_not(options.id)}")
    running = Running(settings_of(options, "data_dir"))
    known = [client["id"] for client in running.get("/hub/clients")["clients"]]
    if options.id in known:
        raise UsageError(f"hub: '{options.id}' is a client of the hub already")
    files = _certificate(options) if running.document["tls"]["ca"] else None
    wanted = {"id": options.id, "software": options.software, "format": options.format, "files": files}
    added = running.post("/hub/clients", wanted)
    for name in (*(files or {}).values(), *added["queues"]):
        sys.stdout.write(f"{name}\n")
    return 0


def _remove_client(options: argparse.Namespace) -> int:
    from sandbox.commands.running import Running

    running = Running(settings_of(options, "data_dir"))
    removed = running.delete(f"/hub/clients/{quote(options.id, safe='')}")
    sys.stdout.write(f"{options.id} n'est plus client du hub\n")
    for line in removed["told"]:
        sys.stdout.write(f"{line}\n")
    return 0


def _certificate(options: argparse.Namespace) -> dict[str, str]:
    from sandbox.commands.pki import certificate_service
    from sandbox.pki.certificate_service import name_of
    from sandbox.pki.subjects import hub_client_subject

    out = options.out.absolute() if options.out else None
    with certificate_service(options, make=False) as service:
        name = service.free_name(name_of(options.id))  # names of an earlier client's certificates are taken
        _, folder = service.issue(name, hub_client_subject(options.id), (), out)
    return {kind: str(folder / f"{name}.{end}") for kind, end in (("cert", "pem"), ("key", "key"), ("p12", "p12"))}


def _definitions(options: argparse.Namespace) -> int:
    from sandbox.ground import master_secret
    from sandbox.hub.clients import virtual_hosts
    from sandbox.hub.rabbitmq.definitions import definitions
    from sandbox.net.amqp.hub_clients import client_ids
    from sandbox.net.context import derived_secret
    from sandbox.population.load import load_population

    settings = settings_of(options, "data_dir", "preset", "mtls")
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = None if settings.mtls else derived_secret(master_secret(settings.data), "hub-password")
        ids = client_ids(settings, load_population(settings))
        ttl_ms = settings.message_ttl_s * 1000
        document = definitions(
            ids, virtual_hosts(settings), ttl_ms=ttl_ms, password=password, most=settings.queue_limit
        )
        if options.out is None:
            sys.stdout.write(document.decode() + "\n")
        else:
            options.out.write_bytes(document + b"\n")
    except OSError as error:
        raise UsageError(f"hub: {error.filename}: {error.strerror}") from None
    return 0

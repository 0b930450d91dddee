"""`sas-sandbox psc`: what a client of Pro Santé Connect that the configuration declares must know."""

from __future__ import annotations

import argparse

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.config import PSC_UI, SSO_REALM
from sandbox.kernel.errors import UsageError


def add(commands: Commands) -> None:
    """Declare the command."""
    group = commands.add_parser("psc", help="clients of Pro Santé Connect").add_subparsers(required=True)
    text = "show the clients that the configuration declares, with their secrets"
    clients = group.add_parser("clients", help=text, description=text)
    directory_options(clients)
    clients.add_argument("--port-base", type=int, metavar="N", help="first port of the sandbox (8000)")
    clients.set_defaults(run=_clients)


def _clients(options: argparse.Namespace) -> int:
    from sandbox.ground import master_secret
    from sandbox.net.context import derived_secret
    from sandbox.psc.clients import REALM_CLIENT, REALM_PURPOSE, declared_clients

    settings = settings_of(options, "data_dir", "port_base")
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        master = master_secret(settings.data)
    except OSError as error:
        raise UsageError(f"data directory {settings.data}: {error.strerror}") from None
    print(f"issuer : {settings.http(PSC_UI, '/psc')}")
    for client in declared_clients(settings, lambda purpose: derived_secret(master, purpose)):
        print(f"{client.id} ({client.name})\n  secret : {client.secret}")
        for uri in client.redirect_uris:
            print(f"  retour : {uri}")
    print(f"realm de la plateforme : {settings.http(PSC_UI, SSO_REALM)}")
    print(f"{REALM_CLIENT} (pour tous, avec les mêmes adresses de retour)")
    print(f"  secret : {derived_secret(master, REALM_PURPOSE)}")
    return 0

"""`sas-sandbox hub`: what a RabbitMQ must hold to carry Hub Santé."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.config import PRESETS
from sandbox.kernel.errors import UsageError


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.add_parser("hub", help="prepare a RabbitMQ for the hub").add_subparsers(required=True)
    text = "write users, rights, policies and topology as a RabbitMQ definitions file"
    parser = group.add_parser("definitions", help=text, description=text)
    directory_options(parser)
    parser.add_argument("--preset", choices=sorted(PRESETS), help="size of the population (demo)")
    parser.add_argument(
        "--no-mtls", dest="mtls", action="store_const", const=False, help="users with a password, no certificates"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (standard output)")
    parser.set_defaults(run=_definitions)


def _definitions(options: argparse.Namespace) -> int:
    from sandbox.ground import master_secret
    from sandbox.hub.clients import client_ids, virtual_hosts
    from sandbox.hub.definitions import definitions
    from sandbox.net.context import derived_secret
    from sandbox.population.load import load_population

    settings = settings_of(options, "data_dir", "preset", "mtls")
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = None if settings.mtls else derived_secret(master_secret(settings.data), "hub-password")
        ids = client_ids(settings, load_population(settings))
        ttl_ms = settings.message_ttl_s * 1000
        document = definitions(ids, virtual_hosts(settings), ttl_ms=ttl_ms, password=password)
        if options.out is None:
            sys.stdout.write(document.decode() + "\n")
        else:
            options.out.write_bytes(document + b"\n")
    except OSError as error:
        raise UsageError(f"hub: {error.filename}: {error.strerror}") from None
    return 0

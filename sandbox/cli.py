"""The console script `sas-sandbox`: `up` starts everything, `scenario` plays a scripted day against it, `pki` issues
certificates to vendors, `psc` shows the clients of Pro Santé Connect, `init` writes what a vendor needs to begin,
`doctor` examines and repairs a data directory.

Exit codes: 0 good, 1 failed (a scenario step, a drain cut short), 2 usage, 3 nobody answers, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from sandbox import __version__
from sandbox.commands import check, doctor, hub, init, kit, l02, pki, psc
from sandbox.commands.options import config_option, program, settings_of
from sandbox.config import PRESETS
from sandbox.files import POSIX
from sandbox.kernel.errors import NobodyAnswers, SandboxError, UsageError

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, say what went wrong in one line. Never a traceback for a usage error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal or file that cannot show an accent shows "?"
    try:
        options = _parser().parse_args(arguments)
        level = logging.DEBUG if options.debug else logging.WARNING
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        code: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except UsageError as error:
        print(f"sas-sandbox: {error}", file=sys.stderr)
        return 2
    except NobodyAnswers as error:
        print(f"sas-sandbox: {error}", file=sys.stderr)
        return 3
    except SandboxError as error:
        print(f"sas-sandbox: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # the last resort: a defect of ours is one line too
        if isinstance(error, BrokenPipeError) and _is_unread():
            return 1
        log.debug("unexpected", exc_info=True)
        print(f"sas-sandbox: internal error: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        return 1
    return code


def _is_unread() -> bool:
    """True when the reader of our output is gone (`| head`): nothing more is written then."""
    if not POSIX:
        return False
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if not output.poll(0):  # it was another pipe, or a connection
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sas-sandbox", description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--debug", action="store_true", help="log what happens inside, tracebacks included")
    parser.add_argument("--version", action="version", version=f"sas-sandbox {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the whole ecosystem in the foreground")
    _settings_options(up)
    up.set_defaults(run=_up)
    scenario = commands.add_parser("scenario", help="play a scripted day over the wire").add_subparsers(required=True)
    play = scenario.add_parser("run", help="play one scenario and verify each step")
    play.add_argument("name", help="name of a scenario, or path of a YAML file")
    play.add_argument("--endpoints", default=".sandbox/endpoints.json", help="endpoints.json of the sandbox to play on")
    play.add_argument("--start", action="store_true", help="start a sandbox of its own for the time of the scenario")
    play.add_argument("--port-base", type=int, metavar="N", help="with --start: its first port")
    play.add_argument("--processes", action="store_true", help="with --start: one process per role")
    play.set_defaults(run=_scenario_run)
    names = scenario.add_parser("list", help="list the scenarios of the package")
    names.set_defaults(run=_scenario_list)
    init.add(commands)
    check.add(commands)
    doctor.add(commands)
    hub.add(commands)
    kit.add(commands)
    l02.add(commands)
    pki.add(commands)
    psc.add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Of every command: options in full, so that one that does not exist is not taken for another (--ou for --out)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The module's text as it is; defaults shown."""


def _settings_options(parser: argparse.ArgumentParser) -> None:
    """Flags of the settings; one that is not given leaves the decision to the weaker sources."""
    add = parser.add_argument
    config_option(parser)
    add("--port-base", type=int, metavar="N", help="first port (8000); nothing above N+99 is used")
    add("--host", help="where to listen (127.0.0.1)")
    add("--public-host", metavar="NAME", help="the name that others use for this machine (that of --host)")
    add("--data-dir", metavar="DIR", help="what must survive a restart (.sandbox)")
    add("--seed", type=int, metavar="N", help="seed of the population and of the agendas (20260101)")
    add("--as-of", metavar="DATETIME", help="sandbox time at the start; without offset: Europe/Paris")
    add("--freeze", action="store_const", const=True, help="stop sandbox time at --as-of")
    add("--preset", choices=sorted(PRESETS), help="size of the population (demo)")
    add("--processes", action="store_const", const=True, help="one process per role")
    add("--no-mtls", dest="mtls", action="store_const", const=False, help="plain HTTP and AMQP, no certificates")
    add("--hub-broker", metavar="URL", help="a RabbitMQ to carry the hub: amqps://host[:port] (embedded)")
    add("--hub-topology", choices=("declare", "assume"), help="there: declare what is missing, or only look (declare)")
    add("--ready-file", metavar="PATH", help="write a copy of endpoints.json there once everything answers")


SETTING_FLAGS = (
    "port_base",
    "host",
    "public_host",
    "data_dir",
    "seed",
    "as_of",
    "freeze",
    "preset",
    "processes",
    "mtls",
    "hub_broker",
    "hub_topology",
    "ready_file",
)


def _up(options: argparse.Namespace) -> int:
    started = time.monotonic()
    from sandbox import ecosystem  # imported here so that the help does not wait for it
    from sandbox.banner import Measured, banner, memory_mib, opened
    from sandbox.ground import TOKEN_FILE, open_lines, prepare

    settings = settings_of(options, *SETTING_FLAGS)
    ground = prepare(settings, ecosystem.wall)
    open_to = opened(settings, settings.data / TOKEN_FILE)
    for line in open_to:
        print(line, file=sys.stderr, flush=True)

    def announce(pids: Sequence[int]) -> None:
        seconds = time.monotonic() - started
        document = _absolute(settings.data)
        memory = memory_mib(pids)
        text = banner(
            document,
            settings.data,
            program=program(),
            measured=Measured(seconds, memory, len(pids)),
            open_to=open_to,
        )
        print(text, flush=True)

    try:
        if settings.processes and POSIX:
            from sandbox.supervisor import Supervisor

            open_lines(ground)
            return Supervisor(ground, announce).run()
        return ecosystem.run(ecosystem.run_together(ground, lambda: announce([os.getpid()])))
    finally:
        ground.close()


def _absolute(data: Path) -> dict[str, Any]:
    """endpoints.json with absolute certificate paths."""
    document: dict[str, Any] = orjson.loads((data / "endpoints.json").read_bytes())
    tls = document["tls"]
    for group in ("clients", "servers", "bad"):
        for files in tls[group].values():
            files.update({name: str(data / files[name]) for name in ("cert", "key", "p12")})
    for name in ("ca", "crl"):
        tls[name] = str(data / tls[name]) if tls[name] else None
    return document


def _scenario_run(options: argparse.Namespace) -> int:
    from sandbox.runner.run import play

    return play(options.name, Path(options.endpoints), start=_start_flags(options), out=sys.stdout)


def _start_flags(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Flags of the scenario's own sandbox; None to play on a running one."""
    flags: tuple[str, ...] = ("--processes",) if options.processes else ()
    if options.port_base is not None:
        flags += ("--port-base", str(options.port_base))
    if flags and not options.start:
        raise UsageError(f"{flags[0]} goes with --start")
    return flags if options.start else None


def _scenario_list(options: argparse.Namespace) -> int:
    from sandbox.runner.loader import available

    found = dict(available())
    width = max(map(len, found))
    for name, title in found.items():
        print(f"{name:<{width}}  {title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`sas-sandbox check editor`, `check lrm`: the acceptance, played against a server over the wire.

Exit codes: 0 every requirement met (or skipped), 1 a requirement not met, 2 usage or configuration, 3 unreachable.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.commands.options import Commands
from sandbox.kernel.errors import NobodyAnswers, UsageError
from sandbox.kernel.flows import IG_VERSIONS

if TYPE_CHECKING:
    from sandbox.check.requirements import Requirement
    from sandbox.check.verdicts import Report

REPORTS = {"junit": "as JUnit XML", "html": "as a page to read and print", "json": "as JSON"}


def add(commands: Commands) -> None:
    """Add the commands."""
    kinds = commands.add_parser("check", help="play the acceptance against a server").add_subparsers(required=True)
    editor = _command(kinds, "editor", "examine the agenda of a vendor, requirement by requirement")
    editor.add_argument("--name", metavar="SLUG", help="which editor of the file (its only one)")
    editor.add_argument("--ig", choices=IG_VERSIONS, help="version of the guide to judge by (all are admitted)")
    editor.set_defaults(run=_editor)
    lrm = _command(kinds, "lrm", "examine the LRM of a vendor through the hub, requirement by requirement")
    lrm.add_argument("--name", metavar="ID", help="client id of the LRM (the file's only one)")
    lrm.set_defaults(run=_lrm)


def _command(kinds: Commands, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=text, description=text)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--target", type=Path, metavar="FILE", help="YAML or JSON file that describes the server")
    source.add_argument("--endpoints", type=Path, metavar="PATH", help="endpoints.json of a running sandbox")
    parser.add_argument("--only", nargs="+", default=(), metavar="ID", help="only these requirements (ids, or TLS-*)")
    for form, what in REPORTS.items():
        parser.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"also write the report there, {what}")
    parser.add_argument("--list", action="store_true", help="list the requirements and end")
    return parser


def _editor(options: argparse.Namespace) -> int:
    from sandbox.check.requirements import EDITOR
    from sandbox.check.run import examine
    from sandbox.check.target import read_target

    def examined(path: Path, wanted: frozenset[str]) -> Report:
        target = read_target(path, options.name, options.ig)
        return asyncio.run(examine(target, wanted, datetime.now(UTC), _progress))

    return _run(options, "check editor", EDITOR, examined)


def _lrm(options: argparse.Namespace) -> int:
    from sandbox.check.lrm.examination import examine_lrm
    from sandbox.check.lrm.target import read_lrm_target
    from sandbox.check.requirements import LRM

    def examined(path: Path, wanted: frozenset[str]) -> Report:
        return asyncio.run(examine_lrm(read_lrm_target(path, options.name), wanted, datetime.now(UTC), _progress))

    return _run(options, "check lrm", LRM, examined)


def _run(
    options: argparse.Namespace,
    command: str,
    known: Mapping[str, Requirement],
    examined: Callable[[Path, frozenset[str]], Report],
) -> int:
    from sandbox.check.run import chosen

    wanted = chosen(options.only, known)
    if options.list:
        for id, each in known.items():
            if id in wanted:
                print(f"{id:<8} {each.fr}")
        return 0
    path = options.target or options.endpoints
    if path is None:
        raise UsageError(f"{command}: --target FILE or --endpoints PATH is needed")
    files = {form: file for form in REPORTS if (file := getattr(options, form)) is not None}
    for form, file in files.items():
        if not file.parent.is_dir() or file.is_dir():
            raise UsageError(f"{command}: --{form}: '{file}' is no file that could be written")
    if options.endpoints is not None and not path.exists():
        raise NobodyAnswers(f"{path}: no such file (is the sandbox running?)")
    report = examined(path, wanted)
    _write(report, files)
    return report.exit_code


def _progress(name: str, number: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K[{number}/{of}] {name}", end="", file=sys.stderr, flush=True)


def _write(report: Report, files: Mapping[str, Path]) -> None:
    """The report on standard output, and in the files that were asked for. Raises UsageError."""
    from sandbox.check.reports import document, junit, page, terminal

    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    terminal.write(report, sys.stdout)
    octets = {"junit": junit.render, "html": page.render, "json": document.render}
    for form, file in files.items():
        try:
            file.write_bytes(octets[form](report))
        except OSError as error:
            raise UsageError(f"check {report.kind}: --{form}: {file}: {error.strerror}") from None

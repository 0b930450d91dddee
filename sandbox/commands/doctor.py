"""`sas-sandbox doctor`: examine what a data directory holds, while no sandbox runs on it; repair it when asked to.

Exit codes: 0 everything is sound (or was repaired), 1 something is damaged or of a version that cannot be read.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.commands.options import Commands, directory_options, settings_of
from sandbox.kernel.errors import StoreError, UsageError

if TYPE_CHECKING:
    from sandbox.data_stores import StoreFiles
    from sandbox.store.embedded.repair import Examination


def add(commands: Commands) -> None:
    """Declare the command."""
    text = "examine the data of a sandbox that does not run; repair what is damaged"
    parser = commands.add_parser("doctor", help=text, description=text)
    directory_options(parser)
    parser.add_argument("--repair", action="store_true", help="drop what is damaged, after showing it and asking")
    parser.add_argument("--yes", action="store_true", help="with --repair: do not ask")
    parser.add_argument(
        "--keep-changed", action="store_true", help="keep rows of db.json that were changed by hand, as they are"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    data = settings_of(options, "data_dir").data
    if not data.is_dir():
        raise UsageError(f"data directory {data} does not exist")
    from sandbox.data_stores import stores_in  # the help must not wait for these

    places = list(stores_in(data))
    with _held([data, *(place.directory for place in places)]):
        found = [(place, place.examine(options.keep_changed)) for place in places]
        for place, examination in found:
            _show(data, place, examination)
        damaged = [(place, examination) for place, examination in found if examination.damages]
        refused = any(examination.refused for _, examination in found)
        if not damaged:
            print("aucun dommage" if not refused else "ces données ne se lisent plus : choisissez un autre --data-dir")
            return 1 if refused else 0
        if not options.repair:
            print("rien n'a été changé ; `sas-sandbox doctor --repair` supprime ce qui est dit perdu")
            return 1
        return _repair(damaged, confirmed=options.yes)


def _repair(damaged: Sequence[tuple[StoreFiles, Examination]], *, confirmed: bool) -> int:
    if not (confirmed or _agreed()):
        print("rien n'a été changé")
        return 1
    for place, examination in damaged:
        if not examination.refused:
            print(f"{place.directory} est réparé ; les anciens fichiers sont dans {place.repair(examination)}")
    return 1 if any(examination.refused for _, examination in damaged) else 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("doctor: nobody can be asked here: add --yes to --repair")
    return input("Supprimer ce qui est dit perdu ? [o/N] ").strip().lower() in {"o", "oui"}


def _show(data: Path, place: StoreFiles, found: Examination) -> None:
    name = place.directory.relative_to(data)
    if found.refused:
        print(f"{name} : {found.refused}")
    elif not found.damages:
        rows = sum(len(rows) for rows in found.tables.values()) + len(found.records)
        torn = f", une écriture inachevée de {found.torn} octets sera retirée" if found.torn else ""
        print(f"{name} : sain, {rows} lignes ou messages{torn}")
    for damage in found.damages:
        print(f"{name} : DOMMAGE {damage.where}\n    perdu : {damage.lost}")


@contextmanager
def _held(directories: Sequence[Path]) -> Iterator[None]:
    """Hold the directories, so that no sandbox starts meanwhile. Raises UsageError when one runs."""
    from sandbox.store.embedded.directory import claim_directory

    with ExitStack() as stack:
        try:
            for directory in directories:
                stack.callback(os.close, claim_directory(directory))
        except StoreError as error:
            raise UsageError(f"doctor: {error}: stop the sandbox first") from None
        yield

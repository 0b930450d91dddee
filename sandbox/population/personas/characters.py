"""How editors behave when a run begins, from their rows in the persona files. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sandbox.kernel.character import EVERYBODY, Character, Delay, problems
from sandbox.kernel.errors import ConfigError
from sandbox.kernel.model import Editor
from sandbox.population.personas.schema import EditorRow, QuirkRow


def character(row: EditorRow) -> Character:
    """The character of a row; `check_characters` says whether it can be played."""
    return Character(
        quirks={_name(quirk): _concerned(quirk) for quirk in row.quirks},
        latency={flow: Delay(delay.median_ms, delay.p95_ms) for flow, delay in row.latency.items()},
        page_size=row.page_size,
    )


def check_characters(
    rows: Sequence[EditorRow],
    editors: Sequence[Editor],
    holds: Callable[[Editor, str], bool],
    error: Callable[[str, str], ConfigError],
) -> None:
    """Raise `error(path, problem)` at the first quirk, latency or page size that cannot be played.

    `editors`: made of `rows`, in their order; `holds`: whether an editor holds the agenda of a prefixed id.
    """
    for at, (row, editor) in enumerate(zip(rows, editors, strict=True)):
        names = [_name(quirk) for quirk in row.quirks]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise error(f"$[{at}].quirks[{index}]", f"duplicate quirk '{name}'")
        for where, problem in problems(editor.character, editor.speaks, partial(holds, editor)):
            kind, _, name = where.partition(".")
            place = f"quirks[{names.index(name)}]" if kind == "quirks" else where
            raise error(f"$[{at}].{place}", problem)


def _name(quirk: str | QuirkRow) -> str:
    return quirk if isinstance(quirk, str) else quirk.name


def _concerned(quirk: str | QuirkRow) -> frozenset[str]:
    return EVERYBODY if isinstance(quirk, str) else frozenset(quirk.practitioners)

"""`quirks`, `latency` and `page_size` of editors.yaml: taken as the beginning of a run, refused with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.config import Settings
from sandbox.kernel.character import EVERYBODY, PLAIN, Character, Delay
from sandbox.kernel.errors import ConfigError
from sandbox.kernel.flows import Flow
from sandbox.population.load import load_population, personas_directory
from sandbox.population.people import Population

SHIPPED = personas_directory(Settings())
# Up to garde-plus, which speaks SOS; the editor of the communities comes after it.
HEAD, _, COMMUNITIES = (SHIPPED / "editors.yaml").read_text("utf-8").partition("# Serves communities")
HEAD = HEAD.rstrip("\n")
LINES = HEAD.count("\n") + 1


def load(directory: Path, *lines: str) -> Population:
    """The shipped personas, with more lines for garde-plus."""
    shutil.copytree(SHIPPED, directory)
    text = "\n".join([HEAD, *(f"  {line}" for line in lines), f"# {COMMUNITIES}"])
    (directory / "editors.yaml").write_text(text, "utf-8")
    return load_population(Settings(personas=str(directory)))


def test_shipped_editors_do_as_the_guide_says() -> None:
    assert all(editor.character == PLAIN for editor in load_population(Settings()).editors.values())


def test_character_is_read(tmp_path: Path) -> None:
    population = load(
        tmp_path / "p",
        "quirks:",
        "  - bad-phone",
        '  - {name: no-offset, practitioners: ["399900300000018", "819900000001"]}',
        "latency:",
        "  SOS: {median_ms: 120, p95_ms: 600}",
        "page_size: 50",
    )
    assert population.editors["garde-plus"].character == Character(
        {"bad-phone": EVERYBODY, "no-offset": frozenset({"399900300000018", "819900000001"})},
        {Flow.SOS: Delay(120, 600)},
        50,
    )
    assert hash(population.editors["garde-plus"])


@pytest.mark.parametrize(
    ("lines", "line", "problem"),
    [
        (["quirks: [bad-phone,", "  nonsense]"], 2, "unknown quirk 'nonsense'"),
        (["quirks:", "  - bad-phone", "  - name: bad-phone", '    practitioners: ["1"]'], 3, "duplicate quirk"),
        (["quirks:", '  - {name: bad-phone, practitioners: ["819800000010"]}'], 2, "of this editor: 819800000010"),
        (["quirks:", "  - {name: bad-phone, practitioners: []}"], 2, "a list of at least 1 entries"),
        (["quirks: {bad-phone: true}"], 1, "(expected a list)"),
        (["latency:", "  UI: {median_ms: 1, p95_ms: 1}", "  INT_R01: {median_ms: 1, p95_ms: 1}"], 3, "INT_R01"),
        (["latency:", "  SOS: {median_ms: 9, p95_ms: 1}"], 2, "median_ms <= p95_ms"),
        (["latency:", "  INT_X: {median_ms: 9, p95_ms: 1}"], 2, "INT_X"),
        (["latency:", "  SOS: {median_ms: 9}"], 2, "p95_ms"),
        (["page_size: 0"], 1, "1 to 1000"),
    ],
)
def test_what_cannot_be_played_is_refused_with_file_and_line(
    tmp_path: Path, lines: list[str], line: int, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem.replace("'", ".")) as caught:
        load(tmp_path / "p", *lines)
    assert caught.value.file.endswith("editors.yaml")
    assert caught.value.line == LINES + line

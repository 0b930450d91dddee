"""The pages on orientations without an editor name what exists: labels of the pages, scenarios, steps, accounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from sandbox.runner.loader import available
from sandbox.runner.steps.registry import Step
from sandbox.sas.directory.origins import Origin

ROOT = Path(__file__).resolve().parents[2]
TRAINERS = (ROOT / "docs" / "formateurs-orientations.md").read_text("utf-8")
INTEGRATORS = (ROOT / "docs" / "integrateurs-orientations.md").read_text("utf-8")


def first_cells(heading: str) -> set[str]:
    """What is in backquotes in the first cell of each row of the table with that heading."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n((?:\|.*\n)+)", TRAINERS, re.MULTILINE)
    return {name for row in table.splitlines()[1:] for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}


def test_every_label_is_one_of_the_pages_or_of_the_persona_files() -> None:
    sections = re.findall(
        r"^## (?:L'agenda SAS|En sus|La place de marché|Une structure)$(.*?)(?=^## )", TRAINERS, re.M | re.S
    )
    labels = {" ".join(label.split()) for text in sections for label in re.findall(r"« ([^»]+) »", text)}
    files = [file for kind in ("sandbox/**/*.html", "sandbox/**/*.py", "personas/*.yaml") for file in ROOT.glob(kind)]
    shown = "\n".join(file.read_text("utf-8") for file in files).casefold()
    assert len(labels) > 10
    assert {label for label in labels if label.casefold() not in shown} == set()


def test_the_scenarios_of_the_table_are_those_that_there_are() -> None:
    assert first_cells("scénario") == {name for name, _ in available()} - {"nominal", "sos"}


def test_the_steps_of_the_table_are_those_that_there_are() -> None:
    classes = {kind.__struct_config__.tag: kind for kind in get_args(Step)}
    assert first_cells("`do`") == classes.keys()
    (table,) = re.findall(r"^\| `do` \|.*\n\|.*\n((?:\|.*\n)+)", TRAINERS, re.MULTILINE)
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+) \|$", table, re.MULTILINE)
    for verbs, text in rows:
        fields = {name for verb in re.findall(r"\w+", verbs) for name in classes[verb].__struct_fields__}
        named = {name.partition(":")[0] for name in re.findall(r"`([a-z_]+(?:: [a-z]+)?)`", text)}
        assert named - {*Origin} <= fields, (verbs, named - fields)


def test_every_account_of_the_table_is_one_of_the_persona_files() -> None:
    people = (ROOT / "personas" / "practitioners.yaml").read_text("utf-8")
    people += (ROOT / "personas" / "regulators.yaml").read_text("utf-8")
    accounts = re.findall(r"`([\w/]+)`, mot de passe `([\w-]+)`", TRAINERS)
    known = {(row.get("id", row.get("value")), row.get("password")) for row in yaml.safe_load(people)}
    assert len(accounts) == 5
    assert set(accounts) <= known


def test_every_origin_has_its_row() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([\w-]+)` \|", INTEGRATORS, re.MULTILINE)
    assert {*rows} - {"origin"} == {*Origin}

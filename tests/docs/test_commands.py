"""The commands of the guides can be typed as they stand, and the files that they name are there by then."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cli import _parser, main

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page: (ROOT / page).read_text("utf-8") for page in (
    "README.md", "docs/integrateurs.md", "docs/verifier-mon-agenda.md", "docs/verifier-mon-lrm.md",
    "docs/integrators-lrm.md", "docs/testeurs.md",
    "docs/formateurs.md",
    "docs/scaling.md", "docs/architecture.md",
)}  # fmt: skip
OURS = ".venv/bin/sas-sandbox"
OTHERS = {"make", "curl", "openssl", "java", "rabbitmqctl", "sleep", ".venv/bin/python"}
SUFFIXES = (".pem", ".key", ".p12", ".yaml", ".json", ".py", ".java")
WHILE_RUNNING = ".sandbox/endpoints.json"


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a page's blocks; a quoted word may have several lines."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        waiting = ""
        for line in block.replace("\\\n", " ").splitlines():
            waiting += line + "\n"
            try:
                words = shlex.split(waiting)
            except ValueError:  # a quotation goes on
                continue
            waiting = ""
            if words:
                yield words
        assert not waiting, block


ALL = [
    pytest.param(page, words, id=f"{page}: {' '.join(words)[:60]}") for page in PAGES for words in commands(PAGES[page])
]


def test_there_are_commands() -> None:
    assert len(ALL) > 40


@pytest.mark.parametrize(("page", "words"), ALL)
def test_a_command_exists_as_it_is_written(page: str, words: list[str]) -> None:
    if words[0] == OURS:
        _parser().parse_args(words[1:])
    else:
        assert words[0] in OTHERS or words[0].startswith("JETON=$(curl")


@pytest.mark.parametrize("page", PAGES)
def test_a_command_that_the_text_names_exists(page: str) -> None:
    for named in re.findall(r"`(?:\.venv/bin/)?sas-sandbox ([a-z][^`]*)`", PAGES[page].replace("\n", " ")):
        parser = _parser()
        for word in re.findall(r"^[a-z0-9-]+(?: [a-z0-9-]+)?", named)[0].split():
            choices = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
            if not choices:
                break  # an argument
            assert word in choices[0], named
            parser = choices[0][word]


def test_a_command_that_a_page_shows_can_be_typed() -> None:
    shown = [
        each
        for page in (ROOT / "sandbox").rglob("templates/*.html")
        for each in re.findall(r"<code>([^<]*sas-sandbox [^<]*)</code>", page.read_text("utf-8"))
    ]
    assert len(shown) > 1
    for command in shown:
        words = shlex.split(re.sub(r"\{\{.*?\}\}", "x", command))
        assert words[0] == OURS, command
        _parser().parse_args(words[1:])


def test_every_file_that_a_command_or_the_text_names_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAS_SANDBOX_DATA_DIR", raising=False)
    everything = [words for text in PAGES.values() for words in commands(text)]
    beginnings = {tuple(words) for words in everything if words[:2] == [OURS, "init"]}  # two pages begin alike
    assert len(beginnings) == 2
    for words in sorted(beginnings):
        assert main(list(words[1:])) == 0
    written = {words[words.index("--out") + 1] for words in everything if "--out" in words}
    saved = {
        name for text in PAGES.values() for name in re.findall(r"[Ee]nregistrez ce programme sous `([\w.]+)`", text)
    }
    named = {word.removeprefix("@") for words in everything for word in words if word.endswith(SUFFIXES)}
    named |= {name for text in PAGES.values() for name in re.findall(r"`(\.sandbox/pki/[\w./-]+\.\w+)`", text)}
    named = {name for name in named if "://" not in name and ":" not in name}
    assert len(named) > 12
    missing = {name for name in named if not (tmp_path / name).exists()}
    assert missing - written - saved - {WHILE_RUNNING} == set()

"""The fuzzer: the inputs that it once found no longer fail, and it finds defects that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.actors.entrances.conftest import Reached
from tests.fuzz.driver import CORPUS, folder_of, fuzz, kept
from tests.support.inputs.entrances import ENTRANCES

FOUND = [(name, file) for name in ENTRANCES for file in kept(CORPUS, name)]


@pytest.mark.parametrize(("name", "file"), FOUND, ids=[f"{file.parent.name}/{file.stem}" for _, file in FOUND])
def test_what_was_found_stays_mended(reached: Reached, name: str, file: Path) -> None:
    reached.run(reached.town.entrances[name](file.read_bytes()))


def test_every_folder_of_the_corpus_is_an_entrances() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= {folder_of(CORPUS, name).name for name in ENTRANCES}


def test_an_input_that_fails_is_made_small_kept_and_told(tmp_path: Path) -> None:
    def brittle(sent: bytes) -> None:
        assert len(sent) < 4, "too long"

    said: list[str] = []
    entrances, right = {"brittle one": brittle}, {"brittle one": [b"{}"]}
    (failure,) = fuzz(entrances, right, seconds=60, corpus=tmp_path, say=said.append)  # its only entrance has failed
    assert len(failure.sent) == 4
    assert failure.file.read_bytes() == failure.sent
    assert failure.file.parent.name == "brittle-one"
    assert any(line.startswith("seed ") and "AssertionError: too long" in line for line in said)
    (again,) = fuzz(entrances, right, seconds=0, corpus=tmp_path, say=said.append)
    assert (again.entrance, again.sent) == ("brittle one", failure.sent)

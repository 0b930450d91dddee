"""`sas-sandbox l02 send`: each case against a running sandbox, and what the sandbox's own LRM answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cli import main
from sandbox.edxl.trials import CASES
from tests.support.sandboxes import Command, command

SAMU = "fr.health.samu330"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    data = tmp_path_factory.mktemp("l02") / "data"
    with command(data, "--preset", "minimal") as running:
        yield running


def send(sandbox: Command, *more: str) -> int:
    return main(["l02", "send", "--data-dir", str(sandbox.data), *more])


ANSWERS = {
    "create": ["acquittement INTEGRE"],
    "update": ["acquittement INTEGRE"] * 2,
    "cancel": ["acquittement INTEGRE"] * 2,
    "unknown-update": ["acquittement INTEGRE"],
    "duplicate": ["acquittement INTEGRE"] * 2,
    "conflict": ["acquittement INTEGRE", "erreur 409 CONFLICT"],
    "invalid": ["erreur 300 INVALID_MESSAGE"],
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_answered_as_the_guide_wants_it(
    sandbox: Command, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(sandbox, "--to", SAMU, "--case", case) == 0
    lines = capsys.readouterr().out.splitlines()
    answers = [line.partition(" : ")[2] for line in lines if line.startswith("←")]
    assert len(answers) == len(ANSWERS[case])
    for found, wanted in zip(answers, ANSWERS[case], strict=True):
        assert found.startswith(wanted)


def test_who_does_not_answer_is_told_after_the_time_out(sandbox: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sandbox, "--to", "fr.health.samu998", "--case", "create", "--timeout", "0.2") == 1
    assert "✘ aucune réponse en 0.2 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--to", "fr.health.nobody"], "is no client of the hub"),
        (["--to", SAMU, "--as", "fr.health.nobody"], "is no client of the hub"),
        (["--to", SAMU, "--timeout", "0"], "--timeout"),
    ],
)
def test_what_cannot_be_sent_is_said(
    sandbox: Command, capsys: pytest.CaptureFixture[str], more: list[str], error: str
) -> None:
    assert send(sandbox, "--case", "create", *more) == 2
    assert error in capsys.readouterr().err


def test_another_spare_client_may_send(sandbox: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(sandbox, "--to", SAMU, "--case", "create", "--as", "fr.health.samu998") == 0
    assert "fr.health.samu998_" in capsys.readouterr().out


def test_a_sandbox_that_is_away_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["l02", "send", "--data-dir", str(tmp_path), "--to", SAMU, "--case", "create"]) == 3
    assert "no sandbox runs" in capsys.readouterr().err


def test_documents_name_the_lrms_that_are_here(sandbox: Command) -> None:
    document = json.loads((sandbox.data / "endpoints.json").read_text("utf-8"))
    assert {lrm["external"] for lrm in document["lrms"]} == {False}

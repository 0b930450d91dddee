"""What the examination of an LRM takes from its file, which client it is, and how a wrong file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.check.lrm.target import PLATFORM, read_lrm_target
from sandbox.cli import main
from sandbox.kernel.errors import ConfigError, UsageError

LRM, SPARE = "fr.health.samu330", "fr.health.samu999"
PLAIN: dict[str, Any] = {
    "hub": {"amqp": "amqp://127.0.0.1:9/x", "password": "p", "spare_clients": [LRM, SPARE]},
    "lrms": [{"client_id": LRM, "ui": "http://x/samu330/"}],
}


def written(directory: Path, document: dict[str, Any]) -> Path:
    file = directory / "cible.json"
    file.write_text(json.dumps(document, indent=1))
    return file


@pytest.mark.parametrize(
    ("hub", "sender"),
    [
        ({}, SPARE),
        ({"sender": "fr.health.autre"}, "fr.health.autre"),
        ({"spare_clients": []}, PLATFORM),
    ],
)
def test_who_the_examination_is(tmp_path: Path, hub: dict[str, Any], sender: str) -> None:
    target = read_lrm_target(written(tmp_path, {**PLAIN, "hub": {**PLAIN["hub"], **hub}}), None)
    assert (target.client_id, target.access.client_id, target.access.password) == (LRM, sender, "p")
    assert target.ui == "http://x/samu330"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lrms": []}, "no LRM"),
        ({"contrôle": {}}, "unknown field"),
        ({"hub": {"amqp": "https://x"}}, "is no URL"),
        ({"hub": {"amqp": "amqps://x/y"}}, f"no certificate of '{PLATFORM}'"),
        ({"lrms": [{"client_id": LRM, "format": "csv"}]}, "expected json or xml"),
        (
            {"tls": {"clients": {SPARE: {"cert": "a", "key": "b"}}}, "hub": {"amqp": "amqps://x", "sender": SPARE}},
            "such",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as refused:
        read_lrm_target(written(tmp_path, {**PLAIN, **change}), None)
    assert refused.value.line >= 1


def test_an_lrm_is_chosen_by_its_client_id(tmp_path: Path) -> None:
    file = written(tmp_path, {**PLAIN, "lrms": [{"client_id": LRM}, {"client_id": "fr.health.samu400"}]})
    assert read_lrm_target(file, "fr.health.samu400").client_id == "fr.health.samu400"
    assert read_lrm_target(file, SPARE).client_id == SPARE
    for name in (None, "fr.health.nobody"):
        with pytest.raises(UsageError, match=LRM):
            read_lrm_target(file, name)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "lrm", "--list", "--only", "L02-1*"]) == 0
    assert "L02-13" in capsys.readouterr().out
    assert main(["check", "lrm"]) == 2
    assert main(["check", "lrm", "--target", str(tmp_path / "none")]) == 2
    assert main(["check", "lrm", "--target", str(written(tmp_path, PLAIN))]) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err

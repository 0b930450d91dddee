"""`sas-sandbox doctor` as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sandbox.cli import main
from sandbox.store.embedded.tables import open_tables

EARLIER = Path(__file__).parents[2] / "data" / "earlier" / "2026-11-23T0514-killed.zip"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with zipfile.ZipFile(EARLIER) as archive:
        archive.extractall(tmp_path / "data")
    return tmp_path / "data"


def doctor(data: Path, *flags: str) -> int:
    return main(["doctor", "--data-dir", str(data), *flags])


def damage(data: Path) -> bytes:
    path = data / "sas" / "log"
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b'"status":"booked"', b'"status":"bookef"', 1))
    return path.read_bytes()


def test_sound_data_are_said_to_be_sound(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(data) == 0
    out = capsys.readouterr().out
    assert "sas : sain, 10 lignes" in out
    assert out.endswith("aucun dommage\n")


def test_damage_is_shown_and_nothing_is_changed_unasked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets = damage(data)
    assert doctor(data) == 1
    out = capsys.readouterr().out
    assert "sas : DOMMAGE" in out
    assert "perdu : ce que cet enregistrement changeait" in out
    assert (data / "sas" / "log").read_bytes() == octets
    assert doctor(data, "--repair") == 2  # nobody to ask: standard input is no terminal
    assert (data / "sas" / "log").read_bytes() == octets


def test_a_repair_says_what_it_drops_and_keeps_the_old_files(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets = damage(data)
    assert doctor(data, "--repair", "--yes") == 0
    out = capsys.readouterr().out
    assert out.index("DOMMAGE") < out.index("est réparé ; les anciens fichiers sont dans")
    assert (data / "sas" / "before-repair-1" / "log").read_bytes() == octets
    assert doctor(data) == 0


def test_a_running_sandbox_is_left_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_tables(data / "psc")
    try:
        assert doctor(data) == 2
    finally:
        store._log.close_now()
    assert "in use by process" in capsys.readouterr().err


def test_a_directory_that_is_none_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(tmp_path / "nowhere") == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_error(data: Path, unbuffered: str) -> None:
    """`sas-sandbox doctor | head -1`"""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sandbox.cli", "doctor", "--data-dir", str(data)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")

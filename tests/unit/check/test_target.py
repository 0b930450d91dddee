"""The target file: what is read of it, and the refusals with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.check.run import chosen
from sandbox.check.target import read_target
from sandbox.kernel.errors import ConfigError, UsageError

WHOLE = """\
editors:
  - slug: mine
    fhir: https://agenda.invalid/fhir/
    flows: [INT_R01, INT_R02]
tls:
  ca: ca.pem
  clients: {sas: {cert: sas.pem, key: sas.key}}
  bad: {expired: {cert: sas.pem, key: sas.key}, revoked: {}}
examples:
  practitioner_one_site: {editor: mine, id: "819900000011"}
  practitioner_pair: {ids: ["819900000052", "819900000060"]}
  practitioner_cpts: {editor: another, id: "819900000078"}
  regulators: [{identifier: x, password: y}]
"""


def written(directory: Path, text: str) -> Path:
    for name in ("ca.pem", "sas.pem", "sas.key"):
        (directory / name).touch()
    file = directory / "target.yaml"
    file.write_text(text, "utf-8")
    return file


def test_a_whole_file(tmp_path: Path) -> None:
    target = read_target(written(tmp_path, WHOLE), None, "1.2.0")
    assert (target.name, target.fhir, target.ig) == ("mine", "https://agenda.invalid/fhir", "1.2.0")
    assert (target.speaks("INT_R02"), target.speaks("SOS"), target.mutual) == (True, False, True)
    assert target.ca == tmp_path.resolve() / "ca.pem"
    assert target.good is not None
    assert target.bad.keys() == {"expired"}
    assert target.example("practitioner_pair") == ("819900000052", "819900000060")
    assert target.example("practitioner_cpts") == ()
    assert target.regulators[0]["identifier"] == "x"


def test_the_least_file(tmp_path: Path) -> None:
    target = read_target(written(tmp_path, "editors: [{fhir: 'http://x.invalid/fhir', flows: []}]"), None)
    assert (target.ca, target.good, dict(target.bad), dict(target.examples)) == (None, None, {}, {})
    assert not target.mutual


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("https://agenda.invalid/fhir/", "agenda.invalid", 3, "is no URL"),
        ("    flows: [INT_R01, INT_R02]\n", "", 2, "`flows` is missing"),
        ("INT_R02]", "INT_R99]", 4, "unknown flow 'INT_R99'"),
        ("  ca: ca.pem", "  ca: nothing.pem", 6, "no such file"),
        (", key: sas.key}}\n  bad", "}}\n  bad", 7, "`key` is missing"),
        ("examples:", "exemples:", 9, "unknown field `exemples`"),
        ("  ca: ca.pem", "  authority: ca.pem", 6, "unknown field `authority`"),
        ('id: "819900000011"', "ids: 7", 10, "expected `id`"),
        ("[{identifier: x, password: y}]", "3", 13, "a list of accounts"),
        ("- slug: mine", "- slug: [mine", 2, "not YAML"),
    ],
)
def test_refusals_say_where(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert old in WHOLE
    file = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"target.yaml:{line}: .*{words}"):
        read_target(file, None)


def test_one_of_several_editors_is_chosen(tmp_path: Path) -> None:
    two = "editors: [{slug: a, fhir: 'http://a.invalid', flows: []}, {slug: b, fhir: 'http://b.invalid', flows: []}]"
    file = written(tmp_path, two)
    assert read_target(file, "b").fhir == "http://b.invalid"
    for name, words in ((None, "choose one by --name"), ("c", "no editor 'c'")):
        with pytest.raises(UsageError, match=words):
            read_target(file, name)
    with pytest.raises(ConfigError, match="no editor"):
        read_target(written(tmp_path, "editors: []"), None)


def test_requirements_are_chosen_by_id_or_by_their_beginning() -> None:
    assert chosen(["R01-45"]) == {"R01-45"}
    assert {"TLS-1", "TLS-7"} < chosen(["TLS-*"])
    assert len(chosen([])) > 100
    with pytest.raises(UsageError, match="no requirement 'R99'"):
        chosen(["R99"])

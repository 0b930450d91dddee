"""`sas-sandbox init`: what a vendor needs to begin, before the first start; nothing is written over, nothing half."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox.check.target import read_target
from sandbox.cli import main
from sandbox.config import load_settings
from sandbox.pki.subjects import BAD_KINDS
from sandbox.population.load import load_population
from sandbox.psc.clients import registered_clients


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/opt/sas-sandbox"])  # as the person calls it
    for name in ("SAS_SANDBOX_DATA_DIR", "SAS_SANDBOX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def subject(file: Path) -> tuple[str, str]:
    """CN and OU of a certificate."""
    names = x509.load_pem_x509_certificate(file.read_bytes()).subject
    cn, ou = (
        names.get_attributes_for_oid(oid)[0].value for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    )
    return str(cn), str(ou)


def test_editor_gets_configuration_certificates_sheet_appointment_target_and_four_commands(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "editor", "agenda-neuf", "--fhir", "https://127.0.0.1:9555/r4/", "--town", "69123"]) == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("  ")]
    assert [command[1] for command in commands] == ["up", "--cacert", "-i", "check"]
    assert [line for line in lines if line.startswith("  ") and "'" in line] == []  # no quotation to Windows
    for command in commands:
        named = [word.removeprefix("@") for word in command if word.startswith((".sandbox", "agenda-neuf", "@"))]
        assert named
        assert [word for word in named if not Path(word).is_file()] == []
    settings = load_settings({}, {}, here / "agenda-neuf" / "agenda-neuf.yaml")
    (declared,) = settings.external_editors
    population = load_population(settings)
    (person,) = population.of_editor("agenda-neuf")
    assert (declared.base_url, declared.ui, declared.name) == ("https://127.0.0.1:9555/r4", None, "Agenda Neuf")
    assert (person.places[0].city, person.specialty) == ("Lyon", "SM54")
    client = registered_clients(settings, population.editors.values(), str)["agenda-neuf"]
    assert client.redirect_uris == ("https://127.0.0.1:9555/psc/retour",)
    pki = here / ".sandbox" / "pki"
    assert subject(pki / "agenda-neuf.pem") == subject(pki / "agenda-neuf.server.pem") == ("127.0.0.1", declared.ou)
    sheet = (here / "agenda-neuf" / "LISEZMOI.md").read_text("utf-8")
    for told in (*subject(pki / "sas.pem"), *subject(pki / "server.pem"), person.id, "1 rue du Dehors, 69002 Lyon"):
        assert told in sheet
    appointment = json.loads((here / "agenda-neuf" / "rendez-vous.json").read_bytes())
    assert appointment["identifier"][0]["system"] == declared.system
    assert appointment["participant"][0]["actor"]["identifier"]["value"] == person.id
    target = read_target(here / "agenda-neuf" / "recette.yaml", None)
    assert (target.name, target.fhir, set(target.flows)) == ("agenda-neuf", declared.base_url, set(declared.flows))
    assert target.good is not None
    assert set(target.bad) == set(BAD_KINDS)
    assert target.example("practitioner_one_site") == (person.id,)
    assert (target.psc, target.regulators[0]["password"]) == ("http://127.0.0.1:8003/psc", "regulation-33")


def test_the_target_names_certificates_of_another_directory(here: Path) -> None:
    assert main(["init", "editor", "ailleurs", "--data-dir", "d a/ta", "--out", "x/y z"]) == 0
    target = read_target(here / "x" / "y z" / "recette.yaml", None)
    assert target.ca is not None
    assert target.ca.resolve() == here / "d a" / "ta" / "pki" / "ca.pem"


def test_lrm_gets_configuration_certificate_sheet_and_three_commands(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data-dir", "d a/ta", "--port-base", "9100", "--title", 'Régul "+"', "--out", "x/y z"]
    assert main(["init", "lrm", "regul-plus", "--client-id", "fr.health.samu690", *options]) == 0
    out = capsys.readouterr().out
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("  ")]
    assert [command[1] for command in commands] == ["up", "lrm.py", "l02"]
    assert Path(commands[1][0]).is_file()  # a Python
    assert out.endswith(f"(il lui faut pika : {shlex.quote(commands[1][0])} -m pip install pika).\n")
    settings = load_settings({}, {}, here / "x" / "y z" / "regul-plus.yaml")
    assert (settings.port_base, settings.data) == (9100, here / "d a" / "ta")
    assert [(row.client_id, row.software) for row in settings.external_lrms] == [("fr.health.samu690", 'Régul "+"')]
    assert subject(here / "d a" / "ta" / "pki" / "fr.health.samu690.pem")[0] == "fr.health.samu690"
    sheet = (here / "x" / "y z" / "LISEZMOI.md").read_text("utf-8")
    assert "3456780581/69000021" in sheet  # who regulates there, and nobody else
    assert "3456780581/11242343" not in sheet
    assert "http://127.0.0.1:9100/sas/recherche?origin=urn:oid:1.2.250.1.999.9.69" in sheet
    assert "port 9171" in sheet


def test_lrm_of_no_territory_is_told_so(here: Path) -> None:
    assert main(["init", "lrm", "ailleurs", "--client-id", "fr.health.samu750"]) == 0
    sheet = (here / "ailleurs" / "LISEZMOI.md").read_text("utf-8")
    assert "`fr.health.samu750` n'est le LRM d'aucun territoire" in sheet


def test_the_same_name_gives_the_same_files_and_another_one_others(here: Path) -> None:
    for out, name in (("a", "mon-agenda"), ("b", "mon-agenda"), ("c", "autre-agenda")):
        assert main(["init", "editor", name, "--out", out]) == 0
    config, appointment, other = (
        here / file for file in ("a/mon-agenda.yaml", "a/rendez-vous.json", "c/autre-agenda.yaml")
    )
    assert config.read_text("utf-8").replace("a/mon", "b/mon") == (here / "b/mon-agenda.yaml").read_text("utf-8")
    assert appointment.read_bytes() == (here / "b/rendez-vous.json").read_bytes()
    ids = [set(re.findall(r'"(\d{10,15}|urn:oid:[\d.]+)"', each.read_text("utf-8"))) for each in (config, other)]
    assert len(ids[0]) == len(ids[1]) == 4
    assert not ids[0] & ids[1]


def test_an_option_that_does_not_exist_is_not_taken_for_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["init", "editor", "x", "--ou", "399929934988181"])
    assert (ended.value.code, [*here.iterdir()]) == (2, [])
    assert "unrecognized arguments: --ou 399929934988181" in capsys.readouterr().err


def test_nothing_is_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mon-agenda").mkdir()
    (here / "mon-agenda" / "LISEZMOI.md").write_text("à moi", "utf-8")
    assert main(["init", "editor", "mon-agenda"]) == 2
    assert capsys.readouterr().err.startswith("sas-sandbox: init: mon-agenda/LISEZMOI.md exists: nothing is written")
    assert [file.name for file in (here / "mon-agenda").iterdir()] == ["LISEZMOI.md"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("editor", "Mon_Agenda"), "NAME: 'Mon_Agenda' is not usable (expected at most 40 lower-case letters"),
        (("editor", "../x"), "NAME: '../x' is not usable"),
        (("lrm", ""), "NAME: '' is not usable"),
        (("editor", "agenda-azur"), "there is another editor 'agenda-azur'"),
        (("editor", "sas"), "'sas' belongs to the sandbox: choose another slug"),
        (("editor", "server"), "'server' belongs to the sandbox: choose another slug"),
        (("editor", "x", "--town", "Bordeaux"), "unknown town 'Bordeaux': did you mean 33063 (Bordeaux)?"),
        (("editor", "x", "--fhir", "http://x"), "--fhir: 'http://x' is not usable (expected an https address"),
        (("editor", "x", "--title", "x" * 201), "--title: 'xxx"),
        (("lrm", "x", "--title", "a\nb: c"), "--title: 'a\\nb: c' is not usable (expected one line)"),
        (("editor", "x", "--port-base", "99999"), "port_base: 99999 is not usable (expected 1 to 65436)"),
        (("editor", "x", "--out", "/dev/null/x"), "/dev/null/x: Not a directory"),
        (("editor", "x", "--data-dir", "/dev/null/x"), "/dev/null/x: Not a directory"),
        (("lrm", "x", "--client-id", "samu330"), "--client-id: 'samu330' is not usable (expected a client id of the"),
        (("lrm", "x", "--client-id", "fr.health.SAMU"), "--client-id: 'fr.health.SAMU' is not usable (expected lower"),
        (("lrm", "x", "--client-id", "fr.health.test.ptfsas"), "other client ids than the platform's"),
    ],
)
def test_a_wrong_use_is_one_line_and_leaves_nothing_behind(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    assert main(["init", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("sas-sandbox: init: ")
    assert reason in err
    assert err.count("\n") == 1
    assert [*here.iterdir()] == []

"""Values that a setting, a flag or a parameter cannot have: one clear line, never an internal error."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.cli import main
from sandbox.config import is_loopback, load_settings
from sandbox.ground import prepare
from sandbox.hub.dispatching.dispatcher import HUB_ID
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.hub.clients import RESERVED
from sandbox.kernel.reserved import SLUGS, why_reserved
from sandbox.package_data import directory
from sandbox.population.load import load_population
from sandbox.yaml_file import load_yaml

LARGEST = 2**53 - 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", LARGEST + 1),
        ("seed", -LARGEST - 1),
        ("seed", 10**40),
        ("host", ""),
        ("host", "a b"),
        ("host", "http://127.0.0.1"),
        ("host", "1.2.3.400"),
        ("host", "[::1]"),
        ("host", "fe80::1%eth0"),
        ("public_host", "a/b"),
        ("public_host", "bac:8000"),
        ("public_host", "user@bac"),
        ("public_host", "bac?x"),
        ("public_host", "bac..local"),
        ("public_host", "-bac"),
        ("public_host", "é.local"),
        ("public_host", "bac\n"),
        ("public_host", "x" * 64),
        ("data_dir", ""),
        ("data_dir", " "),
        ("data_dir", "a\x00b"),
        ("ready_file", ""),
        ("ready_file", "a\nb"),
        ("personas", ""),
        ("vhost", ""),
        ("vhost", "a/b"),
        ("vhost", "15-15\n"),
        ("sas_origin", "autre"),
        ("sas_origin", "sas&x=1"),
        ("platform_client_id", "fr.health.hub"),
        ("platform_client_id", "ptfsas"),
        ("platform_client_id", "fr.health.a\n"),
        ("spare_clients", ("fr.health.samu999", "fr.health.HUB")),
        ("spare_clients", ("fr.health.test.ptfsas",)),
        ("spare_clients", ("fr.health.\x1bx",)),
        ("message_ttl_s", 0),
        ("message_ttl_s", 4_000_001),
        ("session_hours", 0),
        ("session_hours", float("nan")),
        ("session_hours", float("inf")),
        ("session_hours", -1.0),
        ("admin_token", "short"),
        ("admin_token", "with a space in it 0123"),
        ("editor_timeout_s", float("nan")),
        ("breaker_pause_s", float("inf")),
    ],
)
def test_a_value_that_cannot_be_used_is_a_usage_error_of_one_line(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({name: value}, {})
    assert str(caught.value).startswith(f"command line: {name}: ")
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_is_never_told() -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({"admin_token": "secret word"}, {})
    assert "secret word" not in str(caught.value)


@pytest.mark.parametrize("host", ["bac.local", "bac_1", "localhost", "192.0.2.1", "::1", "2001:db8::1", "BAC.example."])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert load_settings({"public_host": host}, {}).public_host == host


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("LocalHost.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("bac.local", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_only_loopback_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone
    assert load_settings({"host": host}, {}).exposed is not alone


@pytest.mark.parametrize("name", ["SEED", "PORT_BASE", "QUEUE_LIMIT"])
@pytest.mark.parametrize("text", ["9" * 30, "²", "٣", "1e400", "nan", "1_0", "", "-"])
def test_a_number_of_the_environment_is_one_or_a_usage_error(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({}, {f"SAS_SANDBOX_{name}": text})
    assert str(caught.value).startswith("environment: ")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "nowhere" / "ready.json", "is no directory"),
        (lambda path: path, "is a directory"),
        (lambda path: path / "file" / "ready.json", "is no directory"),
    ],
)
def test_a_ready_file_that_cannot_be_is_told_before_anything_starts(
    tmp_path: Path, make: object, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    data = tmp_path / "data"
    code = main(["up", "--data-dir", str(data), "--ready-file", str(make(tmp_path))])  # type: ignore[operator]
    told = capsys.readouterr().err
    assert code == 2
    assert words in told
    assert told.count("\n") == 1
    assert not data.exists()


def personas(tmp_path: Path, name: str, old: str, new: str) -> Path:
    folder = tmp_path / "personas"
    folder.mkdir()
    for source in directory("personas").glob("*.yaml"):
        text = source.read_text("utf-8")
        (folder / source.name).write_text(text.replace(old, new) if source.stem == name else text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("editors", "slug: agenda-azur", "slug: sas", "'sas' belongs to the sandbox"),
        ("editors", "slug: agenda-azur", "slug: static", "'static' belongs to the sandbox"),
        ("editors", "slug: agenda-azur", 'slug: "agenda-azur\\n"', "control characters"),
        ("territories", "samu: fr.health.samu330", "samu: fr.health.hub", "'fr.health.hub' belongs to the hub itself"),
        ("territories", "samu: fr.health.samu330", 'samu: "fr.health.samu330\\x7f"', "control characters"),
        ("regulators", "3456780581/11242343", "19800000903", "is a person of this file already"),
        ("regulators", "FONTANEL", '"FONTA\\x01NEL"', "control characters"),
    ],
)
def test_names_of_the_sandbox_and_control_characters_are_refused_in_persona_files(
    tmp_path: Path, name: str, old: str, new: str, words: str
) -> None:
    folder = personas(tmp_path, name, old, new)
    with pytest.raises(ConfigError, match=words) as caught:
        load_population(load_settings({"personas": str(folder), "preset": "minimal"}, {}))
    assert caught.value.file.endswith(f"{name}.yaml")
    line = (folder / f"{name}.yaml").read_text("utf-8").splitlines()[caught.value.line - 1]
    assert new.split(": ")[-1] in line or "819800000903" in line


CONFIG = """
external_editors:
  - slug: {slug}
    name: Mon agenda
    system: urn:oid:1.2.250.1.999.77
    base_url: https://127.0.0.1:9443/fhir
    ou: "399900100000093"
    flows: [INT_R01]
external_lrms:
  - client_id: {client}
"""


@pytest.mark.parametrize(
    ("slug", "client", "line", "words"),
    [
        ("sas", "fr.health.samu750", 3, "'sas' belongs to the sandbox"),
        ("ca", "fr.health.samu750", 3, "'ca' belongs to the sandbox"),
        ('"mon-agenda\\n"', "fr.health.samu750", 3, "control characters"),
        ("mon-agenda", "fr.health.hub", 10, "'fr.health.hub' belongs to the hub itself"),
        ("mon-agenda", '"fr.health.samu750\\n"', 10, "control characters"),
    ],
)
def test_names_of_the_sandbox_and_control_characters_are_refused_in_the_configuration(
    tmp_path: Path, slug: str, client: str, line: int, words: str
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG.format(slug=slug, client=client), "utf-8")
    with pytest.raises(ConfigError, match=words) as caught:
        prepare(load_settings({"data_dir": str(tmp_path / "d"), "preset": "minimal"}, {}, file), lambda: 1.8e9)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "flags",
    [{"platform_client_id": "fr.health.samu330"}, {"spare_clients": ("fr.health.samu330",)}],
)
def test_no_client_id_is_two_things(tmp_path: Path, flags: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="is the LRM of territory SAS-33"):
        prepare(load_settings({"data_dir": str(tmp_path), "preset": "minimal", **flags}, {}), lambda: 1.8e9)


def test_the_names_that_are_kept_back() -> None:
    assert HUB_ID in RESERVED
    assert "sas" in SLUGS
    assert why_reserved("mon-agenda") is None


def test_control_characters_are_found_wherever_they_stand_and_aliases_are_read_once(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text('a: 1\nb:\n  - c: ok\n  - "d\\te": 2\n', "utf-8")
    with pytest.raises(ConfigError, match="control characters") as caught:
        load_yaml(file, dict)
    assert caught.value.line == 4
    assert load_yaml(file, dict, lines=True).value["b"][1] == {"d\te": 2}
    rows = ["a0: &a0 [x, x]", *(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 2)}]" for at in range(1, 60))]
    file.write_text("\n".join(rows), "utf-8")
    assert "a59" in load_yaml(file, dict).value

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from sandbox import yaml_file
from sandbox.amqp.broker.limits import Limits
from sandbox.config import EDITORS_FHIR, SAS_UI, Settings, load_settings
from sandbox.ground import prepare
from sandbox.hub.app import limits
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.yaml_file import line_of, load_yaml


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_environment_over_file_over_preset(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "seed: 1\nport_base: 9000\npreset: minimal\nhost: 127.0.0.2\n")
    environ = {"SAS_SANDBOX_SEED": "2", "SAS_SANDBOX_PORT_BASE": "9100", "PATH": "/bin", "SAS_SANDBOX_CONFIG": "x"}
    settings = load_settings({"seed": 3, "freeze": None}, environ, file)
    assert (settings.seed, settings.port_base, settings.practitioners) == (3, 9100, 0)
    assert settings.public_host == "127.0.0.2"


def test_a_preset_value_gives_way_to_any_explicit_one() -> None:
    assert load_settings({"preset": "demo"}, {}).practitioners == 2_000
    assert load_settings({}, {"SAS_SANDBOX_PRACTITIONERS": "7"}).practitioners == 7


def test_urls_follow_from_ports_and_public_host() -> None:
    settings = load_settings({"port_base": 9000, "public_host": "bac.local"}, {})
    assert settings.http(SAS_UI, "/x") == "http://bac.local:9000/x"
    assert settings.fhir(EDITORS_FHIR) == "https://bac.local:9043"
    assert msgspec.structs.replace(settings, mtls=False).fhir(EDITORS_FHIR) == "http://bac.local:9043"
    assert settings.data.is_absolute()
    assert msgspec.structs.replace(settings, public_host="::1").http(SAS_UI) == "http://[::1]:9000"


def test_clients_of_the_hub_find_its_broker() -> None:
    assert load_settings({"port_base": 9000}, {}).hub == ("127.0.0.1", 9071)
    assert load_settings({"port_base": 9000, "mtls": False}, {}).hub == ("127.0.0.1", 9072)
    assert load_settings({"hub_broker": "amqps://rabbit"}, {}).hub == ("rabbit", 5671)
    assert load_settings({"hub_broker": "amqp://[::1]:5700/", "mtls": False}, {}).hub == ("::1", 5700)


def test_listening_everywhere_does_not_change_the_public_name() -> None:
    assert load_settings({"host": "0.0.0.0"}, {}).public_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({"preset": "nope"}, {}, "command line: preset: 'nope' is not usable (expected minimal or demo or national)"),
        ({"port_base": 70_000}, {}, "command line: port_base: 70000 is not usable (expected 1 to 65436)"),
        ({"hub_broker": "rabbit:5672"}, {}, "command line: hub_broker: 'rabbit:5672' is not usable (expected embedded"),
        ({"hub_broker": "amqp://rabbit"}, {}, "command line: hub_broker: 'amqp://rabbit' is not usable"),
        ({"hub_broker": "amqps://u:p@rabbit"}, {}, "command line: hub_broker: 'amqps://u:p@rabbit' is not usable"),
        ({"hub_broker": "amqps://rabbit:99999"}, {}, "command line: hub_broker: 'amqps://rabbit:99999' is not usable"),
        ({"hub_topology": "guess"}, {}, "command line: hub_topology: 'guess' is not usable (expected declare or"),
        ({"freeze": True}, {}, "command line: freeze: True is not usable (expected as_of beside it)"),
        (
            {"as_of": "hier"},
            {},
            "command line: as_of: 'hier' is not usable (expected YYYY-MM-DDThh:mm:ss[+hh:mm], 2000 to 2098)",
        ),
        ({"preset": 3}, {}, "command line: preset: 3 is not usable (expected a text, in quotes)"),
        ({}, {"SAS_SANDBOX_SEED": "zéro"}, "environment: seed: 'zéro' is not usable (expected a whole number)"),
        ({}, {"SAS_SANDBOX_SEAD": "1"}, "environment: SAS_SANDBOX_SEAD is no setting: did you mean SAS_SANDBOX_SEED"),
        ({"host": "http://here"}, {}, "command line: host: 'http://here' is not usable (expected a host name or an IP"),
        ({}, {"SAS_SANDBOX_PUBLIC_HOST": "[::1]"}, "environment: public_host: '[::1]' is not usable (expected a host"),
    ],
)
def test_a_bad_setting_is_one_line_that_says_where_it_came_from(
    flags: dict[str, object], environ: dict[str, str], expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(flags, environ)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\npreset: nope\n", ":2: preset: 'nope' is not usable (expected minimal or demo or national)"),
        ("seed: 1\n\nport_base: abc\n", ":3: port_base: 'abc' is not usable (expected a whole number)"),
        ("seed: 1\nsead: 2\n", ":2: unknown field `sead`: did you mean seed?"),
        ("seed: [1\n", ":1: not YAML: "),
        ("seed: 1\nhost: x\nseed: 2\n", ":3: `seed` is given twice"),
        ("oidc_clients:\n  - {id: a,\n     id: b}\n", ":3: `id` is given twice"),
        (
            "oidc_clients:\n  - {id: a, <<: {name: b}, <<: {name: c}}\n",
            ":2: oidc_clients[0]: the field `redirect_uris`",
        ),
        ("oidc_clients: &a\n  - *a\n", ":1: oidc_clients[0]: "),
        ("- seed\n", ":1: ['seed'] is not usable (expected a mapping)"),
    ],
)
def test_a_bad_configuration_file_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path / "c.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_settings({}, {}, file)
    assert str(caught.value).startswith(f"{file}{expected}")


def test_an_unreadable_or_binary_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "absent.yaml", Settings)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_yaml(tmp_path / "b.yaml", Settings)
    (tmp_path / "control.yaml").write_bytes(b"a: \x07\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load_yaml(tmp_path / "control.yaml", Settings)


def test_an_empty_file_is_an_empty_document(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path / "e.yaml", ""), Settings).value == Settings()
    assert line_of(None, "$.a") == 1


def test_a_path_leads_to_its_line_or_to_its_nearest_ancestors(tmp_path: Path) -> None:
    text = "editors:\n  - slug: a\n  - slug: b\n    name: B\n"
    loaded = load_yaml(write(tmp_path / "p.yaml", text), dict)
    assert line_of(loaded.root, "$.editors[1].name") == 4
    assert line_of(loaded.root, "$.editors[1].colour") == 3
    assert line_of(loaded.root, "$.editors[7]") == 2
    assert line_of(loaded.root, "$.nothing") == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("search_timeout_s", 6.9, "editor_timeout_s to 300"),
        ("search_timeout_s", 301, "editor_timeout_s to 300"),
        ("editor_concurrency", 0, "1 to 1000"),
        ("editor_answer_mib", 65, "1 to 64"),
        ("ig_version", "1.3.0", "1.1.0 or 1.2.0"),
        ("sos_take_over_s", -1, "0 to 86400"),
        ("sos_take_over_s", float("nan"), "0 to 86400"),
        ("sos_take_over_s", 86_401, "0 to 86400"),
        ("breaker_failures", 0, "1 to 1000"),
        ("breaker_pause_s", 0, "over 0, at most 3600"),
    ],
)
def test_bounds_of_the_aggregators_settings(name: str, value: float, expected: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}: .*{expected}"):
        load_settings({name: value}, {})


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("  - client_id: fr.health.test.ptfsas\n", "other client ids than the platform's, each once"),
        ("  - client_id: fr.health.samu750\n  - client_id: fr.health.samu750\n", "each once"),
        ("  - client_id: mon-lrm\n", "external_lrms"),
        ("  - client_id: fr.health.samu750\n    colour: red\n", "colour"),
        ("  - client_id: fr.health.samu750\n    format: yaml\n", "format"),
    ],
)
def test_a_vendors_lrm_has_a_client_id_of_its_own(tmp_path: Path, rows: str, expected: str) -> None:
    file = write(tmp_path / "c.yaml", f"external_lrms:\n{rows}")
    with pytest.raises(UsageError, match=expected) as caught:
        load_settings({}, {}, file)
    assert str(caught.value).startswith(str(file))


def test_vendors_lrms_are_known_by_their_ids(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "external_lrms:\n  - client_id: fr.health.samu750\n    software: X\n")
    assert load_settings({}, {}, file).external_lrm_ids == {"fr.health.samu750"}


def test_the_platform_speaks_json_or_xml(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "platform_format: xml\n")
    assert load_settings({}, {}, file).platform_format == "xml"
    with pytest.raises(UsageError, match=r"platform_format: 'yaml' is not usable \(expected json or xml\)"):
        load_settings({"platform_format": "yaml"}, {})


def test_levels_without_end_are_told_by_the_parser_in_python_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_file, "_LOADER", yaml.SafeLoader)
    deep = write(tmp_path / "deep.yaml", "seed: " + "[" * 3000 + "]" * 3000)
    with pytest.raises(ConfigError, match="far too many levels"):
        load_yaml(deep, Settings)


def test_a_clock_that_no_sandbox_can_show_is_one_line(tmp_path: Path) -> None:
    settings = load_settings({"as_of": "1999-06-01", "data_dir": str(tmp_path / "data")}, {})
    with pytest.raises(
        UsageError, match=r"--as-of: sandbox time 1999-06-01.* is not between 2000-01-01 and 2098-12-31"
    ):
        prepare(settings, lambda: 0.0)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ack_timeout_s", 0.5, "1 to 604800"),
        ("message_limit_mib", 65, "1 to 64"),
        ("client_connections", 0, "1 to 1000"),
    ],
)
def test_limits_of_the_hub_are_checked_with_their_line(tmp_path: Path, name: str, value: float, expected: str) -> None:
    file = write(tmp_path / "c.yaml", f"port_base: 8000\n{name}: {value}\n")
    with pytest.raises(ConfigError, match=rf"c\.yaml:2: .*{name}.*expected {expected}"):
        load_settings({}, {}, file)


def test_limits_of_the_hub_reach_its_broker() -> None:
    settings = load_settings({"ack_timeout_s": 5, "message_limit_mib": 2, "client_connections": 3}, {})
    assert limits(settings) == Limits(message=2 * 1024 * 1024, ack_s=5.0, connections=3)
    assert limits(load_settings({}, {})) == Limits()

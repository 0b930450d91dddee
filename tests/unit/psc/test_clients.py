"""Who is registered at Pro Santé Connect, and how the configuration adds to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.config import load_settings
from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.kernel.model import Editor
from sandbox.psc.clients import registered_clients

EDITOR = Editor("agenda-azur", "Agenda Azur", "urn:oid:1.2.250.1.999.1", (), "399900000000017")
CLIENTS = """seed: 1
oidc_clients:
  - id: mon-agenda
    name: Mon Agenda
    redirect_uris: ["https://127.0.0.1:9443/psc/retour"]
    logout_uris: ["https://127.0.0.1:9443/"]
  - id: autre
    name: Autre
    redirect_uris:
      - http://localhost:3000/retour
    secret: un-secret-choisi
"""


def write(path: Path, text: str = CLIENTS) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_declared_clients_stand_beside_our_own_with_given_or_derived_secrets(tmp_path: Path) -> None:
    settings = load_settings({}, {}, write(tmp_path / "c.yaml"))
    clients = registered_clients(settings, [EDITOR], lambda purpose: f"<{purpose}>")
    assert [*clients] == ["sas", "agenda-azur", "mon-agenda", "autre"]
    mine = clients["mon-agenda"]
    assert mine.redirect_uris == ("https://127.0.0.1:9443/psc/retour",)
    assert mine.logout_uris == ("https://127.0.0.1:9443/",)
    assert mine.knows("<psc-client:mon-agenda>")
    assert clients["autre"].knows("un-secret-choisi")
    assert clients["agenda-azur"].redirect_uris == ("http://127.0.0.1:8001/agenda-azur/oidc/callback",)


@pytest.mark.parametrize(("taken", "line"), [("sas", 7), ("agenda-azur", 7), ("mon-agenda", 7)])
def test_taken_id_is_refused_with_file_and_line(tmp_path: Path, taken: str, line: int) -> None:
    file = write(tmp_path / "c.yaml", CLIENTS.replace("id: autre", f"id: {taken}"))
    with pytest.raises(ConfigError, match=f"c.yaml:{line}: there is another client with the id '{taken}'"):
        registered_clients(load_settings({}, {}, file), [EDITOR], str)


def test_taken_id_without_a_file_is_refused_too() -> None:
    row = {"id": "sas", "name": "S", "redirect_uris": ["http://x/"]}
    settings = load_settings({"oidc_clients": [row]}, {})
    with pytest.raises(UsageError, match=r"settings: there is another client .* \(at \$\.oidc_clients\[0\]\.id\)"):
        registered_clients(settings, [], str)


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("name: Mon Agenda", "nom: Mon Agenda", 4, "oidc_clients[0]: unknown field `nom`"),
        ("http://localhost:3000/retour", "/retour", 10, "'/retour' is not usable (expected an address such as"),
        (
            "http://localhost:3000/retour",
            "http://localhost:3000/#x",
            10,
            "/retour, without '#'",
        ),
        ("un-secret-choisi", "court", 11, "secret: this value is not usable (expected 8 to 200 characters"),
        ("      - http://localhost:3000/retour", "      []", 10, "(expected a list of at least 1 entries)"),
        ("id: autre", "id: 7", 7, "id: 7 is not usable (expected at most 100 letters, digits"),
    ],
)
def test_badly_declared_client_is_refused_with_file_and_line(
    tmp_path: Path, before: str, after: str, line: int, reason: str
) -> None:
    file = write(tmp_path / "c.yaml", CLIENTS.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        load_settings({}, {}, file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert reason in str(caught.value)
    assert "court" not in str(caught.value)  # a secret is not told


def test_a_configuration_file_names_no_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml:2: a configuration file cannot name another one"):
        load_settings({}, {}, write(tmp_path / "c.yaml", "seed: 1\nconfig: other.yaml\n"))

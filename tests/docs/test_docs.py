"""What README and docs name exists: files, flags, ports, variables, endpoints, faults, make targets, libraries."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from sandbox.cli import _parser
from sandbox.config import ENV_PREFIX, Settings
from sandbox.faults import KINDS
from sandbox.ground import PORT_NAMES
from sandbox.kernel.character import QUIRKS
from sandbox.kernel.flows import Flow
from sandbox.psc.realms import SCOPES
from sandbox.psc.tokens import ACR, CLAIMS, PERSON
from sandbox.sas.directory.origins import Origin

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALL = "\n".join(page.read_text("utf-8") for page in PAGES)
FOR_USERS = "\n".join(
    (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    for page in (
        "integrateurs",
        "integrateurs-orientations",
        "verifier-mon-agenda",
        "verifier-mon-lrm",
        "integrators-lrm",
        "testeurs",
        "formateurs",
        "formateurs-orientations",
        "scaling",
    )
)


def help_of(*command: str) -> str:
    parser = _parser()
    for word in command:
        actions = next(action for action in parser._actions if action.choices and word in action.choices)
        parser = actions.choices[word]
    return parser.format_help()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_flag_exists_and_every_flag_of_up_is_documented() -> None:
    texts = help_of("up") + help_of("scenario", "run") + "--headless --cacert --cert --key --prefix"
    for command in (
        ("pki", "issue"),
        ("pki", "revoke"),
        ("pki", "list"),
        ("pki", "export"),
        ("psc", "clients"),
        ("hub", "definitions"),
        ("hub", "add-client"),
        ("hub", "remove-client"),
        ("l02", "send"),
        ("init", "editor"),
        ("init", "lrm"),
        ("check", "editor"),
        ("check", "lrm"),
        ("kit", "preset"),
        ("kit", "collection"),
        ("doctor",),
    ):
        texts += help_of(*command)
        for flag in set(re.findall(r"--[a-z][a-z-]*", help_of(*command))) - {"--help"}:
            assert f"`{flag}`" in FOR_USERS, flag
    for flag in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ALL)):
        assert flag in texts, flag
    for flag in set(re.findall(r"--[a-z][a-z-]+", help_of("up"))) - {"--help"}:
        assert flag in FOR_USERS, flag


def test_every_port_of_the_table_is_the_one_that_is_bound_and_none_is_missing() -> None:
    table = {int(port) for port in re.findall(r"^\| (\d{4}) \|", FOR_USERS, re.MULTILINE)}
    assert table == {Settings().port(offset) for offset in PORT_NAMES}


def test_every_variable_is_a_setting() -> None:
    for name in set(re.findall(rf"{ENV_PREFIX}([A-Z_]+[A-Z])", ALL)):
        assert name.lower() in Settings.__struct_fields__, name


def test_every_make_target_exists_and_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    assert {"sandbox", "test", "check", "bench", "clean"} <= targets
    for named in set(re.findall(r"(?:`|^)make ([a-z]+)", ALL, re.MULTILINE)):
        assert named in targets, named


def test_every_fault_that_is_named_exists() -> None:
    named = set(re.findall(r'"kind": "([\w-]+)"', FOR_USERS)) | {"latency", "status"}
    assert named - {"Ack", *Origin} <= set(KINDS)  # the kind of a message, and those of orientations


def test_the_flows_that_an_editor_may_declare_and_those_that_may_be_slow_are_named() -> None:
    (declared,) = re.findall(r"^\| `flows` \| parmi (.+) \|$", FOR_USERS, re.MULTILINE)
    (slow,) = re.findall(r"^- `latency` : par flux reçu \((.+?)\)", FOR_USERS, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", declared)) == {flow.value for flow in Flow if flow.interfaced}
    assert set(re.findall(r"`(\w+)`", slow)) == {flow.value for flow in Flow if flow.answered_by_editors}


def test_the_table_of_quirks_has_each_with_its_sentence_and_no_other() -> None:
    (section,) = re.findall(r"^## Des éditeurs qui se trompent$(.*?)^## ", FOR_USERS, re.MULTILINE | re.DOTALL)
    table = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", section, re.MULTILINE))
    assert table == dict(QUIRKS)


def test_every_quirk_that_an_example_names_exists() -> None:
    everywhere = ALL + (ROOT / "personas" / "editors.yaml").read_text("utf-8")
    named = re.findall(r"^ +- ([a-z-]+)$|\{name: ([a-z-]+),|quirks: \[([a-z-]+)", everywhere, re.MULTILINE)
    named += [
        (name, "", "") for body in re.findall(r'"quirks": \{(.*?)\}', ALL) for name in re.findall(r'"([a-z-]+)":', body)
    ]
    found = {name for names in named for name in names if name}
    assert {"bad-phone", "no-offset"} <= found <= set(QUIRKS)


def test_every_admin_path_is_served() -> None:
    served = "\n".join(file.read_text("utf-8") for file in (ROOT / "sandbox" / "control").rglob("*.py"))
    for path in set(re.findall(r"8010/(__admin/\w+|metrics)", FOR_USERS)):
        assert re.search(rf'"/{path}["/.]', served), path


def test_every_runtime_and_development_library_is_justified_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["load"]]
    wanted += [*groups["build"], *groups["dev"]]
    names = {re.match(r"[A-Za-z0-9._-]+", line).group().lower() for line in wanted}
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z][^|]+) \|", page, re.MULTILINE)
    listed = {name.strip() for row in rows for name in row.split(",")} - {"library"}
    assert listed == names


def test_every_library_is_locked_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lock = (ROOT / "requirements.lock").read_text("utf-8").lower()
    for line in project["project"]["dependencies"]:
        name = re.match(r"[A-Za-z0-9._-]+", line).group().lower().replace(".", "-")
        assert re.search(rf"^{re.escape(name)}==[^\n]+\\\n +--hash=sha256:", lock, re.MULTILINE), name


def test_python_blocks_of_the_docs_are_python() -> None:
    blocks = re.findall(r"```python\n(.*?)```", ALL, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "docs", "exec")


def test_the_scopes_and_claims_of_the_provider_are_those_of_the_guide() -> None:
    (section,) = re.findall(r"^## Vous identifiez les régulateurs(.*?)^## ", FOR_USERS, re.MULTILINE | re.DOTALL)
    rows = dict(re.findall(r"^\| (`id_token`(?: et `userinfo`)?) \| (.*) \|$", section, re.MULTILINE))
    told = {where: set(re.findall(r"`(\w+)`", text)) - {ACR} for where, text in rows.items()}
    assert told == {"`id_token` et `userinfo`": set(PERSON), "`id_token`": set(CLAIMS) - set(PERSON)}
    (scopes,) = re.findall(r"^`scope` contient(.*?) sont acceptés", section, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", scopes)) == set(SCOPES)

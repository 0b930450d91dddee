from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import get_args

import pytest

from sandbox.kernel.errors import ConfigError, UsageError
from sandbox.package_data import directory
from sandbox.runner.browser import Page, read_page
from sandbox.runner.loader import available, find
from sandbox.runner.report import Report
from sandbox.runner.run import play
from sandbox.runner.stage import Unreachable, read_endpoints
from sandbox.runner.steps.base import BaseStep
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.registry import Step


def test_every_scenario_of_the_package_is_valid_and_every_step_has_its_function() -> None:
    names = dict(available())
    assert "nominal" in names
    for name in names:
        for step in find(name).steps:
            assert step.title()
    assert directory("scenarios").is_dir()


def test_every_module_with_a_step_is_in_the_registry() -> None:
    steps = import_module("sandbox.runner.steps")
    modules = [import_module(found.name) for found in walk_packages(steps.__path__, f"{steps.__name__}.")]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    written = {each for each in classes if issubclass(each, BaseStep) and each is not BaseStep}
    assert written == {*get_args(Step)}
    assert {each.__module__.rpartition(".")[2] for each in written} == {
        each.__struct_config__.tag for each in written
    }  # a module is named as the verb that YAML uses
    for each in written:
        assert each.title is not BaseStep.title
        assert each.play is not BaseStep.play


def test_an_unknown_scenario_is_a_usage_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no scenario 'nope'.*nominal"):
        find("nope")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "title: x\nsteps:\n  - do: book\n    appointment: a\n    kind: XX\n",
            ":5: steps[0].kind: 'XX' is not usable (expected CPTS or PS or SOS)",
        ),
        (
            "title: x\nsteps:\n  - do: dance\n",
            ":3: steps[0].do: 'dance' is not usable (expected login or search or book",
        ),
        ("steps: []\n", ":1: the field `title` is missing: a text"),
    ],
)
def test_a_broken_scenario_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        find(str(file))
    assert str(caught.value).startswith(f"{file}{expected}")


def test_a_scenario_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("title: x\nsteps:\n  - do: book\n    appointment: a\n", "utf-8")
    assert find(str(file)).steps == (Book("a", "PS"),)


def test_where_nobody_answers_the_exit_code_is_3_and_the_reason_is_told(tmp_path: Path) -> None:
    out = io.StringIO()
    assert play("nominal", tmp_path / "absent.json", out=out) == 3
    assert "injoignable" in out.getvalue()
    dead = tmp_path / "endpoints.json"
    dead.write_text('{"sas": {}, "control": {"api": "http://127.0.0.1:9/__admin"}}', "utf-8")
    assert play("nominal", dead, out=io.StringIO()) == 3


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_what_is_no_endpoints_file_is_said_so(tmp_path: Path, content: str) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text(content, "utf-8")
    with pytest.raises(Unreachable):
        read_endpoints(file)


HTML = """
<article data-appointment="42" data-status="booked"><form method="post" action="../x/annuler">
<input type="hidden" name="csrf" value="t&amp;t"><button name="go" value="1">Annuler</button></form></article>
<form action="?q"><input name="login"><input type="checkbox" name="accept">
<input type="radio" name="r" value="2" checked>
<select name="s"><option value="">choisir<option value="b" selected>B</option></select>
<textarea name="t"></textarea></form>
<select name="outside"><option value="1"></select>
"""


def read(html: str) -> Page:
    page = Page("http://h/a/b", 200, html)
    read_page(page)
    return page


def test_a_page_gives_its_forms_with_what_they_would_send() -> None:
    first, second = read(HTML).forms
    assert (first.action, first.method, first.fields) == ("http://h/x/annuler", "post", {"csrf": "t&t"})
    assert first.submits == [("go", "1")]
    assert second.fields == {"login": "", "accept": "", "r": "2", "s": "b", "t": ""}
    assert second.method == "get"


def test_a_page_gives_what_it_says_to_machines() -> None:
    page = read(HTML)
    assert page.with_data("appointment")[0].attributes["data-status"] == "booked"
    assert page.with_data("nothing") == []
    assert page.form_with("login", "accept") is page.forms[1]
    assert page.form_with("nothing") is None


def test_the_timeline_has_a_line_per_exchange_and_counts_what_does_not_hold() -> None:
    out = io.StringIO()
    report = Report(out)
    report.step(1, "Connexion")
    report.exchange(
        {"at": 0.5, "actor": "sas", "flow": "INT_R01", "direction": "out", "action": "GET /Slot", "peer": "agenda-azur"}
        | {"status": 200, "ms": 3.2, "size": 35_000, "note": "lent"}
    )
    report.exchange({"at": 0.5, "actor": "sas", "flow": "UI", "direction": "in", "action": "GET /"})
    report.good("tout va")
    report.bad("rien ne va")
    lines = out.getvalue().splitlines()
    assert "01:00:00.500  INT_R01  sas -> agenda-azur" in lines[2]
    assert lines[2].endswith("200  35000 o, 3.2 ms  lent")
    assert "sas <- ?" in lines[3]
    assert report.failures == 1

"""The pieces of forms and pages that templates share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import UndefinedError

from sandbox.web.pages import environment
from sandbox.web.session import take_flashes


def rendered(source: str, **values: object) -> str:
    template = '{% import "macros.html" as m %}' + source
    return " ".join(environment("sandbox.web").from_string(template).render(values).split())


def test_field_ties_label_error_and_hint_to_its_input() -> None:
    html = rendered('{{ m.field("name", "Nom", "<b>", error="Vide.", hint="Aide", required=true) }}')
    assert '<label for="f-name">Nom' in html
    assert 'value="&lt;b&gt;"' in html
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="e-name h-name"' in html
    assert " required" in html


def test_plain_field_has_no_error_marks() -> None:
    html = rendered('{{ m.field("name", "Nom", attrs={"maxlength": 5}) }}')
    assert "aria-" not in html
    assert 'maxlength="5"' in html


def test_select_marks_the_present_value() -> None:
    html = rendered('{{ m.select("n", "N", [(1, "un"), (2, "deux")], 2) }}')
    assert '<option value="2" selected>deux' in html
    assert html.count("selected") == 1


def test_choice_is_checked_on_demand() -> None:
    assert " checked" in rendered('{{ m.choice("cgu", "CGU", true) }}')
    assert " checked" not in rendered('{{ m.choice("cgu", "CGU") }}')


def test_badge_says_the_status_in_french() -> None:
    assert '<span class="badge badge-bad">non honoré</span>' in rendered('{{ m.badge("noshow") }}')


def test_posting_button_carries_the_token_and_its_fields() -> None:
    request = SimpleNamespace(session={"csrf": "T"})
    html = rendered('{{ m.post(request, "/x?a=1&b=2", "Annuler", fields={"id": "<3>"}) }}', request=request)
    assert 'name="csrf" value="T"' in html
    assert 'name="id" value="&lt;3&gt;"' in html
    assert 'action="/x?a=1&amp;b=2"' in html


def test_last_crumb_is_the_present_page() -> None:
    html = rendered('{{ m.crumbs([("/", "Accueil"), ("/a", "Agenda")]) }}')
    assert '<a href="/">Accueil</a>' in html
    assert '<span aria-current="page">Agenda</span>' in html


def test_missing_value_is_an_error_and_not_an_empty_text() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ nothing }}")


def test_page_without_a_session_has_nothing_to_tell() -> None:
    request: Any = SimpleNamespace(scope={})
    assert take_flashes(request) == []

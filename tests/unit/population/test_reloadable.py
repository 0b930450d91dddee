"""Persona files that are read again: the population is replaced at once, what needs a restart is named by line."""

from __future__ import annotations

import shutil

import pytest

from sandbox.config import Settings
from sandbox.kernel.errors import ConfigError
from sandbox.population.changes import needing_restart
from sandbox.population.load import kept_personas, kept_population, load_population, personas_directory
from sandbox.population.reloadable import ReloadablePopulation


@pytest.fixture
def personas(tmp_path):
    return shutil.copytree(personas_directory(Settings()), tmp_path / "personas")


def edited(personas, name, good, bad):
    path = personas / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), "utf-8")
    return load_population(Settings(personas=str(personas), practitioners=20))


@pytest.fixture
def before():
    return load_population(Settings(practitioners=20))


def test_a_replaced_population_is_seen_at_once_and_its_watchers_are_called(before, personas):
    reloadable, seen = ReloadablePopulation(before), []
    assert reloadable.current is before
    assert before.current is before
    reloadable.watch(lambda: seen.append(reloadable.practitioner("819800000010").family))
    assert reloadable.of_editor("agenda-azur")[0].family == "DUVALLON"
    after = edited(personas, "practitioners", "family: DUVALLON", "family: DUVALLON-NEUF")
    reloadable.replace(after)
    assert seen == ["DUVALLON-NEUF"]
    assert reloadable.current is after
    assert reloadable.of_editor("agenda-azur")[0].family == "DUVALLON-NEUF"
    assert list(reloadable.practitioners()) == list(after.practitioners())
    assert before.practitioner("819800000010").family == "DUVALLON"


def test_a_population_that_never_changes_calls_no_watcher(before):
    told = []
    before.watch(lambda: told.append(1))
    assert told == []


def test_kept_persona_files_are_read_once_per_process(personas, tmp_path):
    settings = Settings(data_dir=str(tmp_path / "data"))
    shutil.copytree(personas, kept_personas(settings, "abc"))
    assert kept_population(settings, "abc") is kept_population(settings, "abc")


PEOPLE = [
    ("practitioners", "family: DUVALLON", "family: AUTRE"),
    ("agendas", "slot_minutes: 15", "slot_minutes: 20"),
    ("cpts", "name: CPTS Rive Gauche", "name: CPTS Rive Droite"),
    ("sos", "quai du Scénario", "quai du Script"),
    ("structures", "kind: CDS", "kind: MSP"),
    ("towns", "name: Cenon", "name: Cenon-sur-Jeu"),
    ("regulators", "family: FONTANEL", "family: AUTRE"),
    ("editors", "stores: mixed", "stores: bare"),
    ("editors", "stores: mixed", "quirks: [bad-phone]"),
]


@pytest.mark.parametrize(("name", "good", "bad"), PEOPLE)
def test_people_agendas_and_characters_need_no_restart(before, personas, name, good, bad):
    assert needing_restart(before, edited(personas, name, good, bad), personas) == []


FIXED = [
    ("editors", "name: Agenda Azur", "name: Agenda Bleu", "editor 'agenda-azur' has changed"),
    ("editors", "[SOS, INT_R02, INT_R03]", "[SOS, INT_R02]", "editor 'garde-plus' has changed"),
    ("territories", "name: Gironde", "name: Garonne", "territory 'SAS-33' has changed"),
]


@pytest.mark.parametrize(("name", "good", "bad", "reason"), FIXED)
def test_editors_and_territories_need_one_and_the_line_says_which(before, personas, name, good, bad, reason):
    text = (personas / f"{name}.yaml").read_text("utf-8")
    (problem,) = needing_restart(before, edited(personas, name, good, bad), personas)
    assert isinstance(problem, ConfigError)
    assert reason in problem.problem
    assert problem.file == str(personas / f"{name}.yaml")
    assert 0 <= text[: text.index(good)].count("\n") + 1 - problem.line <= 6


def test_what_is_new_has_its_line_and_what_is_gone_the_first(before, personas):
    row = "- {slug: neuf, name: Neuf, system: 'urn:oid:1.2.250.1.999.7', ou: '399900100000077', flows: [INT_R01]}\n"
    path = personas / "editors.yaml"
    lines = path.read_text("utf-8").count("\n")
    path.write_text(path.read_text("utf-8") + row, "utf-8")
    after = load_population(Settings(personas=str(personas), practitioners=20))
    (new,) = needing_restart(before, after, personas)
    assert (new.line, new.problem) == (lines + 1, "editor 'neuf' is new: restart to have it so")
    (gone,) = needing_restart(after, before, personas_directory(Settings()))
    assert (gone.line, gone.problem) == (1, "editor 'neuf' is gone: restart to have it so")


def test_a_regulator_who_brings_a_territory_needs_a_restart_at_his_line(personas):
    settings = Settings(scope="france", personas=str(personas))
    before = load_population(settings)
    path = personas / "regulators.yaml"
    lines = path.read_text("utf-8").count("\n")
    row = "- {type: IDNPS, value: '3/1', family: A, given: B, email: a@b.example, territory: SAS-29, password: c}\n"
    path.write_text(path.read_text("utf-8") + row, "utf-8")
    (problem,) = needing_restart(before, load_population(settings), personas)
    assert (problem.file, problem.line) == (str(path), lines + 1)
    assert "territory 'SAS-29' is new" in problem.problem

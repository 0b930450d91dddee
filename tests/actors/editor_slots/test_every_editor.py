"""Every editor of every preset answers in the profiles: by our own rules all of them, by the official ones a sample."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from sandbox.config import load_settings
from sandbox.editor.slots import answer_schedules, answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.reading import read_bundle
from sandbox.fhir.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import Flow
from sandbox.population.load import load_population
from tests.actors.editor_slots.answers import Json
from tests.actors.editor_slots.conftest import Office

NOW = datetime(2026, 11, 24, 10, 3, tzinfo=PARIS)
POPULATIONS = {name: load_population(load_settings({"preset": name}, {})) for name in ("minimal", "demo", "national")}
EVERY = [(preset, slug) for preset, population in POPULATIONS.items() for slug in population.editors]
IDS = [f"{preset}-{slug}" for preset, slug in EVERY]
OFFICIAL = [("demo", "agenda-azur"), ("demo", "rdv-commune"), ("demo", "garde-plus"), ("national", "agenda-dune"),
            ("national", "agenda-rivage"), ("national", "garde-vigie")]  # fmt: skip
ALARM = "Slot.serviceType.extension:sas-servicetype-r5: Profile slice"  # see test_profiles


def answers(preset: str, slug: str, people: int, hours: int) -> list[Json]:
    """What that editor says of some of its people, from all over the country, and of all its associations."""
    office = Office(POPULATIONS[preset], NOW)
    editor, desk, window = office.population.editors[slug], office.desk(slug), (NOW, NOW + timedelta(hours=hours))
    bodies = []
    if editor.speaks(Flow.INT_R01):
        held = office.population.of_editor(slug)
        chosen = [held[at * (len(held) - 1) // max(1, people - 1)].id for at in range(people)]
        for cpts in (False, True)[: 1 + editor.speaks(Flow.INT_R04)]:
            bodies.append(answer_slots(desk, slot_query(chosen, *window, cpts=cpts)))
    if editor.speaks(Flow.SOS):
        sirets = [sos.siret for sos in office.population.sos.values() if sos.editor == slug][:10]
        bodies.append(answer_schedules(desk, schedule_query(sirets, *window)))
    assert read_bundle(bodies[-1]).findings == []  # as the SAS core asks: with all includes that the editor offers
    return [json.loads(body) for body in bodies]


def sample(bundle: Json) -> Json:
    """One entry of each shape: the official validator is slow, and judges entries one by one."""
    kept, shapes = [], set()
    for entry in bundle["entry"]:
        resource = entry["resource"]
        shape = repr([resource["meta"], sorted(resource), *map(sorted, resource.get("contained", ()))])
        shape += repr([resource.get(key) for key in ("appointmentType",)])
        shape += repr([sorted(concept) for concept in resource.get("serviceType", ())])
        if shape not in shapes:
            kept.append(entry)
        shapes.add(shape)
    return {**bundle, "entry": kept}


@pytest.mark.requirement("R01-9", "R01-13", "R01-31", "R01-32", "R04-1", "SOS-3")
@pytest.mark.parametrize(("preset", "slug"), EVERY, ids=IDS)
def test_every_editor_of_every_preset_keeps_our_own_rules(preset: str, slug: str) -> None:
    found = answers(preset, slug, 20, 48)
    assert found
    for bundle in found:
        assert bundle["total"] > 0
        assert check(bundle) == []


@pytest.mark.requirement("R01-9", "R01-13", "R01-31", "R01-32", "R04-1", "SOS-3")
@pytest.mark.parametrize(("preset", "slug"), OFFICIAL)
def test_editors_of_each_kind_meet_the_official_profiles(official, preset: str, slug: str) -> None:
    for bundle in answers(preset, slug, 8, 24):
        assert [error for error in official(sample(bundle)) if ALARM not in error] == []

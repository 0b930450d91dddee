"""Every editor of every preset answers in the profiles: by our own rules all of them, by the official ones a sample;
by either version of the guide, each by its setting.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from sandbox.config import load_settings
from sandbox.editor.fhir.reads import read
from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.fhir.profiles import check
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.fhir.reader.reading import read_bundle
from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import IG_VERSIONS, Flow
from sandbox.population.load import load_population
from tests.actors.editor.slots.answers import Json
from tests.actors.editor.slots.conftest import LocalEditors

NOW = datetime(2026, 11, 24, 10, 3, tzinfo=PARIS)
POPULATIONS = {name: load_population(load_settings({"preset": name}, {})) for name in ("minimal", "demo", "national")}
EVERY = [  # but those that only serve communities
    (preset, slug)
    for preset, population in POPULATIONS.items()
    for slug, editor in population.editors.items()
    if editor.speaks(Flow.INT_R01) or editor.speaks(Flow.SOS)
]
IDS = [f"{preset}-{slug}" for preset, slug in EVERY]
OFFICIAL = [("demo", "agenda-azur"), ("demo", "rdv-commune"), ("demo", "garde-plus"), ("national", "agenda-dune"),
            ("national", "agenda-rivage"), ("national", "garde-vigie")]  # fmt: skip
ALARM = "Slot.serviceType.extension:sas-servicetype-r5: Profile slice"  # see test_profiles


def answers(preset: str, slug: str, people: int, hours: int, ig: str = IG_VERSIONS[0]) -> list[Json]:
    """Answers of that editor about some of its people, from all over the country, and about all its associations."""
    editors = LocalEditors(POPULATIONS[preset], NOW, ig)
    editor, server, window = editors.population.editors[slug], editors.server(slug), (NOW, NOW + timedelta(hours=hours))
    bodies = []
    if editor.speaks(Flow.INT_R01):
        held = editors.population.of_editor(slug)
        chosen = [held[at * (len(held) - 1) // max(1, people - 1)].id for at in range(people)]
        for cpts in (False, True)[: 1 + editor.speaks(Flow.INT_R04)]:
            bodies.append(answer_slots(server, slot_query(chosen, *window, cpts=cpts)))
    if editor.speaks(Flow.SOS):
        sirets = [sos.siret for sos in editors.population.sos.values() if sos.editor == slug][: min(people, 10)]
        bodies.append(answer_schedules(server, schedule_query(sirets, *window)))
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
    for ig, people, hours in zip(IG_VERSIONS, (20, 3), (48, 24), strict=True):
        found = answers(preset, slug, people, hours, ig)
        assert found
        for bundle in found:
            assert bundle["total"] > 0
            assert check(bundle, ig) == []
            assert check(bundle) == []  # what one version fixes is also accepted when any version is


@pytest.mark.requirement("R01-9", "R01-13", "R01-31", "R01-32", "R04-1", "SOS-3")
@pytest.mark.parametrize("ig", IG_VERSIONS)
@pytest.mark.parametrize(("preset", "slug"), OFFICIAL)
def test_editors_of_each_kind_meet_the_official_profiles(official, preset: str, slug: str, ig: str) -> None:
    for bundle in answers(preset, slug, 8, 24, ig):
        assert [error for error in official(sample(bundle), ig) if ALARM not in error] == []


@pytest.mark.parametrize(("ig", "other"), [IG_VERSIONS, IG_VERSIONS[::-1]])
def test_the_type_of_a_cpts_identifier_is_that_of_the_version(ig: str, other: str) -> None:
    editors = LocalEditors(POPULATIONS["minimal"], NOW, ig)
    slug, (id,) = editors.example("practitioner_cpts")
    query = slot_query([id], NOW, NOW + timedelta(hours=24), cpts=True)
    bundle = json.loads(answer_slots(editors.server(slug), query))
    entries = [entry["resource"] for entry in bundle["entry"]]
    (organization,) = [each for each in entries if each["resourceType"] == "Organization"]
    assert json.loads(read(editors.server(slug), "Organization", organization["id"]) or b"") == organization
    assert {(each.requirement, each.path.partition(".identifier")[2]) for each in check(bundle, other)} == {
        ("R04-4", "[0].type.coding[0].system")
    }

"""Each quirk makes its own defect and no other: documents before and after, our rules, the SAS core's findings."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.editor.fhir.quirks.answers import search_of
from sandbox.editor.fhir.quirks.registry import TRANSFORMATIONS, apply_quirks, apply_to_read
from sandbox.editor.fhir.quirks.resource_edits import EDITS
from sandbox.editor.fhir.reads import read
from sandbox.kernel.character import EVERYBODY, QUIRKS
from tests.actors.editor.slots.example_searches import (
    ALL,
    AZUR,
    ONE,
    SITES,
    TWO,
    TWO_CPTS,
    Json,
    differences,
    requirements,
    resources,
    understood,
)


def test_every_declared_quirk_has_a_transformation_in_that_order() -> None:
    assert tuple(TRANSFORMATIONS) == tuple(QUIRKS)
    assert all(sentence.endswith(".") for sentence in QUIRKS.values())


@pytest.mark.parametrize("name", ALL)
def test_the_correct_answer_has_no_finding_and_no_quirk_leaves_it_alone(searched, name: str) -> None:
    search = searched(name)
    assert requirements(search.before) == (set(), set())
    assert search.with_quirks() == search.before


ENTRY = ".entry[{}].resource"


# quirk -> where it may change something, and the requirements that our rules and the SAS core report
DAMAGED = {
    "unprefixed-ids": (
        [
            ENTRY.format("Practitioner") + ".identifier[].value",
            ENTRY.format("PractitionerRole") + ".organization.identifier.value",
            ENTRY.format("Organization") + ".identifier[].value",
        ],
        {"R01-17", "R01-20", "R04-4", "SOS-6"},
        {"R01-17", "R01-20", "R04-4", "SOS-6"},
    ),
    "bad-phone": (
        [ENTRY.format(kind) + ".telecom[].value" for kind in ("Practitioner", "PractitionerRole", "Location")]
        + [ENTRY.format("Organization") + ".telecom[].value"],
        {"R01-35"},
        {"R01-35"},
    ),
    "no-visibility": ([ENTRY.format("Slot") + ".meta.security"], {"R01-23", "R04-2"}, {"R01-23"}),
    "types-as-text": (
        [ENTRY.format("Slot") + ".serviceType[].coding", ENTRY.format("Slot") + ".serviceType[].text"],
        {"R01-24"},
        {"R01-24"},
    ),
    "reasons-as-codes": (
        [ENTRY.format("Slot") + ".serviceType[].coding", ENTRY.format("Slot") + ".serviceType[].text"],
        {"R01-48"},
        {"R01-48"},
    ),
    "no-specialty": ([ENTRY.format(kind) + ".specialty" for kind in ("Slot", "PractitionerRole")], set(), set()),
    "no-offset": ([ENTRY.format("Slot") + key for key in (".start", ".end")], {"R01-45"}, {"R01-45"}),
    "empty-elements": (
        [
            ENTRY.format("Slot") + ".serviceCategory",
            ENTRY.format("Schedule") + ".comment",
            *(ENTRY.format("Practitioner") + key for key in (".birthDate", ".address")),
            ENTRY.format("PractitionerRole") + ".period",
            *(ENTRY.format("Location") + key for key in (".description", ".position")),
            ENTRY.format("Organization") + ".alias",
            ENTRY.format("HealthcareService") + ".comment",
        ],
        {""},
        set(),
    ),
}


@pytest.mark.parametrize("example", ALL)
@pytest.mark.parametrize("quirk", DAMAGED)
def test_damaged_elements_are_the_only_difference_and_the_findings_name_them(
    searched, quirk: str, example: str
) -> None:
    search = searched(example)
    after = search.with_quirks(quirk)
    paths, ours, read = DAMAGED[quirk]
    changed = differences(search.before, after)
    assert set(changed) <= set(paths)
    found = requirements(after)
    assert found[0] <= ours
    assert found[1] <= read
    told = bool(found[0] or found[1]) or not (ours or read)
    assert told == bool(changed) or quirk == "no-specialty"


@pytest.mark.parametrize("quirk", DAMAGED)
def test_every_place_that_a_quirk_damages_is_damaged_somewhere(searched, quirk: str) -> None:
    changed: set[str] = set()
    ours: set[str] = set()
    read: set[str] = set()
    for example in ALL:
        search = searched(example)
        after = search.with_quirks(quirk)
        changed |= set(differences(search.before, after))
        found = requirements(after)
        ours, read = ours | found[0], read | found[1]
    assert (changed, ours, read) == (set(DAMAGED[quirk][0]), *DAMAGED[quirk][1:])


CURED = ["unprefixed-ids", "bad-phone", "types-as-text", "reasons-as-codes", "no-offset", "empty-elements"]


@pytest.mark.parametrize("quirk", CURED)
def test_what_the_sas_core_can_cure_it_reads_as_if_nothing_were_wrong(searched, quirk: str) -> None:
    for example in (ONE, TWO_CPTS, SITES):
        search = searched(example)
        assert understood(search.with_quirks(quirk)).slots == understood(search.before).slots


def test_the_forms_of_the_defects(searched) -> None:
    search = searched(TWO)
    assert resources(search.with_quirks("unprefixed-ids"), "Practitioner")[0]["identifier"][0]["value"] == "19800000028"
    assert resources(search.with_quirks("bad-phone"), "Practitioner")[0]["telecom"][0]["value"] == "02 61 91 00 02"
    assert {len(slot["start"]) for slot in resources(search.with_quirks("no-offset"), "Slot")} == {23}
    types = [kind for slot in resources(search.with_quirks("types-as-text"), "Slot") for kind in slot["serviceType"]]
    assert {"text": "AMB"} in types
    assert not any("coding" in kind for kind in types)
    reasons = [
        kind for slot in resources(search.with_quirks("reasons-as-codes"), "Slot") for kind in slot["serviceType"]
    ]
    assert not any("text" in kind for kind in reasons)
    assert "Visite de contrôle" in {kind["coding"][0].get("display") for kind in reasons}
    for kind in ("Slot", "PractitionerRole"):
        assert all("specialty" in each for each in resources(search.before, kind))
        assert not any("specialty" in each for each in resources(search.with_quirks("no-specialty"), kind))
    emptied = [value for each in resources(search.with_quirks("empty-elements")) for value in each.values()]
    assert all(empty in emptied for empty in ("", [], {}))


def test_types_and_reasons_may_be_exchanged_in_one_answer(searched) -> None:
    search = searched(TWO)
    after = search.with_quirks("types-as-text", "reasons-as-codes")
    assert requirements(after)[1] == {"R01-24", "R01-48"}
    assert understood(after).slots == understood(search.before).slots


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if not name.startswith("cpts") and "empty" not in name])
def test_quirk_of_one_practitioner_leaves_the_others_alone(among, quirk: str) -> None:
    ids = ["819800000028", "819800000044", "819800000010"]
    search = among(AZUR, *ids)
    after = search.with_quirks(**{quirk.replace("-", "_"): frozenset({ids[0]})})
    assert after != search.before

    def of_others(document: Json) -> list[Json]:
        of = search_of(search.server.population, search.query, search.editors.now).owner_of
        kept = []
        for entry in document["entry"]:
            owner = of(entry["resource"])
            if owner != ids[0] and not str(entry["resource"]["id"]).startswith("kerbrieuc"):
                kept.append(entry)
        return kept

    assert of_others(after) == of_others(search.before)
    assert search.with_quirks(**{quirk.replace("-", "_"): frozenset({"819800000101"})}) == search.before


@pytest.mark.parametrize("quirk", EDITS)
def test_a_read_shows_the_same_defect_as_a_search(searched, quirk: str) -> None:
    for example in (TWO, TWO_CPTS, SITES):
        search = searched(example)
        for resource in resources(search.with_quirks(quirk)):
            body = read(search.server, resource["resourceType"], resource["id"])
            assert json.loads(apply_to_read({quirk: EVERYBODY}, body, search.server.population)) == resource


def test_read_without_such_a_quirk_or_of_somebody_else_is_untouched(searched) -> None:
    search = searched(ONE)
    body = read(search.server, "Practitioner", "819800000010")
    assert apply_to_read({"busy-slots": EVERYBODY}, body, search.server.population) is body
    other = apply_to_read({"bad-phone": frozenset({"819800000028"})}, body, search.server.population)
    assert json.loads(other) == json.loads(body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(st.sampled_from(list(QUIRKS))), example=st.sampled_from([*ALL, "practitioner_no_slots"]))
def test_any_quirks_together_give_an_answer_that_counts_its_slots(searched, names: set[str], example: str) -> None:
    search = searched(example)
    quirks = {name: EVERYBODY for name in QUIRKS if name in names}
    answer = apply_quirks(quirks, search.body, search_of(search.server.population, search.query, search.editors.now))
    assert answer.status == 200 or names & {"not-found-if-empty", "error-if-empty"}
    if answer.status == 200:
        assert answer.document["total"] == len(resources(answer.document, "Slot"))
        ids = [slot["id"] for slot in resources(answer.document, "Slot")]
        assert len(ids) == len(set(ids))
        understood(answer.document)

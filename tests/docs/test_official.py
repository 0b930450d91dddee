"""No rule is proven by the official files alone: for each test that needs ../shared there is another that proves the
same without it.

With the repository alone, the tests on the right-hand side run; those on the left-hand side show that our rules are
those of the guide.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = {"shared", "official", "profile_errors"}
ABSENT = "../shared is absent"

SLOTS = "tests/actors/editor/slots"
MODEL = "tests/unit/edxl/test_official_model.py"
OURS = "tests/unit/edxl/test_model.py"
SCHEMAS, IN_XML = "tests/unit/edxl/test_xml_schemas.py", "tests/unit/edxl/test_xml.py"
INSIDE = {
    "tests/unit/fhir_resources/test_appointment.py::test_rendering_meets_the_official_profile":
        "tests/unit/fhir_resources/test_appointment.py::test_emitted_is_what_the_profile_wants_and_nothing_else",
    "tests/unit/fhir_resources/test_practitioner.py::test_rendering_meets_the_official_profile":
        "tests/unit/fhir_resources/test_practitioner.py::test_rendering_is_what_the_profile_wants_and_nothing_else",
    f"{SLOTS}/test_every_editor.py::test_editors_of_each_kind_meet_the_official_profiles":
        f"{SLOTS}/test_every_editor.py::test_every_editor_of_every_preset_keeps_our_own_rules",
    f"{SLOTS}/test_profiles.py::test_every_example_meets_the_official_profiles":
        f"{SLOTS}/test_profiles.py::test_every_example_meets_our_own_rules",
    f"{SLOTS}/test_profiles.py::test_procedural_people_meet_the_official_profiles":
        f"{SLOTS}/test_profiles.py::test_procedural_people_meet_our_own_rules",
    f"{SLOTS}/test_profiles.py::test_answer_with_slots_that_cpts_see_and_others_meets_the_official_profiles":
        f"{SLOTS}/test_profiles.py::test_answer_with_slots_that_cpts_see_and_others_meets_our_own_rules",
    f"{SLOTS}/test_profiles.py::test_damaged_resource_is_refused_by_the_official_profiles_too":
        f"{SLOTS}/test_profiles.py::test_damaged_resource_is_found_by_our_rules_with_its_requirement",
    f"{SLOTS}/quirks/test_quirks_seen.py::test_official_profiles_see_what_they_can_see":
        f"{SLOTS}/quirks/test_quirks_seen.py::test_our_rules_name_the_defect_and_no_other_on_an_answer_that_had_none",
    f"{SLOTS}/quirks/test_quirks_seen.py::test_well_formed_defect_is_still_well_formed_for_the_official_profiles":
        f"{SLOTS}/quirks/test_quirks_seen.py::test_our_rules_name_the_defect_and_no_other_on_an_answer_that_had_none",
    "tests/unit/fhir/test_profiles.py::test_official_organizations_of_cpts_are_of_their_version":
        f"{SLOTS}/test_every_editor.py::test_the_type_of_a_cpts_identifier_is_that_of_the_version",
    "tests/unit/fhir/test_profiles.py::test_official_examples_agree_with_our_rules":
        "tests/unit/fhir/test_right_and_wrong.py::test_what_is_right_has_no_findings",
    "tests/unit/fhir/test_right_and_wrong.py::test_the_official_profiles_find_them_right_too":
        "tests/unit/fhir/test_right_and_wrong.py::test_what_is_right_has_no_findings",
    f"{MODEL}::test_both_statements_agree_on_mutated_messages":
        f"{OURS}::test_both_statements_agree_on_several_changes",
    f"{MODEL}::test_both_statements_agree_on_every_single_change":
        f"{OURS}::test_both_statements_agree_on_every_single_change",
    f"{MODEL}::test_the_published_appointments_are_valid":
        f"{OURS}::test_an_appointment_of_each_state_may_lack_all_that_is_optional",
    f"{MODEL}::test_the_published_envelope_with_its_two_entries_of_another_use_case_is_valid":
        "tests/unit/edxl/test_validation.py::"
        "test_the_content_of_another_use_case_is_not_looked_into_but_its_envelope_and_header_are",
    f"{MODEL}::test_both_statements_agree_on_several_entries_of_content":
        "tests/unit/edxl/test_validation.py::test_each_message_of_an_envelope_is_judged",
    f"{MODEL}::test_what_we_build_is_valid_by_the_published_model": f"{OURS}::test_what_we_build_is_accepted",
    f"{SCHEMAS}::test_any_message_that_both_forms_can_say_is_valid_and_comes_back_the_same":
        f"{IN_XML}::test_any_message_comes_back_from_xml_as_it_was",
    f"{SCHEMAS}::test_any_single_change_is_judged_as_the_published_schemas_judge_it":
        f"{IN_XML}::test_a_fault_of_the_message_is_told_under_header_or_content",
    f"{SCHEMAS}::test_each_element_removed_doubled_or_moved_is_judged_alike":
        f"{IN_XML}::test_each_element_removed_doubled_or_moved_is_a_fault_where_the_model_says_so",
    f"{SCHEMAS}::test_space_around_an_instant_is_judged_alike":
        f"{IN_XML}::test_space_around_an_instant_says_nothing",
    f"{SCHEMAS}::test_the_published_contents_are_valid_in_an_envelope":
        f"{IN_XML}::test_a_message_says_the_same_in_both_forms",
    f"{SCHEMAS}::test_the_published_envelope_is_valid":
        f"{IN_XML}::test_each_known_content_is_in_its_namespace_and_those_of_other_use_cases_are_not_looked_into",
    f"{SCHEMAS}::test_each_known_content_is_in_the_namespace_that_the_schemas_give_it":
        f"{IN_XML}::test_each_known_content_is_in_its_namespace_and_those_of_other_use_cases_are_not_looked_into",
    "tests/actors/lrm/test_messages.py::test_the_published_schemas_say_the_same":
        "tests/actors/lrm/test_messages.py::test_what_is_sent_is_valid_but_where_it_is_to_be_invalid",
    "tests/unit/sas/directory/test_directory.py::test_radii_are_those_of_the_platform":
        "tests/unit/sas/directory/test_areas.py::test_the_table_is_the_one_that_was_compared_with_the_platforms",
    "tests/unit/sas/directory/test_places.py::test_centres_and_radii_of_departements_are_those_of_the_platform":
        "tests/unit/sas/directory/test_areas.py::test_the_table_is_the_one_that_was_compared_with_the_platforms",
    "tests/unit/population/test_gazetteer.py::test_towns_lie_within_the_radius_of_their_departements_barycentre":
        "tests/unit/sas/directory/test_areas.py::test_towns_lie_within_the_area_of_their_departement",
}  # fmt: skip


def read(file: Path) -> Iterator[tuple[str, bool]]:
    """The name of each test of a file -> whether it needs ../shared."""
    tree = ast.parse(file.read_text("utf-8"))
    marks = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
    all_of_them = any(mark.startswith("pytestmark") and ABSENT in mark for mark in marks)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            fixtures = FIXTURES & {argument.arg for argument in node.args.args}
            skipped = any(ABSENT in ast.unparse(each) for each in node.decorator_list)
            yield node.name, all_of_them or skipped or bool(fixtures)


def test_each_test_that_needs_the_official_files_names_one_that_does_not() -> None:
    found: dict[str, bool] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if file != Path(__file__):
            name = file.relative_to(ROOT).as_posix()
            found |= {f"{name}::{test}": needs for test, needs in read(file)}
    assert {test for test, needs in found.items() if needs} == set(INSIDE)
    assert {test: needs for test, needs in found.items() if test in INSIDE.values()} == dict.fromkeys(
        INSIDE.values(), False
    )

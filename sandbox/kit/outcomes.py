"""The groups and tests of the kit's suite `sas` by their ids, and what is expected of each (kit 0.3.0, July 2026)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

SUITE = "sas"
_SEARCH = "slot_search_setup"


@dataclass(frozen=True, slots=True)
class Group:
    """A group that is run on its own. `short`: its short id; `id`: without the suite; `needs`: inputs of the preset and
    flows without which it is not run; `anywhere`: its tests are the same for practitioners and for CPTS; `outcome`: of
    each of its tests when it is run."""

    short: str
    id: str
    title: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()
    anywhere: bool = False
    outcome: str = "pass"


GROUPS = (
    Group(
        "1.1", "tls-mtls_group", "authentification mutuelle", tuple(f"Test0{n}" for n in range(1, 6)), ("mTLS",), True,
    ),
    Group("1.2", "tls-Group02", "versions de TLS", ("tls_version_test",), ("mTLS",), True),
    Group(
        "2", "visual_group", "questions à l'éditeur",
        ("Test01a", "Test02", "Test02a", "access_restriction", "hds", "mfa"), (), True, "skip",
    ),
    Group("3", "capability_statement", "CapabilityStatement", ("capability_statement_read",), (), True),
    Group("4.1", "aggregation_group-performance_group", "temps de réponse", ("Test01",), ("practitioner_id",), True),
    Group("4.2", "aggregation_group-slot_group", "bundle", (_SEARCH, "Test02"), ("practitioner_id",)),
    Group(
        "4.3", "aggregation_group-single_practitioner_single_location", "un lieu de consultation",
        (
            _SEARCH, "bundle_url_equal_url", "ps_validate_appointmentType", "ps_validate_slots_status", "slot_has_url",
            "validate_cardinality", "validate_dates", "validate_location", "validate_ref", "validate_rpps",
        ), ("practitioner_id",),
    ),
    Group(
        "4.4", "aggregation_group-multi_lieux_group", "deux lieux de consultation",
        (
            _SEARCH, "validate_practitioner_cardinality_1", "validate_practitionerrole_cardinality_1",
            "validate_practitionerrole_location_ref", "validate_practitionerrole_practitioner_ref",
            "validate_schedule_cardinality_1", "validate_schedule_practitioner_ref",
            "validate_schedule_practitionerrole_ref",
        ), ("practitioner_id2",),
    ),
    Group(
        "4.5", "aggregation_group-search_multiple_ps_group", "plusieurs professionnels",
        (
            _SEARCH, "validate_practitioner_cardinality_2", "validate_practitionerrole_cardinality_2",
            "validate_schedule_cardinality_2",
        ), ("practitioner_id3", "practitioner_id4"),
    ),
    Group(
        "4.6", "aggregation_group-practi_optionnel_group_ps", "champs optionnels",
        (_SEARCH, *(f"ps_validate_{name}" for name in ("firstname", "idnst", "name", "phone", "rpps"))),
        ("practitioner_id",),
    ),
    Group(
        "4.7", "aggregation_group-optionslots_group", "types de créneaux et de consultations",
        (_SEARCH, "ps_validate_motif_type", "ps_validate_slot_type"),
        ("practitioner_id", "type_slot", "type_consultation"),
    ),
    Group(
        "5", "flux_v1_group", "comptes des régulateurs (INT_R02)",
        (
            "creation_double_regulateur_uuid_test", "creation_regulateur_champs_manquants_test",
            "creation_regulateur_idnps_test", "creation_regulateur_uuid_test", "creation_regulateur_valeurs_invalides",
            "idnps_reattribution_test", "modification_deshabilitation", "modification_email_regulateur_test",
            "modification_habilitation", "modification_id_regulateur_test", "modification_nom_regulateur_test",
            "modification_prenom_regulateur_test", "modification_regulateur_champs_manquants_test",
            "modification_typeid_regulateur_test", "put_as_create", "put_as_create_missing_fields_test",
        ), ("INT_R02",), True,
    ),
    Group(
        "6.1", "flux_v2_group-flux_v2_not_connected_group", "délégation d'authentification, sans session",
        (_SEARCH, "sso_while_unidentified", "sso_without_origin"), ("INT_R02", "practitioner_id"), True,
    ),
    Group(
        "6.2", "flux_v2_group-flux_v2_connected_group", "délégation d'authentification, avec une session",
        ("sso_lga",), (), True, "omit",
    ),
    Group("7", "flux_v3_group", "rendez-vous (INT_R03)", ("v3_validate_appointment",), ("appointment",), True),
)  # fmt: skip


def known(*, cpts: bool) -> tuple[Group, ...]:
    """The groups whose tests are known for this option of the suite."""
    return tuple(each for each in GROUPS if each.anywhere or not cpts)


def outcome(group: Group, there: Collection[str]) -> str:
    """Of the tests of a group when only these inputs and flows are there."""
    return group.outcome if all(need in there for need in group.needs) else "skip"


def expected(groups: Collection[Group], there: Collection[str]) -> list[dict[str, str]]:
    """The kit's file of expected results: tests, the groups that they form, the suite."""
    tests = {f"{SUITE}-{group.id}-{test}": outcome(group, there) for group in groups for test in group.tests}
    parents = {f"{SUITE}-{group.id}" for group in groups} | {f"{SUITE}-{group.id.split('-')[0]}" for group in groups}
    rows = [{"test_suite_id": SUITE, "result": _together(list(tests.values()))}]
    for parent in sorted(parents):
        below = [result for test, result in tests.items() if test.startswith(parent + "-")]
        rows.append({"test_group_id": parent, "result": _together(below)})
    rows += [{"test_id": test, "result": result} for test, result in sorted(tests.items())]
    return rows


def _together(results: list[str]) -> str:
    if "skip" in results:
        return "skip"
    return "omit" if set(results) == {"omit"} else "pass"

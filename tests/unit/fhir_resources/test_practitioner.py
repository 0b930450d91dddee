"""INT_R02 bodies: what is accepted, what is refused and where, what is emitted (R02-*)."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from sandbox.fhir import document as document_module
from sandbox.fhir.practitioner import RegulatorAccount, is_email, parse_regulator, render_regulator
from sandbox.fhir.profiles import check as check_profile
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import IG_VERSIONS
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, TYPES, Identifier

NATIONAL = Identifier(SYSTEM_PERSON, "3456780581/11242343", "IDNPS")
TECHNICAL = Identifier(SYSTEM_SAS, "6f1c2b9e-3a54-4b8e-9d61-0c2f5a7b8d90", "INTRN")
ACCOUNT = RegulatorAccount((NATIONAL,), True, "Loridon", ("Sébastien",), "sebastien.loridon@test.com")

GUIDE: dict[str, Any] = {
    "resourceType": "Practitioner",
    "id": "hint",
    "meta": {
        "source": "urn:oid:1.2.250.1.213.3.6",
        "profile": ["https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/FrPractitionerRegul"],
    },
    "identifier": [
        {
            "type": {"coding": [{"system": TYPES, "code": "IDNPS"}]},
            "system": SYSTEM_PERSON,
            "value": "3456780581/11242343",
        }
    ],
    "active": True,
    "name": [{"family": "Loridon", "given": ["Sébastien"]}],
    "telecom": [{"system": "email", "value": "sebastien.loridon@test.com"}],
}


def body(**changes: Any) -> bytes:
    """The guide's body with elements replaced (None: left out)."""
    document = {**copy.deepcopy(GUIDE), **changes}
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def coded(code: str, system: str, value: str = "x-1") -> dict[str, Any]:
    return {"type": {"coding": [{"system": TYPES, "code": code}]}, "system": system, "value": value}


def refusal(content: bytes) -> tuple[int, dict[str | None, str]]:
    with pytest.raises(RequestError) as caught:
        parse_regulator(content)
    return caught.value.status, {issue.expression: issue.code for issue in caught.value.issues}


def test_the_guides_body_is_read():
    assert parse_regulator(body()) == ACCOUNT


@pytest.mark.requirement("R02-11")
def test_meta_is_not_needed():
    assert parse_regulator(body(meta=None, id=None)) == ACCOUNT


def test_the_french_core_type_system_is_accepted_too():
    system = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
    identifier = copy.deepcopy(GUIDE["identifier"][0])
    identifier["type"]["coding"][0]["system"] = system
    assert parse_regulator(body(identifier=[identifier])).identifiers == (NATIONAL,)


def test_both_identifiers_may_be_given_and_the_national_one_is_the_operator():
    account = parse_regulator(body(identifier=[coded("INTRN", SYSTEM_SAS, TECHNICAL.value), GUIDE["identifier"][0]]))
    assert account.identifiers == (TECHNICAL, NATIONAL)
    assert account.operator == NATIONAL


@pytest.mark.requirement("R02-10")
def test_a_technical_identifier_need_not_be_a_uuid():
    assert parse_regulator(body(identifier=[coded("INTRN", SYSTEM_SAS, "810002673899")])).operator.value == (
        "810002673899"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"{" * 2000])
def test_what_is_no_json_object_is_malformed(content: bytes):
    assert refusal(content)[0] == 400


def test_another_resource_type_is_malformed():
    assert refusal(body(resourceType="Patient")) == (400, {"resourceType": "value"})


@pytest.mark.requirement("R02-3")
@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"identifier": None}, "Practitioner.identifier"),
        ({"identifier": []}, "Practitioner.identifier"),
        ({"identifier": [{}]}, "Practitioner.identifier[0]"),
        ({"identifier": "x"}, "Practitioner.identifier"),
        ({"active": None}, "Practitioner.active"),
        ({"active": "true"}, "Practitioner.active"),
        ({"name": None}, "Practitioner.name"),
        ({"name": [{"family": "", "given": ["A"]}]}, "Practitioner.name[0].family"),
        ({"name": [{"family": "  ", "given": ["A"]}]}, "Practitioner.name[0].family"),
        ({"name": [{"family": "A"}]}, "Practitioner.name[0].given"),
        ({"name": [{"family": "A", "given": [""]}]}, "Practitioner.name[0].given"),
        ({"identifier": [{"system": SYSTEM_PERSON, "value": "1"}]}, "Practitioner.identifier[0].type"),
        ({"identifier": [{**coded("IDNPS", SYSTEM_PERSON), "type": 3}]}, "Practitioner.identifier[0].type"),
        (
            {"identifier": [{**coded("IDNPS", SYSTEM_PERSON), "type": {"text": "x"}}]},
            "Practitioner.identifier[0].type.coding",
        ),
        ({"identifier": [{**coded("IDNPS", SYSTEM_PERSON), "value": 3}]}, "Practitioner.identifier[0].value"),
        ({"telecom": None}, "Practitioner.telecom"),
        ({"telecom": [{"system": "email", "value": ""}]}, "Practitioner.telecom[0].value"),
        ({"telecom": [{"value": "a@b.fr"}]}, "Practitioner.telecom[0].system"),
    ],
)
def test_what_is_mandatory_is_asked_for_at_its_place(changes: dict[str, Any], expression: str):
    status, found = refusal(body(**changes))
    assert status == 400
    assert expression in found


@pytest.mark.requirement("R02-3")
@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"telecom": [{"system": "phone", "value": "+33102030405"}]}, "Practitioner.telecom[0].system"),
        ({"telecom": [{"system": "email", "value": "nobody"}]}, "Practitioner.telecom[0].value"),
        (
            {"identifier": [coded("INTRN", SYSTEM_PERSON)]},
            "Practitioner.identifier[0].type.coding[0].code",
        ),
        ({"identifier": [coded("IDNPS", SYSTEM_SAS)]}, "Practitioner.identifier[0].type.coding[0].code"),
        (
            {"identifier": [coded("IDNPS", "urn:oid:1.2.250.1.71.4.2.2")]},
            "Practitioner.identifier[0].type.coding[0].code",
        ),
        ({"identifier": [coded("PI", "urn:oid:1.2.3")]}, "Practitioner.identifier"),
        (
            {
                "identifier": [
                    {**coded("IDNPS", SYSTEM_PERSON), "type": {"coding": [{"system": "urn:x", "code": "IDNPS"}]}}
                ]
            },
            "Practitioner.identifier[0].type.coding[0].system",
        ),
        (
            {
                "identifier": [
                    {**coded("IDNPS", SYSTEM_PERSON), "type": {"coding": [{"code": "IDNPS"}, {"code": "PI"}]}}
                ]
            },
            "Practitioner.identifier[0].type.coding",
        ),
        (
            {"identifier": [coded("IDNPS", SYSTEM_PERSON, "1"), coded("IDNPS", SYSTEM_PERSON, "2")]},
            "Practitioner.identifier[1]",
        ),
    ],
)
def test_what_a_rule_refuses_is_told_at_its_place(changes: dict[str, Any], expression: str):
    status, found = refusal(body(**changes))
    assert status == 422
    assert expression in found


def test_all_that_is_wrong_is_told_at_once():
    status, found = refusal(body(active=None, name=[{"given": ["A"]}], telecom=[{"system": "fax", "value": "1"}]))
    assert status == 400
    assert set(found) == {
        "Practitioner.active",
        "Practitioner.name[0].family",
        "Practitioner.telecom[0].system",
    }


def test_elements_of_fhir_that_the_profile_does_not_name_are_accepted():
    assert parse_regulator(body(gender="male", language="fr-FR")) == ACCOUNT


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "Practitioner.modifierExtension[0]"),
        ({"implicitRules": "urn:x"}, "Practitioner.implicitRules"),
        (
            {"contained": [{"resourceType": "Basic", "id": "a", "code": {"text": "x"}, "implicitRules": "urn:x"}]},
            "Practitioner.contained[0].implicitRules",
        ),
    ],
)
def test_what_may_turn_the_meaning_around_is_refused(changes: dict[str, Any], expression: str):
    assert refusal(body(**changes)) == (422, {expression: "not-supported"})


@pytest.mark.parametrize("octet", ["\x00", "\x01", "\x0b", "\x1f"])
def test_control_characters_in_names_and_identifiers_are_refused(octet: str):
    status, found = refusal(
        body(
            name=[{"family": f"Font{octet}anel", "given": [f"Cl{octet}aire"]}],
            identifier=[coded("IDNPS", SYSTEM_PERSON, f"345{octet}6")],
            telecom=[{"system": "email", "value": f"a{octet}b@samu33.example"}],
        )
    )
    assert status == 400
    assert set(found) == {
        "Practitioner.name[0].family",
        "Practitioner.name[0].given[0]",
        "Practitioner.identifier[0].value",
        "Practitioner.telecom[0].value",
    }


def test_escapes_of_other_characters_are_read():
    text = body().replace(b"FONTANEL", b"FONT\\u0041NEL")
    assert parse_regulator(text).family == ACCOUNT.family


def test_elements_that_are_no_fhir_are_refused_at_their_place():
    status, found = refusal(body(gender=["male"], colour="blue"))
    assert status == 400
    assert set(found) == {"Practitioner.gender", "Practitioner.colour"}


def test_the_guides_bodies_never_load_the_model(monkeypatch: pytest.MonkeyPatch):
    def model(resource_type: str, document: dict[str, Any]) -> list[Any]:
        raise AssertionError("asked the model")

    assert parse_regulator(body(), check=model) == ACCOUNT
    with pytest.raises(document_module.NeedsModel):
        parse_regulator(body(gender="male"), check=document_module.postpone)


@pytest.mark.parametrize("text", ["a@b.fr", "Prénom.Nom+sas@sous.domaine.example"])
def test_email_addresses(text: str):
    assert is_email(text)


@pytest.mark.parametrize("text", ["", "a", "a@b", "a b@c.fr", "a@b..fr", "@b.fr", "a@b.fr, c@d.fr", "a@.fr", "x" * 260])
def test_what_is_no_email_address(text: str):
    assert not is_email(text)


def test_rendering_is_read_back():
    assert parse_regulator(render_regulator(ACCOUNT, id="abc")) == ACCOUNT


@pytest.mark.requirement("R02-1")
@pytest.mark.parametrize("identifiers", [(NATIONAL,), (TECHNICAL,), (NATIONAL, TECHNICAL)])
def test_rendering_is_what_the_profile_wants_and_nothing_else(identifiers: tuple[Identifier, ...]):
    account = RegulatorAccount(identifiers, False, "Marius", ("Jules", "Jean"), "jules.marius@test.com")
    document = orjson.loads(render_regulator(account, id="abc"))
    assert check_profile(document) == []
    types = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"
    systems = {"IDNPS": "urn:oid:1.2.250.1.71.4.2.1", "INTRN": "urn:oid:1.2.250.1.213.3.6"}
    assert document == {
        "resourceType": "Practitioner",
        "id": "abc",
        "meta": {
            "source": "urn:oid:1.2.250.1.213.3.6",
            "profile": ["https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/FrPractitionerRegul"],
        },
        "identifier": [
            {
                "type": {"coding": [{"system": types, "code": identifier.type}]},
                "system": systems[identifier.type],
                "value": identifier.value,
            }
            for identifier in identifiers
        ],
        "active": False,
        "name": [{"family": "Marius", "given": ["Jules Jean"]}],
        "telecom": [{"system": "email", "value": "jules.marius@test.com"}],
    }


@pytest.mark.requirement("R02-1")
@pytest.mark.parametrize("identifiers", [(NATIONAL,), (TECHNICAL,), (NATIONAL, TECHNICAL)])
def test_rendering_meets_the_official_profile(identifiers: tuple[Identifier, ...], profile_errors: Any):
    account = RegulatorAccount(identifiers, False, "Marius", ("Jules", "Jean"), "jules.marius@test.com")
    document = orjson.loads(render_regulator(account, id="abc"))
    for ig in IG_VERSIONS:
        assert profile_errors(document, ig) == []
        assert check_profile(document, ig) == []


def test_several_given_names_are_emitted_as_the_one_that_the_profile_admits():
    account = RegulatorAccount((NATIONAL,), True, "Marius", ("Jules", "Jean"), "jules.marius@test.com")
    document = orjson.loads(render_regulator(account))
    assert document["name"] == [{"family": "Marius", "given": ["Jules Jean"]}]
    assert "id" not in document


def test_judging_ends_at_the_fiftieth_problem():
    with pytest.raises(RequestError) as caught:
        parse_regulator(body(identifier=[{}] * 500))
    assert len(caught.value.issues) == 51
    assert (caught.value.status, caught.value.issues[-1].code) == (400, "too-costly")
    assert caught.value.issues[-1].detail == "judging ended after 50 problems"


def test_a_name_that_is_used_twice_is_told_with_its_place():
    twice = body().replace(b'"family":', b'"family":"X","family":', 1)
    assert refusal(twice) == (400, {"Practitioner.name[0]": "structure"})


@pytest.mark.parametrize("octets", ['{"a":"é"}'.encode("latin-1"), b"[" * 2000, b'{"a":1e99999}', b"{}" * 3000, b"x"])
def test_what_cannot_be_read_is_400_and_says_why(octets: bytes):
    with pytest.raises(RequestError, match="the body cannot be read: ") as caught:
        parse_regulator(octets)
    assert caught.value.status == 400


def test_a_long_value_is_quoted_shortly():
    with pytest.raises(RequestError) as caught:
        parse_regulator(body(telecom=[{"system": "email", "value": "x" * 100_000}]))
    assert all(len(issue.detail) < 500 for issue in caught.value.issues)
    with pytest.raises(RequestError) as caught:
        parse_regulator(body(resourceType="y" * 100_000))
    assert all(len(issue.detail) < 500 for issue in caught.value.issues)


def test_what_is_accepted_with_findings_tells_the_first_fifty():
    problems = document_module.Problems()
    for at in range(60):
        problems.finding("R03-9", f"cause {at}", "x")
    assert [each.text for each in problems.findings] == [f"cause {at}" for at in range(50)]

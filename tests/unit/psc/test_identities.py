"""Who may log in."""

from __future__ import annotations

import pytest

from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.model import Practitioner, Regulator
from sandbox.psc.identities import PRACTITIONER, Identities, Person

LEA = Regulator(Identifier(SYSTEM_PERSON, "345/1", "IDNPS"), "Roy", "Léa", "Lea@X.invalid", "SAS-33", "pâss")
TWIN = Regulator(Identifier(SYSTEM_SAS, "345/1", "INTRN"), "Roy", "Luc", "luc@x.invalid", "SAS-33", "other")
PEOPLE = Identities((LEA, TWIN))


@pytest.mark.parametrize("login", ["345/1", f"{SYSTEM_PERSON}|345/1", "lea@x.INVALID", "  345/1 "])
def test_every_name_of_a_person_works(login: str) -> None:
    assert PEOPLE.authenticate(login, "pâss") == Person.of_regulator(LEA)


def test_same_value_in_another_system_is_another_person() -> None:
    assert PEOPLE.authenticate(f"{SYSTEM_SAS}|345/1", "other") == Person.of_regulator(TWIN)
    assert PEOPLE.by_key(f"{SYSTEM_SAS}|345/1") == Person.of_regulator(TWIN)


@pytest.mark.parametrize(("login", "password"), [("345/1", "pass"), ("345/1", ""), ("", ""), ("nobody", "\x00")])
def test_wrong_credentials_are_nobody(login: str, password: str) -> None:
    assert PEOPLE.authenticate(login, password) is None


AURORE = Practitioner("819800000127", "Rouveyran", "Aurore", "", (), password="agenda-33")
SILENT = Practitioner("819800000010", "Duvallon", "Amélie", "agenda-azur", ())
BOTH = Regulator(Identifier(SYSTEM_PERSON, AURORE.id, "IDNPS"), "Rouveyran", "A.", "a@x.invalid", "SAS-33", "régule")


def found(national_id: str) -> Practitioner | None:
    known = {each.id: each for each in (AURORE, SILENT)}
    return known.get(national_id) or known.get(f"8{national_id}")


@pytest.mark.parametrize("login", [AURORE.id, AURORE.id[1:], f"{SYSTEM_PERSON}|{AURORE.id}", f" {AURORE.id} "])
def test_a_practitioner_of_the_sas_agenda_logs_in(login: str) -> None:
    people = Identities((LEA,), found, (AURORE, SILENT))
    person = people.authenticate(login, "agenda-33")
    assert person is not None
    assert (person.identifier.value, person.parts, person.email) == (AURORE.id, (PRACTITIONER,), "")
    assert people.by_key(person.identifier.key) == person
    assert [each.family for each in people.practitioners] == ["Rouveyran"]


@pytest.mark.parametrize(("login", "password"), [(SILENT.id, ""), (f"{SYSTEM_SAS}|{AURORE.id}", "agenda-33")])
def test_people_without_an_account_and_other_systems_are_nobody(login: str, password: str) -> None:
    people = Identities((LEA,), found, (AURORE, SILENT))
    assert people.authenticate(login, password) is None
    assert people.by_key(login) is None


def test_a_regulator_who_is_a_practitioner_too_is_one_person() -> None:
    people = Identities((LEA, BOTH), found, (AURORE,))
    for password in ("régule", "agenda-33"):
        person = people.authenticate(AURORE.id, password)
        assert person is not None
        assert (person.email, person.parts) == ("a@x.invalid", ("SAS-33", PRACTITIONER))
    assert people.practitioners == []
    assert people.authenticate(AURORE.id, "other") is None

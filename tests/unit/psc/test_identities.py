"""Who may log in."""

from __future__ import annotations

import pytest

from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.model import Regulator
from sandbox.psc.identities import Identities

LEA = Regulator(Identifier(SYSTEM_PERSON, "345/1", "IDNPS"), "Roy", "Léa", "Lea@X.invalid", "SAS-33", "pâss")
TWIN = Regulator(Identifier(SYSTEM_SAS, "345/1", "INTRN"), "Roy", "Luc", "luc@x.invalid", "SAS-33", "other")
PEOPLE = Identities((LEA, TWIN))


@pytest.mark.parametrize("login", ["345/1", f"{SYSTEM_PERSON}|345/1", "lea@x.INVALID", "  345/1 "])
def test_every_name_of_a_person_works(login: str) -> None:
    assert PEOPLE.authenticate(login, "pâss") is LEA


def test_same_value_in_another_system_is_another_person() -> None:
    assert PEOPLE.authenticate(f"{SYSTEM_SAS}|345/1", "other") is TWIN
    assert PEOPLE.by_key(f"{SYSTEM_SAS}|345/1") is TWIN


@pytest.mark.parametrize(("login", "password"), [("345/1", "pass"), ("345/1", ""), ("", ""), ("nobody", "\x00")])
def test_wrong_credentials_are_nobody(login: str, password: str) -> None:
    assert PEOPLE.authenticate(login, password) is None

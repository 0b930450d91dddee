"""An RPPS without its prefix names the same regulator as the one with it."""

from __future__ import annotations

import pytest

from sandbox.kernel.identifiers import (
    SYSTEM_PERSON,
    SYSTEM_SAS,
    Identifier,
    regulator_identifier,
    regulator_login,
)


@pytest.mark.parametrize(
    ("system", "value", "kept"),
    [
        (SYSTEM_PERSON, "19800000903", "819800000903"),
        (SYSTEM_PERSON, "819800000903", "819800000903"),
        (SYSTEM_PERSON, "3456780581/11242343", "3456780581/11242343"),
        (SYSTEM_PERSON, "345/12345", "345/12345"),
        (SYSTEM_PERSON, "²9800000903", "²9800000903"),
        (SYSTEM_SAS, "19800000903", "19800000903"),
        ("urn:oid:1.2.3", "19800000903", "19800000903"),
    ],
)
def test_only_a_national_rpps_gets_its_prefix(system: str, value: str, kept: str) -> None:
    assert regulator_identifier(Identifier(system, value, "x")) == Identifier(system, kept, "x")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("19800000903", "819800000903"),
        (" 19800000903 ", "819800000903"),
        (f"{SYSTEM_PERSON}|19800000903", f"{SYSTEM_PERSON}|819800000903"),
        (f"{SYSTEM_SAS}|19800000903", f"{SYSTEM_SAS}|19800000903"),
        ("819800000903", "819800000903"),
        ("a@b.example", "a@b.example"),
        ("", ""),
    ],
)
def test_what_is_typed_means_the_same_person(typed: str, meant: str) -> None:
    assert regulator_login(typed) == meant

"""The patient whom a regulator types, and the one that is invented for him."""

from __future__ import annotations

from datetime import date

import pytest

from sandbox.kernel.entropy import seeded
from sandbox.kernel.patients import FIELDS, check_patient, invented, typed

TODAY = date(2026, 11, 23)
GOOD = {
    "family": "Essai",
    "given": "Anne-Laure",
    "birth_date": "31/01/1980",
    "sex": "F",
    "phone": "06 39 98 12 34",
    "reason": "Toux persistante",
}


def test_white_space_is_reduced_and_missing_fields_are_empty() -> None:
    assert typed({"family": "  De  la   Cour ", "given": None}) == {**dict.fromkeys(FIELDS, ""), "family": "De la Cour"}


@pytest.mark.parametrize("born", ["31/01/1980", "1980-01-31"])
def test_a_patient_is_read(born: str) -> None:
    patient, errors = check_patient({**GOOD, "birth_date": born}, TODAY)
    assert errors == {}
    assert patient is not None
    assert (patient.birth_date, patient.phone, patient.sex) == (date(1980, 1, 31), "+33639981234", "F")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("family", ""),
        ("given", "R2D2"),
        ("given", "A" * 81),
        ("birth_date", "hier"),
        ("birth_date", "31/02/1980"),
        ("birth_date", "24/11/2026"),
        ("birth_date", "1890-01-01"),
        ("phone", "12"),
        ("sex", "X"),
        ("reason", "R" * 301),
    ],
)
def test_each_fault_is_said_at_its_field(field: str, text: str) -> None:
    patient, errors = check_patient({**GOOD, field: text}, TODAY)
    assert patient is None
    assert list(errors) == [field]


@pytest.mark.parametrize("seed", range(20))
def test_an_invented_patient_is_a_good_one(seed: int) -> None:
    patient, errors = check_patient(invented(seeded(seed), TODAY), TODAY)
    assert (errors, patient is not None) == ({}, True)

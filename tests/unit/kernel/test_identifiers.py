from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel import identifiers as ids


@given(st.text("0123456789", min_size=1, max_size=20))
def test_a_number_with_its_luhn_digit_is_valid_and_any_other_last_digit_is_not(digits: str) -> None:
    good = ids.luhn_digit(digits)
    assert [last for last in "0123456789" if ids.has_luhn(digits + last)] == [good]


def test_luhn_refuses_what_is_not_a_number() -> None:
    assert not ids.has_luhn("12a4")
    assert not ids.has_luhn("")


@pytest.mark.parametrize(
    ("given_id", "prefixed"),
    [
        ("10002673899", "810002673899"),
        ("810002673899", "810002673899"),
        ("334455667", "0334455667"),
        ("0334455667", "0334455667"),
        ("3456780581/11242343", "3456780581/11242343"),
        ("", ""),
    ],
)
def test_person_ids_get_their_prefix_once(given_id: str, prefixed: str) -> None:
    assert ids.prefixed_person(given_id) == prefixed


@pytest.mark.parametrize(
    ("given_id", "prefixed"),
    [
        ("950047225", "1950047225"),
        ("1950047225", "1950047225"),
        ("34173748400020", "334173748400020"),
        ("334173748400020", "334173748400020"),
        ("abc", "abc"),
        ("12", "12"),
    ],
)
def test_structure_ids_get_their_prefix_once(given_id: str, prefixed: str) -> None:
    assert ids.prefixed_structure(given_id) == prefixed


def test_a_national_person_id_is_a_prefixed_rpps_or_adeli() -> None:
    assert ids.is_national_person("810002673899")
    assert ids.is_national_person("0334455667")
    assert not ids.is_national_person("10002673899")


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("01 02 03 04 05", "+33102030405"),
        ("0033 1 02 03 04 05", "+33102030405"),
        ("+33 (0)1.02.03.04.05", "+33102030405"),
        ("+262-262-12-34-56", "+262262123456"),
        ("12 34", None),
        ("sur demande", None),
    ],
)
def test_phones_are_sent_in_the_guides_form_or_not_at_all(stored: str, sent: str | None) -> None:
    assert ids.national_phone(stored) == sent


def test_the_key_of_an_identifier_is_a_fhir_token() -> None:
    assert ids.Identifier("urn:oid:1", "42").key == "urn:oid:1|42"

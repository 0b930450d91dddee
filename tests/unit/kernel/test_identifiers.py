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


@pytest.mark.parametrize(
    ("typed", "national"),
    [
        ("0262 00 00 01", "+262262000001"),
        ("06 92 00 00 01", "+262692000001"),
        ("0269.00.00.01", "+262269000001"),
        ("0639 00 00 01", "+262639000001"),
        ("0590000001", "+590590000001"),
        ("0690 00 00 01", "+590690000001"),
        ("05 94 00 00 01", "+594594000001"),
        ("05-96-00-00-01", "+596596000001"),
        ("+33 696 00 00 01", "+596696000001"),  # +33 does not lead there
        ("+262 0262 00 00 01", "+262262000001"),
        ("06 39 98 00 01", "+33639980001"),  # kept for fiction, not Mayotte's
    ],
)
def test_numbers_overseas_get_the_prefix_of_their_zone(typed: str, national: str) -> None:
    assert ids.national_phone(typed) == national
    assert ids.national_phone(national) == national

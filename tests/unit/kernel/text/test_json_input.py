"""JSON from outside: what is read, and what is refused with its reason and place."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, check_utf8, quoted, read_as, read_json, shortened

SMALL = Limits(octets=100, depth=3, elements=10)


class Login(msgspec.Struct):
    """Something that is read."""

    identifier: str
    tries: list[int] = []


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"1" + b"]}" * (depth // 2)


REFUSED = [
    (b"", "not JSON", "line 1, column 1"),
    (b"{", "not JSON", "line 1, column 2"),
    (b'{\n"a": 1,}', "not JSON", "line 2, column 7"),
    (b"[NaN]", "not JSON", "line 1, column 2"),
    (b"\xef\xbb\xbf{}", "not JSON", "line 1, column 1"),
    ('{"nom":"\nHélène"}'.encode("latin-1"), "not UTF-8: octet 0xE9 at position 10, line 2", ""),
    (b'{"a":1}\xff', "not UTF-8: octet 0xFF", ""),
    (b'{"a":1e99999}', "a number that is out of range", "$.a"),
    (b'{"b":[1,2.5,{"a":-1e99999}]}', "a number that is out of range", "$.b[2].a"),
    (b'{"a":' + b"9" * 400 + b"}", "a number that is out of range", "$.a"),
    (b"1e400", "a number that is out of range", "$"),
    (b"[1e400,", "a number that is out of range", "line 1, column 2"),
    (b"[1e400," + b"[" * 2000, "a number that is out of range", "line 1, column 2"),
    (b"[" + b"9" * 70_000 + b"]", "a number that is out of range", "line 1, column 2"),
    (rb'"\ud800"', "a string with half a surrogate pair", "line 1, column 2"),
    (b"[" * 2000 + b"]" * 2000, "far too many levels", "line 1, column 1026"),
    (b'{"a":' + b"[" * 500, "far too many levels", "line 1, column 464"),
    (nested(66), "more than 64 levels", "$" + ".a[0]" * 32),
    (b"[" + nested(64) + b"]", "more than 64 levels", "$[0]" + ".a[0]" * 31 + ".a"),
    (b"[" + b"{}," * 10_000 + b"{}]", "about 20002 elements (at most 5000)", ""),
    (b'"' + b"x" * (1 << 20) + b'"', "1048578 octets (at most 1048576)", ""),
    (b'{"a":1,"b":{"c":[0,{"d d":1,"d d":1}]}}', "the name 'd d' is used twice", "$.b.c[1]"),
    (b'{"a b":[{"x":1,"x":2}]}', "the name 'x' is used twice", "$['a b'][0]"),
    (rb'{"a":"\u003a","a":2}', "the name 'a' is used twice", "$"),
    (rb'{"\u0061":1,"a":2}', "the name 'a' is used twice", "$"),
]


@pytest.mark.parametrize(("body", "reason", "where"), REFUSED)
def test_what_is_refused_says_why_and_where(body: bytes, reason: str, where: str) -> None:
    with pytest.raises(JsonError) as refused:
        read_json(body)
    assert refused.value.reason.startswith(reason)
    assert refused.value.where[:200] == where[:200]
    assert str(refused.value) == refused.value.reason + (f" at {refused.value.where}" if where else "")


@pytest.mark.parametrize(
    "body",
    [b"1", b"null", b'{"a": "x:y", "b": {"a": [1, 2.5, true]}}', rb'{"a":"\u003a","b":"\u003a"}', nested(64),
     b"[" + b'{"a":[]},' * 100 + b"[]]", b'"' + b"[" * 99 + b'"'],
)  # fmt: skip
def test_what_is_read_is_what_it_says(body: bytes) -> None:
    assert read_json(body) == json.loads(body)


def test_an_integer_beyond_64_bits_is_a_double() -> None:
    assert read_json(b"12345678901234567890123") == 12345678901234567890123.0


def test_limits_are_the_callers() -> None:
    assert read_json(b"[[[1]]]", SMALL) == [[[1]]]
    for body in (b"[[[[1]]]]", b"[" + b"1," * 11 + b"1]", b" " * 101):
        with pytest.raises(JsonError):
            read_json(body, SMALL)


def test_where_repeated_names_are_admitted_the_last_one_counts() -> None:
    assert read_json(b'{"a":1,"a":2}', repeated=True) == {"a": 2}


def test_a_long_path_is_cut() -> None:
    with pytest.raises(JsonError) as refused:
        read_json(json.dumps({"k" * 500: {"x": {"y": [[]]}}}).encode(), Limits(depth=3))
    assert len(refused.value.where) < 300


def test_a_place_is_a_fhirpath_where_it_is_a_path() -> None:
    assert JsonError("x", "$.identifier[0]").expression("Appointment") == "Appointment.identifier[0]"
    assert JsonError("x", "line 1, column 2").expression("Appointment") is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{}", ""),
        (b"[]", ""),
        (b'{"identifier":7}', "$.identifier"),
        (b'{"identifier":"x","tries":["y"]}', "$.tries[0]"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_place(body: bytes, where: str) -> None:
    with pytest.raises(JsonError) as refused:
        read_as(body, Login)
    assert refused.value.where == where
    assert refused.value.reason


def test_a_typed_value_is_read() -> None:
    assert read_as(b'{"identifier":"x","tries":[1]}', Login) == Login("x", [1])


@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for read in (lambda: read_json(octets, SMALL), lambda: read_as(octets, Login), lambda: check_utf8(octets)):
        with contextlib.suppress(JsonError):
            read()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans())
def test_any_value_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        found = read_json(body)
    except JsonError:  # half a surrogate pair
        assert "ud" in body.decode("latin-1") or b"\xed" in body
        return
    assert found == json.loads(body) or any(len(digits) > 15 for digits in body.decode().split())


@given(st.dictionaries(st.text("abc:\\", max_size=2), VALUES, min_size=1, max_size=4), st.integers(0, 3))
def test_a_repeated_name_is_never_overlooked(value: dict[str, Any], at: int) -> None:
    names = [*value]
    again = names[at % len(names)]
    body = json.dumps(value)[:-1] + f",{json.dumps(again)}:0}}"
    with pytest.raises(JsonError):
        read_json(body.encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ("x", "'x'"),
        ("x" * 99, f"'{'x' * 80}…'"),
        ({}, "an object"),
        ([], "a list"),
        (True, "true"),
        (7, "7"),
    ],
)
def test_values_of_others_are_quoted_shortly(value: object, text: str) -> None:
    assert quoted(value) == text
    assert len(shortened("y" * 1000)) == 81

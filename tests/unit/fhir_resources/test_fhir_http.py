"""Bodies and preferences of FHIR's HTTP, below the ports that use them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from sandbox.kernel.errors import RequestError
from sandbox.net.http.body import read_body
from sandbox.net.http.conditions import Conditions, conditions_of
from sandbox.net.http.fhir_http import handling, wants_representation
from sandbox.net.http.preferences import preferences


def request(headers: dict[str, str], *messages: dict[str, Any]) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": pairs}, receive)


async def test_a_body_that_ends_too_early_is_malformed():
    torn = request({}, {"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(RequestError) as caught:
        await read_body(torn)
    assert caught.value.status == 400


async def test_a_body_in_pieces_is_put_together():
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.request", "body": b"}"}]
    assert await read_body(request({"content-type": "application/json+fhir; charset=utf-8"}, *pieces)) == b"{}"


@pytest.mark.parametrize(
    ("prefer", "wanted"),
    [
        ("return=representation", True),
        ('return="representation"', True),
        ("respond-async, Return=Representation", True),
        ('x="a, return=minimal; b", return = representation; y=1', True),
        ("return=representation, return=minimal", True),
        ("return=minimal, return=representation", False),
        ("handling=strict; return=representation", False),  # a parameter of the other preference (RFC 7240, 2)
        ("return=minimal", False),
        ("", False),
    ],
)
def test_the_representation_is_sent_only_when_preferred(prefer: str, wanted: bool):
    assert wants_representation(request({"prefer": prefer})) is wanted


def test_several_headers_are_one_list_and_the_first_of_a_name_wins():
    lines = ["respond-async; x", 'Handling = "LENIENT" ;p="q,r"', "handling=strict, wait=10"]
    assert dict(preferences(lines)) == {"respond-async": "", "handling": "lenient", "wait": "10"}


@pytest.mark.parametrize("line", ["", ",", ";", "=x", 'a="b', "a b=c", "é=1"])
def test_what_is_no_preference_is_as_if_absent(line: str):
    assert dict(preferences([line, "return=minimal"])).get("return") == "minimal" or '"' in line


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ('handling="lenient"', "lenient"),
        ("handling=lenient; x=1, handling=strict", "lenient"),
        ("handling=other, handling=strict", None),
        ("return=minimal", None),
    ],
)
def test_the_first_handling_counts(prefer: str, expected: str | None):
    assert handling(request({"prefer": prefer})) == expected


# Conditional requests


def conditions(**headers: str) -> Conditions:
    return conditions_of(request({name.replace("_", "-"): value for name, value in headers.items()}))


TAG = 'W/"3"'


@pytest.mark.parametrize(
    ("if_match", "etag", "allowed"),
    [
        ('W/"3"', TAG, True),
        ('"3"', TAG, True),
        ('"1", W/"3" ,', TAG, True),
        ('"a,b", W/"3"', TAG, True),
        ("*", TAG, True),
        ('W/"2"', TAG, False),
        ("*", None, False),
        ('W/"3"', None, False),
    ],
)
def test_a_change_needs_the_version_that_it_names(if_match: str, etag: str | None, allowed: bool):
    asked = conditions(if_match=if_match)
    if allowed:
        asked.allow_change(etag)
        return
    with pytest.raises(RequestError) as caught:
        asked.allow_change(etag)
    assert (caught.value.status, caught.value.issues[0].expression) == (412, "http.If-Match")


@pytest.mark.parametrize(
    ("if_none_match", "etag", "allowed"),
    [("*", None, True), ('"4"', TAG, True), ("*", TAG, False), ('"4", "3"', TAG, False)],
)
def test_a_creation_may_ask_that_there_be_none(if_none_match: str, etag: str | None, allowed: bool):
    asked = conditions(if_none_match=if_none_match)
    if allowed:
        asked.allow_change(etag)
        return
    with pytest.raises(RequestError) as caught:
        asked.allow_change(etag)
    assert (caught.value.status, caught.value.issues[0].expression) == (412, "http.If-None-Match")


@pytest.mark.parametrize(
    ("if_none_match", "fresh"), [("*", True), ('W/"3"', True), ('"3"', True), ('"1","2"', False), ('"33"', False)]
)
def test_who_has_it_already_need_not_read_it_again(if_none_match: str, fresh: bool):
    assert conditions(if_none_match=if_none_match).is_fresh(TAG) is fresh


def test_without_conditions_everything_is_allowed():
    conditions().allow_change(None)
    assert not conditions().is_fresh(TAG)


@pytest.mark.parametrize("value", ["", "3", "W/3", '"3', 'w/"3"', '"1" "2"', "*, *"])
@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_what_holds_no_entity_tags_is_malformed(header: str, value: str):
    with pytest.raises(RequestError) as caught:
        conditions_of(request({header: value}))
    assert caught.value.status == 400
    assert caught.value.issues[0].expression in ("http.If-Match", "http.If-None-Match")

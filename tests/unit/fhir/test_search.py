"""Slot searches as query strings: every form, encoding and tolerance of the guide, and what is a 400."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import parse_qsl, quote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.fhir.queries import search as module
from sandbox.fhir.queries.search import (
    ACTOR,
    QUERIES_KEPT,
    SCHEDULE,
    SERVICE,
    SERVICE_ORGANIZATION,
    SITE,
    SITE_ORGANIZATION,
    parse_schedule_query,
    parse_slot_query,
    schedule_query,
    self_text,
    slot_query,
)
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.identifiers import prefixed_person

START = datetime(2026, 11, 23, 9, tzinfo=PARIS)
END = datetime(2026, 11, 25, 23, 59, 59, 999000, tzinfo=PARIS)
PS = "urn:oid:1.2.250.1.71.4.2.1"
ST = "urn:oid:1.2.250.1.71.4.2.2"
ACTORS = "schedule.actor:Practitioner.identifier"
SIRETS = "actor:Location.organization.identifier"
SLOT = f"status=free&start=ge2026-11-23T09:00:00&start=le2026-11-25T20:00:00&{ACTORS}={PS}|819800000010"
SITES = (
    "_has:Slot:schedule:start=ge2026-11-23T09:00:00&_has:Slot:schedule:start=le2026-11-25T20:00:00"
    f"&_has:Slot:schedule:status=free&{SIRETS}={ST}|399900300000018"
)


def wrong(parse, query: str) -> list[tuple[str, str | None]]:
    """(code, expression) of everything that the search refuses."""
    with pytest.raises(RequestError) as caught:
        parse(query)
    assert caught.value.status == 400
    assert all(issue.detail for issue in caught.value.issues)
    return [(issue.code, issue.expression) for issue in caught.value.issues]


def slot_search(ids: str = f"{PS}|819800000010", start: str = "2026-11-23T09:00:00", more: str = "") -> str:
    return f"status=free&start=ge{start}&start=le2026-11-25T20:00:00&{ACTORS}={ids}{more}"


@given(
    st.lists(st.from_regex(r"8[0-9]{11}|0[0-9]{9}", fullmatch=True), min_size=1, max_size=25, unique=True),
    st.booleans(),
)
def test_what_the_sas_core_sends_is_what_the_editor_reads(ids, cpts):
    query = parse_slot_query(slot_query(ids, START, END, cpts=cpts))
    assert query.practitioners == tuple(ids)
    assert (query.start, query.end) == (START, END)
    assert query.includes == {SCHEDULE, ACTOR} | ({SERVICE, SERVICE_ORGANIZATION} if cpts else set())
    assert (query.count, query.after) == (1000, None)


def test_what_the_sas_core_sends_for_sos_is_what_the_editor_reads():
    query = parse_schedule_query(schedule_query(["399900300000018", "99900300000026"], START, END))
    assert query.sirets == ("399900300000018", "399900300000026")
    assert (query.start, query.end) == (START, END)
    assert query.includes == {SCHEDULE, SITE, SITE_ORGANIZATION}


@pytest.mark.requirement("R01-26", "R01-27", "R01-28", "R01-29", "R01-30")
def test_what_the_sas_core_sends_has_the_guides_parameters():
    sent = slot_query(["819800000010"], START, END, cpts=False)
    assert parse_qsl(sent) == [
        ("_include", "Slot:schedule"),
        ("_include:iterate", "Schedule:actor"),
        ("status", "free"),
        ("start", "ge2026-11-23T09:00:00.000+01:00"),
        ("start", "le2026-11-25T23:59:59.999+01:00"),
        (ACTORS, f"{PS}|819800000010"),
        ("_count", "1000"),
    ]
    assert "%2B01:00" in sent
    assert "+" not in sent


@pytest.mark.requirement("R01-29")
@pytest.mark.parametrize(
    "ids",
    [
        f"{PS}|819800000010,{PS}|819800000028",
        f"{PS}%7C819800000010%2C{PS}%7C819800000028",
        f"{PS}%7c819800000010,%20{PS}%7c819800000028",
        f"{PS}|819800000010,+{PS}|819800000028",
        f"{PS}|19800000010,{PS}|19800000028",
        f"819800000010,{PS}|819800000028,",
        f"{PS}|819800000010,{PS}|19800000010,{PS}|819800000028",
        quote(f"{PS}|819800000010,{PS}|819800000028", safe=""),
    ],
)
def test_identifiers_are_read_prefixed_or_not_in_any_encoding(ids):
    assert parse_slot_query(slot_search(ids)).practitioners == ("819800000010", "819800000028")


def test_parameter_names_may_be_percent_encoded_and_in_any_order():
    query = "&".join(reversed(SLOT.replace(ACTORS, quote(ACTORS, safe="")).split("&")))
    assert parse_slot_query(query) == parse_slot_query(query)
    assert parse_slot_query(query).practitioners == ("819800000010",)


def test_identifier_of_another_system_is_found_nowhere():
    assert parse_slot_query(slot_search("urn:oid:9.9|819800000010")).practitioners == ()
    assert parse_slot_query(slot_search(f"{ST}|819800000010,{PS}|0339900015")).practitioners == ("0339900015",)


@pytest.mark.requirement("R01-26")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T09:00:00.000+01:00", START),
        ("2026-11-23T09:00:00.000%2B01:00", START),
        ("2026-11-23T09:00:00 01:00", START),
        ("2026-11-23T09:00:00%2001:00", START),
        ("2026-11-23T08:00:00Z", START),
        ("2026-11-23T08:00:00.000Z", START),
        ("2026-11-23T09:00:00", START),
        ("2026-11-23T09:00:00.5", START + timedelta(milliseconds=500)),
        ("2026-11-23T09:00", START),
        ("2026-11-23T03:00:00-05:00", START),
        ("2026-07-23T09:00:00", datetime(2026, 7, 23, 7, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=PARIS)),
        ("2026-11", datetime(2026, 11, 1, tzinfo=PARIS)),
        ("2026", datetime(2026, 1, 1, tzinfo=PARIS)),
    ],
)
def test_dates_are_read_with_or_without_offset_and_decimals(text, expected):
    assert parse_slot_query(slot_search(start=text)).start == expected


def test_upper_bound_without_a_time_lasts_until_the_end_of_that_day():
    query = parse_slot_query(SLOT.replace("le2026-11-25T20:00:00", "le2026-11-25"))
    assert query.end == datetime(2026, 11, 25, 23, 59, 59, 999999, tzinfo=PARIS)
    minute = parse_slot_query(SLOT.replace("le2026-11-25T20:00:00", "le2026-11-25T20:00"))
    assert minute.end == datetime(2026, 11, 25, 20, 0, 59, 999999, tzinfo=PARIS)
    month = parse_slot_query(SLOT.replace("le2026-11-25T20:00:00", "le2026-11"))
    assert month.end == datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=PARIS)
    year = parse_schedule_query(SITES.replace("le2026-11-25T20:00:00", "le2026"))
    assert year.end == datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=PARIS)


def test_includes_are_read_in_any_order_repeated_and_in_any_case():
    more = "&_include:iterate=schedule:actor&_include=Slot:schedule&_include=Slot:schedule"
    more += "&_include=Slot%3Aservice-type-reference"
    assert parse_slot_query(SLOT + more).includes == {SCHEDULE, ACTOR, SERVICE}
    assert parse_slot_query(SLOT).includes == frozenset()
    sites = "&_revinclude=Slot:schedule&_include=Schedule:actor:Location&_include:iterate=Location:Organization"
    assert parse_schedule_query(SITES + sites).includes == {SCHEDULE, SITE, SITE_ORGANIZATION}


@pytest.mark.requirement("SOS-1")
def test_plain_start_and_status_are_read_for_sos_as_the_guides_table_writes_them():
    plain = SITES.replace("_has:Slot:schedule:", "")
    mixed = SITES.replace("_has:Slot:schedule:start=le", "start=le")
    for query in (plain, mixed):
        read = parse_schedule_query(query)
        assert (read.sirets, read.start) == (("399900300000018",), START)


@pytest.mark.parametrize("parse_and_query", [(parse_slot_query, SLOT), (parse_schedule_query, SITES)])
def test_every_unknown_parameter_is_refused_and_named_at_once(parse_and_query):
    parse, query = parse_and_query
    assert wrong(parse, f"{query}&foo=bar&foo=2&_sort=start&&=x&empty=") == [
        ("not-supported", "http._sort"), ("not-supported", "http.foo"),
    ]  # fmt: skip


def test_refusal_says_what_was_expected():
    with pytest.raises(RequestError) as caught:
        parse_slot_query(f"{SLOT}&_sort=start&_include=Slot:other", cpts=False)
    include, sort = (issue.detail for issue in caught.value.issues)
    assert "'_sort'" in sort
    for name in ("start", "status", ACTORS, "_count", "_include", "_include:iterate", "_format"):
        assert name in sort
    assert include == "'Slot:other' is not supported here (expected: Slot:schedule, Schedule:actor)"


def test_lenient_caller_has_unknown_parameters_and_includes_ignored_and_sees_it_in_the_self_link():
    more = "&foo=bar&_include=Slot:schedule&_include=Slot:other&_revinclude=Appointment:slot&_sort=start"
    query = parse_slot_query(SLOT + more, lenient=True)
    assert (query.practitioners, query.includes) == (("819800000010",), {SCHEDULE})
    assert query.text == f"{SLOT}&_include=Slot:schedule"
    sites = parse_schedule_query(f"{SITES}&_after=x&_revinclude=Slot:schedule&_revinclude=A:b", lenient=True)
    assert (sites.includes, sites.text) == ({SCHEDULE}, f"{SITES}&_revinclude=Slot:schedule")


def test_what_int_r04_adds_is_not_offered_by_who_does_not_speak_it():
    more = (
        "&_include=Slot:schedule&_include=Slot:service-type-reference&_include:iterate=HealthcareService:organization"
    )
    assert wrong(lambda query: parse_slot_query(query, cpts=False), SLOT + more) == [
        ("not-supported", "http._include"), ("not-supported", "http._include:iterate"),
    ]  # fmt: skip
    lenient = parse_slot_query(SLOT + more, cpts=False, lenient=True)
    assert (lenient.includes, lenient.text) == ({SCHEDULE}, f"{SLOT}&_include=Slot:schedule")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("status=free", "status:not=busy"), {"http.status:not", "http.status"}),
        (("status=free", "status=free&start:missing=false"), {"http.start:missing"}),
        (("status=free", "status=free&_include:other=Slot:schedule"), {"http._include:other"}),
        (("status=free", "status=free&_count=ten"), {"http._count"}),
        (("start=ge", "start=gt"), {"http.start"}),
        (("status=free", "status=busy"), {"http.status"}),
        (("status=free&", ""), {"http.status"}),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_would_widen_the_search_is_refused_even_to_a_lenient_caller(change, expected, lenient):
    found = wrong(lambda query: parse_slot_query(query, lenient=lenient), SLOT.replace(*change))
    assert {expression for _, expression in found} == expected


@given(st.lists(st.sampled_from([
    "foo=1", "_sort=start", "_include=Slot:schedule", "_include=Slot:x", "_include:iterate=Schedule:actor",
    "_revinclude=a", "_count=5", "f%C3%A9=%20a+b", "_format=json", "&", "=",
]), max_size=8))  # fmt: skip
def test_what_a_lenient_caller_reads_in_the_self_link_is_a_strict_query_with_the_same_meaning(parts):
    lenient = parse_slot_query("&".join([SLOT, *parts]), lenient=True)
    assert parse_slot_query(lenient.text) == lenient


@pytest.mark.parametrize("number", [1, 25])
def test_up_to_25_practitioners_may_be_asked_for(number):
    ids = ",".join(f"{PS}|8198000{index:05d}" for index in range(number))
    assert len(parse_slot_query(slot_search(ids)).practitioners) == number


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("status=free&", ""), [("required", "http.status")]),
        (("status=free", "status="), [("required", "http.status")]),
        (("status=free", "status=busy"), [("not-supported", "http.status")]),
        (("status=free", "status=free,busy"), [("not-supported", "http.status")]),
        (("start=ge2026-11-23T09:00:00&", ""), [("required", "http.start")]),
        (("start=le2026-11-25T20:00:00&", ""), [("required", "http.start")]),
        (("start=ge", "start=gt"), [("not-supported", "http.start")]),
        (("start=ge", "start=eq"), [("not-supported", "http.start")]),
        (("start=ge", "start="), [("not-supported", "http.start")]),
        (("start=le", "start=ge"), [("invalid", "http.start")]),
        (("ge2026-11-23T09:00:00", "ge2026-13-23T09:00:00"), [("value", "http.start")]),
        (("ge2026-11-23T09:00:00", "gedemain"), [("value", "http.start")]),
        (("ge2026-11-23T09:00:00", "ge0001-01-01T00:00:00+14:00"), [("value", "http.start")]),
        (("le2026-11-25T20:00:00", "le9999-12-31T23:59:59-14:00"), [("value", "http.start")]),
        ((f"&{ACTORS}={PS}|819800000010", ""), [("required", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", "%20,"), [("required", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|1&{ACTORS}={PS}|2"), [("invalid", f"http.{ACTORS}")]),
        (("status=free", "status=free&_include=Slot:other"), [("not-supported", "http._include")]),
        (("status=free", "status=free&_include:iterate=Patient:link"), [("not-supported", "http._include:iterate")]),
        (("status=free", "status=free&_revinclude=Appointment:slot"), [("not-supported", "http._revinclude")]),
        ((f"{PS}|819800000010", f"{PS}|"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}%7C%20"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|819800000010,{PS}|"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"urn:oid:1.2.3|,{PS}|819800000010"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|8198%0000010"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|8198\x7f00010"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|8198%C2%8500010"), [("value", f"http.{ACTORS}")]),
        ((f"{PS}|819800000010", f"{PS}|8198%FF00010"), [("value", f"http.{ACTORS}")]),
        (("status=free", "status=free%0A"), [("value", "http.status")]),
        (("status=free", "status=free&_count=1%09"), [("value", "http._count")]),
        (("status=free", "status=free&%00_count=1"), [("value", "http.?_count")]),
        (("status=free", "status=free&_count=ten"), [("value", "http._count")]),
        (("status=free", "status=free&_count=-1"), [("value", "http._count")]),
        (("status=free", "status=free&_count=99999999999999999999"), [("value", "http._count")]),
    ],
)
def test_what_the_guide_calls_malformed_is_a_400_that_names_the_parameter(change, expected):
    assert change[0] in SLOT
    assert wrong(parse_slot_query, SLOT.replace(*change)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((f"{ST}|399900300000018", f"{ST}|"), [("value", f"http.{SIRETS}")]),
        ((f"{ST}|399900300000018", f"{ST}|3999003%00"), [("value", f"http.{SIRETS}")]),
        (("status=free", "status=free%0D"), [("value", "http._has:Slot:schedule:status")]),
    ],
)
def test_what_is_malformed_in_a_search_of_associations_is_a_400_too(change, expected):
    assert wrong(parse_schedule_query, SITES.replace(*change)) == expected


def test_lenient_caller_has_no_control_characters_ignored():
    assert wrong(partial(parse_slot_query, lenient=True), f"{SLOT}&unknown=%00") == [("value", "http.unknown")]


def test_more_than_25_practitioners_are_refused():
    ids = ",".join(f"{PS}|8198000{index:05d}" for index in range(26))
    assert wrong(parse_slot_query, slot_search(ids)) == [("too-costly", f"http.{ACTORS}")]


def test_everything_that_is_wrong_is_said_at_once():
    has = "http._has:Slot:schedule:"
    assert wrong(parse_slot_query, "") == [
        ("required", "http.start"), ("required", "http.status"), ("required", f"http.{ACTORS}"),
    ]  # fmt: skip
    missing = [("required", f"{has}start"), ("required", f"{has}status"), ("required", f"http.{SIRETS}")]
    assert wrong(parse_schedule_query, "_count=x") == [*missing, ("value", "http._count")]


@pytest.mark.parametrize(
    ("raw", "link"),
    [
        ("start=ge2026-11-23T09:00:00.000+01:00&x=1", "start=ge2026-11-23T09:00:00.000%2B01:00&x=1"),
        ("a=urn:oid:1|8,+urn:oid:1|9", "a=urn:oid:1|8,%20urn:oid:1|9"),
        ("a=1%2C+2", "a=1%2C%202"),
        ('a=%2B&b=é&c=<"\\>', "a=%2B&b=%C3%A9&c=%3C%22%5C%3E"),
    ],
)
def test_self_link_repeats_the_query_and_writes_a_plus_as_percent_2b(raw, link):
    assert self_text(raw) == link


@given(st.text())
def test_no_query_does_anything_but_parse_or_be_refused(text):
    for parse in (parse_slot_query, parse_schedule_query):
        with contextlib.suppress(RequestError):
            parse(text)


PARTS = st.sampled_from(
    [f"{PS}|", f"{ST}|", "|", ",", " ", "\t", "819800000010", "19800000028", "x", "%7C", "%2C", "%25"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_any_list_of_identifiers_is_read_as_token_by_token(text):
    decoded = unquote_plus(text)
    expected, at = {}, f"http.{ACTORS}"
    tokens = [token for token in map(str.strip, decoded.split(",")) if token]
    issues = [("value", at)] * ("\t" in decoded) + [("required", at)] * (not tokens)
    for token in tokens:
        before, pipe, value = token.rpartition("|")
        if not value.strip():
            issues.append(("value", at))
        elif not pipe or before == PS:
            expected[prefixed_person(value.strip())] = None
    query = SLOT.replace(f"{PS}|819800000010", text)
    if issues:
        assert wrong(parse_slot_query, query) == issues
    else:
        assert parse_slot_query(query).practitioners == tuple(expected)


def canonical(
    ids=("819800000010", "0339900015"), start="2026-11-23T10:00:00.123+01:00", end="2026-11-26T00:00:00.000+01:00"
):
    return slot_query(ids, datetime.fromisoformat(start), datetime.fromisoformat(end), cpts=False)


@given(
    st.lists(st.from_regex(r"8[0-9]{11}|0[0-9]{9}|[0-9]{11}|[0-9A-Z]{9}", fullmatch=True), min_size=1, max_size=25),
    st.datetimes(datetime(1971, 1, 1), datetime(2098, 1, 1), timezones=st.just(PARIS)),  # noqa: DTZ001
    st.booleans(),
    st.sampled_from(["", "&_count=7", "&_after=x.20260101T1000Z"]),
)
@settings(max_examples=80, deadline=None)
def test_a_query_read_again_by_its_parts_means_what_it_means_read_whole(ids, start, cpts, more):
    query = slot_query(ids, start, start + timedelta(hours=5), cpts=cpts) + more
    assert parse_slot_query(query) == parse_slot_query(query) == module._any_slot_query(query, cpts=True, lenient=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-11-23T", "2026-13-23T"),  # no such month
        ("2026-11-23T10:00:00.123", "2026-11-23T10:00:00"),
        ("2026-11-23T10:00:00.123%2B01:00", "2026-11-23T10:00:00.123Z"),
        ("2026-11-23T10:00:00.123", "1026-11-23T10:00:00.123"),
        ("819800000010", "819800000010%20"),
        ("819800000010", "819é00000010"),
        ("819800000010", "19800000010"),
        ("&start=le", "&start=ge"),
        ("&start=ge", "&start=GE"),
        ("status=free", "status=busy"),
        ("status=free", "status=free&start=ge2026-11-23T10:00:00.123%2B01:00"),
    ],
)
def test_a_query_that_differs_from_one_seen_before_is_read_whole(old, new):
    parse_slot_query(canonical())
    assert old in canonical()
    query = canonical().replace(old, new, 1)
    assert outcome_of(parse_slot_query, query) == outcome_of(
        partial(module._any_slot_query, cpts=True, lenient=False), query
    )


def outcome_of(parse, query):
    """What is read, or what is said to be wrong."""
    try:
        return parse(query)
    except RequestError as error:
        return error.issues


def test_the_rest_of_a_query_is_remembered_until_many_others_came():
    first = parse_slot_query(canonical()).includes
    assert parse_slot_query(canonical()).includes is first
    for number in range(QUERIES_KEPT):
        assert parse_slot_query(canonical() + f"&_after=x{number}.20260101T1000Z").count == 1000
    again = parse_slot_query(canonical()).includes
    assert again is not first
    assert again == first


def test_too_many_practitioners_are_refused_however_the_query_is_written():
    ids = [f"8198000{number:05d}" for number in range(26)]
    for _ in range(2):
        with pytest.raises(RequestError) as caught:
            parse_slot_query(canonical(ids))
        assert caught.value.issues[0].code == "too-costly"


def test_the_first_fifty_mistakes_of_a_query_are_told():
    query = "&".join(f"p{at}=%01" for at in range(60)) + "&schedule.actor:Practitioner.identifier=" + "x|," * 60
    with pytest.raises(RequestError) as caught:
        parse_slot_query(query)
    assert len(caught.value.issues) == 51
    assert caught.value.issues[-1].code == "too-costly"

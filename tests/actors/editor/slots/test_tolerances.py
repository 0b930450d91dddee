"""Each way to write a search that the guide, its examples or its FAQ know: the answer is the same as for the plain
form.

One line per form, encoding and tolerance; what is refused instead is in tests/unit/fhir/test_search.py.
"""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest

from sandbox.editor.fhir.slots import answer_schedules, answer_slots
from sandbox.kernel.errors import RequestError

PS, ST = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.71.4.2.2"
PEOPLE, SIRETS = "schedule.actor:Practitioner.identifier", "actor:Location.organization.identifier"
HAS = "_has:Slot:schedule:"
ONE, TWO = "819800000010", "819800000028"

PLAIN = [
    "_include=Slot:schedule", "_include:iterate=Schedule:actor", "status=free",
    "start=ge2026-11-24T09:00:00.000%2B01:00", "start=le2026-11-24T18:00:00.000%2B01:00",
    f"{PEOPLE}={PS}|{ONE},{PS}|{TWO}",
]  # fmt: skip
SITES = [
    "_revinclude=Slot:schedule", "_include=Schedule:actor:Location", "_include:iterate=Location:organization",
    f"{HAS}start=ge2026-11-24T09:00:00.000%2B01:00", f"{HAS}start=le2026-11-24T18:00:00.000%2B01:00",
    f"{HAS}status=free", f"{SIRETS}={ST}|399900300000018,{ST}|399900300000026",
]  # fmt: skip


def people(text: str) -> list[str]:
    return [*PLAIN[:5], f"{PEOPLE}={text}"]


def sirets(text: str) -> list[str]:
    return [*SITES[:6], f"{SIRETS}={text}"]


def bounds(first: str, last: str) -> list[str]:
    return [*PLAIN[:3], f"start={first}", f"start={last}", PLAIN[5]]


def encoded(parts: list[str], quoted) -> list[str]:
    """Names and values percent-encoded."""
    pairs = [part.replace("%2B", "+").partition("=") for part in parts]
    return [f"{quoted(name)}={quoted(value)}" for name, _, value in pairs]


R01 = {
    "identifiers without prefix": people(f"{PS}|{ONE[1:]},{PS}|{TWO[1:]}"),
    "identifiers with and without prefix": people(f"{PS}|{ONE},{PS}|{TWO[1:]}"),
    "an identifier asked twice, both ways": people(f"{PS}|{ONE},{PS}|{ONE[1:]},{PS}|{TWO}"),
    "identifiers without system": people(f"{ONE},{TWO}"),
    "pipes percent-encoded": people(f"{PS}%7C{ONE},{PS}%7c{TWO}"),
    "commas percent-encoded": people(f"{PS}|{ONE}%2C{PS}|{TWO}"),
    "a space after the comma": people(f"{PS}|{ONE}, {PS}|{TWO}"),
    "a space after the comma, percent-encoded": people(f"{PS}|{ONE},%20{PS}|{TWO}"),
    "a space after the comma, as a plus": people(f"{PS}|{ONE},+{PS}|{TWO}"),
    "a space after a percent-encoded comma, as a plus": people(f"{PS}%7C{ONE}%2C+{PS}%7C{TWO}"),
    "a comma at the end": people(f"{PS}|{ONE},{PS}|{TWO},"),
    "colons of the system percent-encoded": people(f"{PS}|{ONE},{PS}|{TWO}".replace(":", "%3A")),
    "everything percent-encoded": encoded(PLAIN, lambda text: quote(text, safe="")),
    "everything encoded as a form": encoded(PLAIN, quote_plus),
    "a raw plus in the offset": bounds("ge2026-11-24T09:00:00.000+01:00", "le2026-11-24T18:00:00.000+01:00"),
    "a plus that arrived as a space": bounds("ge2026-11-24T09:00:00.000%2001:00", "le2026-11-24T18:00:00.000 01:00"),
    "dates without offset": bounds("ge2026-11-24T09:00:00.000", "le2026-11-24T18:00:00.000"),
    "dates without milliseconds": bounds("ge2026-11-24T09:00:00%2B01:00", "le2026-11-24T18:00:00%2B01:00"),
    "dates without offset nor milliseconds": bounds("ge2026-11-24T09:00:00", "le2026-11-24T18:00:00"),
    "dates in UTC": bounds("ge2026-11-24T08:00:00Z", "le2026-11-24T17:00:00.000Z"),
    "dates of another offset": bounds("ge2026-11-24T04:00:00.000-04:00", "le2026-11-24T13:00:00-04:00"),
    "the colons of dates percent-encoded": bounds("ge2026-11-24T09%3A00%3A00", "le2026-11-24T18%3A00%3A00"),
    "the end of the window first": [*PLAIN[:3], PLAIN[4], PLAIN[3], PLAIN[5]],
    "parameters in reverse order": PLAIN[::-1],
    "includes repeated": [*PLAIN, *PLAIN[:2], PLAIN[0]],
    "the iterated include first": [PLAIN[1], PLAIN[0], *PLAIN[2:]],
    "includes with their colon percent-encoded":
        ["_include=Slot%3Aschedule", "_include%3Aiterate=Schedule%3Aactor", *PLAIN[2:]],
    "the old modifier of iterated includes": [PLAIN[0], "_include:recurse=Schedule:actor", *PLAIN[2:]],
    "includes in small letters": ["_include=slot:schedule", "_include:iterate=schedule:actor", *PLAIN[2:]],
    "a page size that everything fits in": [*PLAIN, "_count=1000"],
    "a page size over ours": [*PLAIN, "_count=999999999"],
    "a page size without value": [*PLAIN, "_count="],
    "the last of two page sizes": [*PLAIN, "_count=1", "_count=1000"],
    "the format of the guide": [*PLAIN, "_format=application/json%2Bfhir"],
    "empty parts": ["", *PLAIN, "", ""],
    "parameters without a value": [*PLAIN, "_include=", "foo="],
}  # fmt: skip
SOS = {
    "start and status plain, as the guide's table writes them": [part.replace(HAS, "") for part in SITES],
    "one bound plain, one not": [*SITES[:3], SITES[3].replace(HAS, ""), *SITES[4:]],
    "associations without prefix": sirets(f"{ST}|99900300000018,{ST}|99900300000026"),
    "associations without system": sirets("399900300000018,399900300000026"),
    "pipes and commas percent-encoded": sirets(f"{ST}%7C399900300000018%2C{ST}%7C399900300000026"),
    "a space after the comma": sirets(f"{ST}|399900300000018,%20{ST}|399900300000026"),
    "a raw plus in the offset": [part.replace("%2B", "+") for part in SITES],
    "dates without offset": [part.replace("%2B01:00", "") for part in SITES],
    "the other spelling of the organization": [*SITES[:2], "_include:iterate=Location:Organization", *SITES[3:]],
    "the actor without its type": [SITES[0], "_include=Schedule:actor", *SITES[2:]],
    "parameters in reverse order": SITES[::-1],
    "includes repeated": [*SITES, *SITES[:3]],
    "everything percent-encoded": encoded(SITES, lambda text: quote(text, safe="")),
    "a page size": [*SITES, "_count=1"],  # these answers have one page whatever is asked
}  # fmt: skip


def without_self(body: bytes) -> dict[str, object]:
    document = json.loads(body)
    assert [link["relation"] for link in document.pop("link")] == ["self"]
    return document


@pytest.mark.requirement("R01-4", "R01-26", "R01-27", "R01-28", "R01-29", "R01-30")
@pytest.mark.parametrize("form", R01)
def test_practitioners_are_searched_in_every_way_to_write_it(editors, form):
    server = editors.server("agenda-azur")
    plain = without_self(answer_slots(server, "&".join(PLAIN)))
    assert plain["total"] > 0
    assert without_self(answer_slots(server, "&".join(R01[form]))) == plain


@pytest.mark.requirement("SOS-1")
@pytest.mark.parametrize("form", SOS)
def test_associations_are_searched_in_every_way_to_write_it(editors, form):
    server = editors.server("garde-plus")
    plain = without_self(answer_schedules(server, "&".join(SITES)))
    assert plain["total"] > 0
    assert without_self(answer_schedules(server, "&".join(SOS[form]))) == plain


@pytest.mark.requirement("R01-L")
@pytest.mark.parametrize("form", R01)
def test_self_link_repeats_each_way_to_write_it(editors, form):
    """The link `self` has the same parameters and values: it repeats the same search, and values are unchanged."""
    server = editors.server("agenda-azur")
    bodies = [answer_slots(server, "&".join(R01[form]))]
    (link,) = json.loads(bodies[0])["link"]
    base, _, query = link["url"].partition("?")
    assert base == f"{server.fhir_base}/Slot"
    assert "+" not in query
    assert " " not in query
    assert answer_slots(server, query) == bodies[0]


@pytest.mark.parametrize("number", [0, 1, 24, 25])
def test_associations_from_none_to_25_are_accepted_and_26_are_not(editors, number):
    more = [f"{ST}|3999{index:011d}" for index in range(number)]
    query = "&".join(sirets(",".join([f"{ST}|399900300000018", *more])))
    if number < 25:
        assert json.loads(answer_schedules(editors.server("garde-plus"), query))["total"] > 0
    else:
        with pytest.raises(RequestError) as caught:
            answer_schedules(editors.server("garde-plus"), query)
        assert [(issue.code, issue.expression) for issue in caught.value.issues] == [("too-costly", f"http.{SIRETS}")]

"""What an editor's CapabilityStatement states works, and what it does not state is refused (CAP-1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from sandbox.config import load_settings
from sandbox.editor.fhir.identify import identify_fhir
from sandbox.editor.fhir.reads import READABLE
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_STRUCTURE, Identifier
from sandbox.net.context import Context
from sandbox.net.http.edge import Edge
from sandbox.population.load import load_population
from tests.actors.editor.conftest import opened
from tests.support.editors.running_editor import LocalEditor

NATIONAL = load_population(load_settings({"preset": "national"}, {}))
FORM = {"content-type": "application/x-www-form-urlencoded"}
PRACTITIONERS, SIRETS = "schedule.actor:Practitioner.identifier", "actor:Location.organization.identifier"
HAS = "_has:Slot:schedule:"
ACCOUNT = RegulatorAccount((Identifier(SYSTEM_PERSON, "819800000903", "IDNPS"),), True, "B", ("K",), "k@samu33.example")

# every parameter and include that some editor states, and others that FHIR knows: value that is fine where it is stated
VALUES = {
    "start": "ge2026-11-23T00:00:00+01:00", "status": "free", PRACTITIONERS: f"{SYSTEM_PERSON}|819800000010",
    "_count": "10", "_after": "nowhere.20261123T1000Z", f"{HAS}start": "ge2026-11-23T00:00:00+01:00",
    f"{HAS}status": "free", SIRETS: f"{SYSTEM_STRUCTURE}|399900300000018", "_sort": "start", "_summary": "count",
    "_elements": "start", "_lastUpdated": "ge2026-01-01", "_id": "x", "_total": "accurate",
    "_has:Slot:schedule:end": "x", "_pretty": "true", "specialty": "x", "service-type": "x", "schedule": "Schedule/x",
    "identifier": "x", "foo": "bar",
    "end": "ge2026-11-23", "actor": "Practitioner/x", "date": "2026", "schedule.actor.identifier": "1",
}  # fmt: skip
INCLUDES = (
    "Slot:schedule", "Schedule:actor", "Slot:service-type-reference", "HealthcareService:organization",
    "Schedule:actor:Location", "Location:organization", "Practitioner:x", "*",
)  # fmt: skip


@pytest.fixture(params=sorted(NATIONAL.editors))
async def any_editor(request: pytest.FixtureRequest, context: Context) -> AsyncIterator[LocalEditor]:
    """Every editor of the sandbox; it includes those of the smaller presets."""
    async with opened(replace(context, population=NATIONAL), request.param) as made:
        yield made


async def stated(editor: LocalEditor) -> dict[str, dict[str, Any]]:
    document = (await editor.call("GET", "/metadata")).json()
    return {each["type"]: each for each in document["rest"][0]["resource"]}


def codes(resource: dict[str, Any]) -> set[str]:
    return {each["code"] for each in resource["interaction"]}


def mandatory(kind: str) -> list[tuple[str, str]]:
    """The mandatory parameters of a search of this type."""
    window = [("start", "ge2026-11-23T00:00:00+01:00"), ("start", "le2026-11-24T00:00:00+01:00")]
    if kind == "Slot":
        return [*window, ("status", "free"), (PRACTITIONERS, "819800000010")]
    return [*((HAS + name, value) for name, value in window), (HAS + "status", "free"), (SIRETS, "399900300000018")]


async def refused(editor: LocalEditor, kind: str, *more: tuple[str, str], prefer: str = "") -> set[str]:
    """Expressions for which a search with `more` is refused as not supported; none when it is supported."""
    query = urlencode([*mandatory(kind), *more])
    answer = await editor.call("GET", f"/{kind}?{query}", headers={"prefer": prefer})
    assert answer.status_code in (200, 400)
    issues = answer.json().get("issue", [])
    assert bool(issues) == (answer.status_code == 400)
    return {each["expression"][0] for each in issues if each["code"] == "not-supported"}


@pytest.mark.requirement("CAP-1")
async def test_searches_work_where_they_are_stated_by_get_and_post_and_nowhere_else(
    any_editor: LocalEditor,
) -> None:
    held = await stated(any_editor)
    for kind in ("Slot", "Schedule"):
        offered = "search-type" in codes(held[kind]) if kind in held else False
        query = urlencode(mandatory(kind))
        for answer in (
            await any_editor.call("GET", f"/{kind}?{query}"),
            await any_editor.call("POST", f"/{kind}/_search", content=query, headers=FORM),
        ):
            assert answer.status_code == (200 if offered else 404)
            assert answer.json()["resourceType"] == ("Bundle" if offered else "OperationOutcome")


@pytest.mark.requirement("CAP-1")
async def test_parameters_and_includes_are_taken_when_stated_and_refused_by_name_when_not(
    any_editor: LocalEditor,
) -> None:
    for kind, resource in (await stated(any_editor)).items():
        if "search-type" not in codes(resource):
            continue
        parameters = {each["name"] for each in resource["searchParam"]}
        assert parameters <= VALUES.keys()
        for name, value in VALUES.items():
            expected = set() if name in parameters else {f"http.{name}"}
            assert await refused(any_editor, kind, (name, value)) == expected, name
            assert await refused(any_editor, kind, (name, value), prefer="handling=strict") == expected, name
            assert await refused(any_editor, kind, (name, value), prefer="handling=lenient") == set(), name
        for modifier in ("_include", "_include:iterate"):
            for value in INCLUDES:
                found = await refused(any_editor, kind, (modifier, value))
                known = value in resource["searchInclude"] or (kind, value) == ("Schedule", "Schedule:actor")
                assert found == (set() if known else {f"http.{modifier}"}), value
        for value in ("Slot:schedule", "Appointment:slot"):
            known = value in resource.get("searchRevInclude", ())
            assert await refused(any_editor, kind, ("_revinclude", value)) == (set() if known else {"http._revinclude"})


@pytest.mark.requirement("CAP-1")
async def test_stated_formats_are_answered_and_no_other(any_editor: LocalEditor) -> None:
    formats = (await any_editor.call("GET", "/metadata")).json()["format"]
    for asked in (*formats, "xml", "application/fhir+xml", "ttl", "text/html"):
        status = 200 if asked in formats else 406
        path = f"/metadata?{urlencode({'_format': asked})}"
        assert (await any_editor.call("GET", path)).status_code == status, asked
        if "/" in asked:
            answer = await any_editor.call("GET", "/metadata", headers={"accept": asked})
            assert answer.status_code == status, asked


@pytest.mark.requirement("CAP-1")
async def test_interactions_are_served_when_stated_and_refused_when_not(any_editor: LocalEditor) -> None:
    held = await stated(any_editor)
    for kind in READABLE | {"Patient", "Appointment"}:
        has = codes(held[kind]) if kind in held else set()
        for method, path, interaction in (
            ("POST", f"/{kind}", "create"), ("DELETE", f"/{kind}/x", "delete"), ("PATCH", f"/{kind}/x", "patch"),
            ("GET", f"/{kind}/x/_history", "history-instance"), ("GET", f"/{kind}/x/_history/1", "vread"),
        ):  # fmt: skip
            answer = await any_editor.call(method, path, content=b"{}" if method in ("POST", "PATCH") else b"")
            served = answer.status_code not in (404, 405)
            assert served == (interaction in has), (method, path, answer.status_code)
    by_id = await any_editor.call("PUT", "/Practitioner/x", content=render_regulator(ACCOUNT))
    by_identifier = await any_editor.call(
        "PUT", f"/Practitioner?identifier={SYSTEM_PERSON}%7C819800000903", content=render_regulator(ACCOUNT)
    )
    assert (by_id.status_code, by_identifier.status_code) == (405, 201)  # as the statement's `update` says


# --- Prefer: handling


STRANGE = urlencode([*mandatory("Slot"), ("foo", "bar"), ("_include", "Slot:service-type-reference")])


@pytest.mark.parametrize(
    ("prefer", "status", "applied"),
    [
        (None, 400, None),
        ("handling=strict", 400, None),
        ("handling=lenient", 200, "handling=lenient"),
        ('return=minimal, Handling="lenient"; x=1', 200, "handling=lenient"),
        ("handling=strict, handling=lenient", 400, None),
        ("handling=whatever", 400, None),
        ("respond-async", 400, None),
    ],
)
async def test_caller_says_how_what_is_not_supported_is_handled(
    editor: LocalEditor, prefer: str | None, status: int, applied: str | None
) -> None:
    headers = {"prefer": prefer} if prefer else {}
    got = await editor.call("GET", f"/Slot?{STRANGE}", headers=headers)
    posted = await editor.call("POST", "/Slot/_search", content=STRANGE, headers={**headers, **FORM})
    for answer in (got, posted):
        assert answer.status_code == status
        assert answer.headers.get("preference-applied") == applied
        if status == 400:
            expressions = {each["expression"][0] for each in answer.json()["issue"]}
            assert expressions == {"http.foo", "http._include"}
        else:
            (link,) = answer.json()["link"]
            assert link["url"].partition("?")[2] == urlencode(mandatory("Slot"))
            assert {each["search"]["mode"] for each in answer.json()["entry"]} == {"match"}


async def test_strict_caller_who_asks_for_nothing_strange_is_told_that_it_was_heard(editor: LocalEditor) -> None:
    headers = {"prefer": "handling=strict"}
    answer = await editor.call("GET", f"/Slot?{urlencode(mandatory('Slot'))}", headers=headers)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "handling=strict")


@pytest.mark.parametrize(
    ("accept", "form", "status"),
    [
        ("application/json+fhir", "", 200),
        ("text/html", "&_format=json", 200),
        ("text/html", "", 406),
        ("application/json+fhir", "&_format=xml", 406),
        ("*/*", "&_format=application/fhir%2Bjson", 200),
    ],
)
async def test_format_of_a_posted_search_may_be_in_its_form(
    editor: LocalEditor, accept: str, form: str, status: int
) -> None:
    body = urlencode(mandatory("Slot")) + form
    answer = await editor.call("POST", "/Slot/_search", content=body, headers={**FORM, "accept": accept})
    assert answer.status_code == status


# --- the journal's flow


@pytest.mark.parametrize(
    ("slug", "kind", "more", "flow"),
    [
        ("agenda-azur", "Slot", "", "INT_R01"),
        ("rdv-commune", "Slot", "", "INT_R01"),
        ("rdv-commune", "Slot", "&_include=Slot:service-type-reference", "INT_R04"),
        ("rdv-commune", "Slot", "&_include=slot%3Aservice%2Dtype%2Dreference", "INT_R04"),
        ("agenda-azur", "Slot", "&_include=Slot:service-type-reference", "INT_R04"),  # refused, but asked
        ("garde-plus", "Schedule", "", "SOS"),
    ],
)
async def test_journal_tells_the_flow_of_a_search_by_get_and_by_post(
    context: Context, slug: str, kind: str, more: str, flow: str
) -> None:
    query = urlencode(mandatory(kind)) + more
    async with opened(context, slug) as editor:
        edge = Edge(editor.fhir, editor.context, identify_fhir(context.population.editors))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://fhir.test") as client:
            await client.get(f"/{slug}/fhir/{kind}?{query}")
            await client.post(f"/{slug}/fhir/{kind}/_search", content=query, headers=FORM)
    assert [exchange.flow for exchange in context.journal.take()] == [flow, flow]


async def test_statement_tells_how_what_it_does_not_name_is_handled(editor: LocalEditor) -> None:
    rest = orjson.loads((await editor.call("GET", "/metadata")).content)["rest"][0]
    assert "Prefer: handling=lenient" in rest["documentation"]

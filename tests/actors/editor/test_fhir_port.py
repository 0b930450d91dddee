"""The FHIR interface of an editor: routes, media types, INT_R02 on the wire, who may come in (R02-*, CAP-1, TLS-*)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from sandbox.editor.app import is_sas
from sandbox.editor.appointments.venues import find_venue
from sandbox.editor.fhir.identify import identify_fhir, identify_page
from sandbox.editor.fhir.port import FhirEndpoint, FhirPort
from sandbox.fhir.practitioner import RegulatorAccount, parse_regulator, render_regulator
from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier
from sandbox.net.context import Context
from sandbox.net.http.edge import RequirePeer
from sandbox.net.tls import Peer
from sandbox.pki.subjects import sas_subject
from tests.actors.editor.conftest import opened
from tests.support.editors.running_editor import NATIONAL, REGULATOR, LocalEditor

NEW = RegulatorAccount((Identifier(SYSTEM_PERSON, "819800000903", "IDNPS"),), True, "B", ("K",), "karim@samu33.example")


def query(national_id: str = "819800000010") -> str:
    pairs = [
        ("start", "ge2026-11-23T00:00:00+01:00"),
        ("start", "le2026-11-26T00:00:00+01:00"),
        ("schedule.actor:Practitioner.identifier", f"{SYSTEM_PERSON}|{national_id}"),
        ("status", "free"),
        ("_include", "Slot:schedule"),
        ("_include:iterate", "Schedule:actor"),
    ]
    return urlencode(pairs)


def outcome(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("application/fhir+json")
    document = answer.json()
    assert document["resourceType"] == "OperationOutcome"
    return list(document["issue"])


@pytest.mark.requirement("R01-4")
async def test_slots_are_found_by_get_and_by_posted_form(editor: LocalEditor):
    got = await editor.call("GET", f"/Slot?{query()}")
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = await editor.call("POST", "/Slot/_search", content=query(), headers=form)
    split = query().split("&", 1)
    both = await editor.call("POST", f"/Slot/_search?{split[0]}", content=split[1], headers=form)
    assert got.status_code == posted.status_code == both.status_code == 200
    assert got.json()["total"] == posted.json()["total"] == both.json()["total"] > 0


async def test_a_booked_slot_is_offered_no_more(editor: LocalEditor):
    before = (await editor.call("GET", f"/Slot?{query()}")).json()
    id = next(entry["resource"]["id"] for entry in before["entry"] if entry["search"]["mode"] == "match")
    editor.running.fhir.agenda.take(id)
    after = (await editor.call("GET", f"/Slot?{query()}")).json()
    assert after["total"] == before["total"] - 1
    assert (await editor.call("GET", f"/Slot/{id}")).status_code == 404


@pytest.mark.parametrize(
    "accept", ["application/json+fhir", "application/fhir+json", "application/json", "*/*", "text/html, */*;q=0.1"]
)
async def test_each_way_to_ask_for_json_is_answered_in_fhir(editor: LocalEditor, accept: str):
    answer = await editor.call("GET", "/metadata", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/metadata", "application/fhir+xml"), ("/metadata", "application/json;q=0"), ("/metadata?_format=xml", "*/*")],
)
async def test_other_formats_are_not_acceptable(editor: LocalEditor, path: str, accept: str):
    answer = await editor.call("GET", path, headers={"accept": accept})
    assert answer.status_code == 406
    assert outcome(answer)


@pytest.mark.parametrize("format", ["json", "application/fhir+json", "application/fhir%2Bjson", "application/json"])
async def test_the_format_parameter_overrules_the_header(editor: LocalEditor, format: str):
    answer = await editor.call("GET", f"/metadata?_format={format}", headers={"accept": "text/html"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_base_leads_to_what_says_what_is_offered(editor: LocalEditor, path: str):
    answer = await editor.call("GET", path)
    assert answer.status_code == 307
    assert answer.headers["location"].endswith("/fhir/metadata")
    assert "//" not in answer.headers["location"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "", 404),
        ("GET", "/Patient", 404),
        ("GET", "/Patient/1", 404),
        ("GET", "/Slot/unknown", 404),
        ("GET", "/Slot/a/b/c", 404),
        ("GET", "/Practitioner/unknown", 404),
        ("GET", "/Practitioner", 405),
        ("DELETE", "/Practitioner/1", 405),
        ("PUT", "/Practitioner/1", 405),
        ("POST", "/Slot", 405),
        ("GET", "/Slot/_search", 405),
        ("GET", "/Location", 405),
        ("POST", "/metadata", 405),
        ("GET", "/Slot", 400),
        ("GET", "/Schedule", 404),
    ],
)
async def test_what_is_not_offered_is_told_in_fhir(editor: LocalEditor, method: str, path: str, status: int):
    answer = await editor.call(method, path)
    assert answer.status_code == status
    assert outcome(answer)[0]["details"]["text"]
    assert ("allow" in answer.headers) == (status == 405)


async def test_an_unknown_editor_is_not_found(editor: LocalEditor):
    transport = httpx.ASGITransport(editor.fhir)
    async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
        for path in ("/", "/nobody/fhir/metadata", "/agenda-azur", "/agenda-azur/other/Slot"):
            assert outcome(await client.get(path))


@pytest.mark.requirement("R02-1", "R02-2")
async def test_a_posted_account_is_created_and_can_be_read_at_its_location(editor: LocalEditor):
    answer = await editor.call("POST", "/Practitioner", content=render_regulator(NEW))
    assert answer.status_code == 201
    assert answer.content == b""
    location = answer.headers["location"]
    assert location.startswith("http://127.0.0.1:8043/agenda-azur/fhir/Practitioner/")
    read = await editor.call("GET", location.partition("/fhir")[2])
    assert parse_regulator(read.content) == NEW
    again = await editor.call("POST", "/Practitioner", content=render_regulator(NEW))
    assert again.status_code == 409
    assert outcome(again)[0]["expression"] == ["Practitioner.identifier[0]"]


@pytest.mark.requirement("R02-4", "R02-7", "R02-11")
async def test_a_put_updates_or_creates_and_echoes_when_asked(editor: LocalEditor):
    path = f"/Practitioner?identifier={SYSTEM_PERSON}%7C819800000903"
    headers = {"prefer": "return=representation", "content-type": "application/json"}
    created = await editor.call("PUT", path, content=render_regulator(NEW), headers=headers)
    updated = await editor.call("PUT", path, content=render_regulator(NEW), headers=headers)
    assert (created.status_code, updated.status_code) == (201, 200)
    assert created.headers["location"] == updated.headers["location"]
    assert parse_regulator(updated.content) == NEW


async def test_account_is_changed_from_the_state_that_the_caller_knows_only(editor: LocalEditor):
    path = f"/Practitioner?identifier={SYSTEM_PERSON}%7C819800000903"
    nobody = await editor.call("PUT", path, content=render_regulator(NEW), headers={"if-match": "*"})
    assert (nobody.status_code, len(editor.running.accounts)) == (412, 1)
    created = await editor.call("PUT", path, content=render_regulator(NEW), headers={"if-none-match": "*"})
    location = created.headers["location"].partition("/fhir")[2]
    etag = (await editor.call("GET", location)).headers["etag"]
    assert (created.status_code, created.headers["etag"]) == (201, etag)
    gone = replace(NEW, active=False)
    changed = await editor.call("PUT", path, content=render_regulator(gone), headers={"if-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    stale = await editor.call("PUT", path, content=render_regulator(NEW), headers={"if-match": etag})
    assert stale.status_code == 412
    assert outcome(stale)[0]["expression"] == ["http.If-Match"]


async def test_resource_that_has_not_changed_need_not_be_read_again(editor: LocalEditor):
    entries = (await editor.call("GET", f"/Slot?{query()}")).json()["entry"]
    for kind in ("Slot", "Schedule", "Practitioner", "PractitionerRole"):
        id = next(entry["resource"]["id"] for entry in entries if entry["resource"]["resourceType"] == kind)
        whole = await editor.call("GET", f"/{kind}/{id}")
        etag = whole.headers["etag"]
        fresh = await editor.call("GET", f"/{kind}/{id}", headers={"if-none-match": f'"other", {etag}'})
        assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", etag)
        assert (await editor.call("GET", f"/{kind}/{id}", headers={"if-none-match": '"other"'})).status_code == 200
        assert (await editor.call("GET", f"/{kind}/{id}", headers={"if-match": '"other"'})).status_code == 412


@pytest.mark.requirement("R02-3")
@pytest.mark.parametrize(("method", "path"), [("POST", "/Practitioner"), ("PUT", "/Practitioner?identifier=x|1")])
async def test_a_body_that_breaks_the_rules_changes_nothing(editor: LocalEditor, method: str, path: str):
    document = orjson.loads(render_regulator(NEW))
    document["telecom"][0]["value"] = "nobody"
    document["name"][0]["family"] = ""
    answer = await editor.call(method, path, content=orjson.dumps(document))
    assert answer.status_code == 400
    assert {issue["expression"][0] for issue in outcome(answer)} == {
        "Practitioner.telecom[0].value",
        "Practitioner.name[0].family",
    }
    assert len(editor.running.accounts) == 1


async def test_elements_beyond_the_profile_are_judged_off_the_loop(editor: LocalEditor):
    document = {**orjson.loads(render_regulator(NEW)), "gender": "male"}
    assert (await editor.call("POST", "/Practitioner", content=orjson.dumps(document))).status_code == 201
    document["gender"] = 3
    answer = await editor.call("POST", "/Practitioner", content=orjson.dumps(document))
    assert answer.status_code == 400
    assert outcome(answer)[0]["expression"] == ["Practitioner.gender"]


@pytest.mark.parametrize("path", ["/Practitioner", "/Practitioner?identifier=", "/Practitioner?name=x"])
async def test_a_put_without_an_identifier_is_malformed(editor: LocalEditor, path: str):
    answer = await editor.call("PUT", path, content=render_regulator(REGULATOR))
    assert answer.status_code == 400


async def test_too_large_a_body_is_refused_before_it_is_read(editor: LocalEditor):
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 65_536

    for content in (b" " * (1 << 20) + b"x", chunks()):
        answer = await editor.call("POST", "/Practitioner", content=content)
        assert answer.status_code == 413
        assert outcome(answer)


async def test_a_body_of_another_type_is_refused(editor: LocalEditor):
    answer = await editor.call("POST", "/Practitioner", content=b"<x/>", headers={"content-type": "application/xml"})
    assert answer.status_code == 415
    form = await editor.call("POST", "/Slot/_search", content=b"{}", headers={"content-type": "application/json"})
    assert form.status_code == 415


async def test_an_editor_answers_only_for_its_flows(context: Context):
    async with opened(context, "garde-plus") as sos:
        assert (await sos.call("GET", f"/Slot?{query()}")).status_code == 404
        schedules = [
            ("_has:Slot:schedule:start", "ge2026-11-23T00:00:00+01:00"),
            ("_has:Slot:schedule:start", "le2026-11-24T00:00:00+01:00"),
            ("_has:Slot:schedule:status", "free"),
            ("actor:Location.organization.identifier", "urn:oid:1.2.250.1.71.4.2.2|399900300000018"),
            ("_revinclude", "Slot:schedule"),
        ]
        assert (await sos.call("GET", f"/Schedule?{urlencode(schedules)}")).json()["total"] > 0


async def test_what_cannot_be_stored_is_not_accepted(editor: LocalEditor, monkeypatch: pytest.MonkeyPatch):
    def full(*writes: object) -> Any:
        raise StoreError("cannot write '/secret/log': No space left on device")

    monkeypatch.setattr(editor.running.store, "commit", full)
    answer = await editor.call("POST", "/Practitioner", content=render_regulator(NEW))
    assert answer.status_code == 503
    assert "No space left on device" in outcome(answer)[0]["details"]["text"]
    assert "secret" not in answer.text
    assert editor.running.accounts.match("819800000903", "") is None


async def test_a_bug_is_answered_in_fhir_without_detail(editor: LocalEditor, monkeypatch: pytest.MonkeyPatch):
    def broken(id: str) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(editor.running.accounts, "get", broken)
    answer = await editor.call("GET", "/Practitioner/x")
    assert answer.status_code == 500
    assert outcome(answer)[0]["code"] == "exception"
    assert "secret" not in answer.text


# -- the edge ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/agenda-azur/fhir/Slot", b"", ("editor:agenda-azur", "INT_R01")),
        ("GET", "/rdv-commune/fhir/Slot", b"_include=Slot:service-type-reference", ("editor:rdv-commune", "INT_R04")),
        ("GET", "/rdv-commune/fhir/HealthcareService/1", b"", ("editor:rdv-commune", "INT_R04")),
        ("GET", "/garde-plus/fhir/Schedule", b"", ("editor:garde-plus", "SOS")),
        ("GET", "/garde-plus/fhir/metadata", b"", ("editor:garde-plus", "SOS")),
        ("POST", "/agenda-azur/fhir/Practitioner", b"", ("editor:agenda-azur", "INT_R02")),
        ("PUT", "/agenda-azur/fhir/Practitioner", b"identifier=x", ("editor:agenda-azur", "INT_R02")),
        ("GET", "/agenda-azur/fhir/Practitioner/1", b"", ("editor:agenda-azur", "INT_R01")),
        ("GET", "/agenda-azur/fhir/Schedule/x", b"", ("editor:agenda-azur", "INT_R01")),
        ("GET", "/rdv-commune/fhir/Organization/1", b"", ("editor:rdv-commune", "INT_R04")),
        ("GET", "/garde-plus/fhir/Organization/1", b"", ("editor:garde-plus", "SOS")),
        ("GET", "/garde-plus/fhir/Slot/1", b"", ("editor:garde-plus", "SOS")),
        ("GET", "/agenda-azur/fhir/Slot", b"_include=slot:Service-Type-Reference", ("editor:agenda-azur", "INT_R04")),
        ("GET", "/", b"", ("editor:", "INT_R01")),
    ],
)
def test_a_request_names_its_actor_and_flow(
    context: Context, method: str, path: str, query: bytes, expected: tuple[str, str]
):
    scope = {"type": "http", "method": method, "path": path, "query_string": query}
    assert identify_fhir(context.population.editors)(scope) == expected


def test_pages_name_their_editor():
    assert identify_page({"method": "GET", "path": "/agenda-azur/rdv", "query_string": b""}) == (
        "editor:agenda-azur",
        "UI",
    )


@pytest.mark.requirement("R01-1", "R01-2", "R01-3")
@pytest.mark.parametrize(
    ("peer", "status"),
    [
        (Peer(sas_subject().cn, sas_subject().ou, "any"), 200),
        (Peer("other.invalid", sas_subject().ou, "any"), 403),
        (Peer(sas_subject().cn, "300000000000000", "any"), 403),
        (None, 403),
    ],
)
async def test_only_the_sas_core_comes_in_over_tls(editor: LocalEditor, peer: Peer | None, status: int):
    guarded = RequirePeer(FhirPort({editor.slug: editor.running.endpoint}), is_sas)

    async def with_peer(scope: Any, receive: Any, send: Any) -> None:
        await guarded({**scope, "scheme": "https", "peer": peer}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_peer), base_url="https://fhir.test") as client:
        answer = await client.get("/agenda-azur/fhir/metadata")
    assert answer.status_code == status
    assert answer.json()["resourceType"] == ("CapabilityStatement" if status == 200 else "OperationOutcome")


async def test_the_list_of_editors_leads_to_each(editor: LocalEditor):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(editor.pages), base_url="http://127.0.0.1") as client:
        page = await client.get("/")
        assert 'href="/agenda-azur/"' in page.text
        style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        assert (await client.get(style)).status_code == 200
        own = await client.get("/agenda-azur/connexion")
        style = own.text.split('rel="stylesheet" href="')[1].split('"')[0]
        assert "#1f5fa8" in (await client.get(style)).text
        assert (await client.get("/agenda-azur/nowhere")).status_code == 404
        assert (await client.get("/nobody/rdv")).status_code == 404


async def test_a_national_id_is_matched_whatever_the_case_of_the_email(editor: LocalEditor):
    assert editor.running.accounts.match(NATIONAL.value, "CLAIRE@elsewhere.example") is not None


async def test_a_form_that_is_not_utf8_is_malformed(editor: LocalEditor):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await editor.call("POST", "/Slot/_search", content=b"status=\xff", headers=headers)
    assert answer.status_code == 400
    assert outcome(answer)


async def test_an_editor_without_int_r02_has_no_accounts(editor: LocalEditor):
    running = editor.running
    server = replace(running.fhir, editor=replace(running.editor, flows=(Flow.INT_R01,)))
    editor.fhir = FhirPort({editor.slug: FhirEndpoint(server, running.accounts, running.requests)})
    answer = await editor.call("POST", "/Practitioner", content=render_regulator(NEW))
    assert answer.status_code == 404
    assert outcome(answer)[0]["code"] == "not-supported"


def test_a_schedule_of_another_editor_has_no_venue_here(context: Context):
    editors, people = context.population.editors, context.population
    assert find_venue(people, editors["garde-plus"], "duvallon-bordeaux") is None
    assert find_venue(people, editors["agenda-azur"], "sos-bordeaux-bastide") is None
    assert find_venue(people, editors["agenda-azur"], "unknown") is None

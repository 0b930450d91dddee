from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from sandbox.kernel.errors import StoreError
from sandbox.kernel.flows import AppointmentStatus, Flow, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.net.context import Context
from sandbox.net.tls import Peer
from sandbox.store.embedded.tables import open_store
from tests.actors.sas.sas_core import NOW, Core, core_on

JSON = {"Content-Type": "application/fhir+json"}


def conditional(appointment: Appointment) -> str:
    return "Appointment?identifier=" + quote(appointment.identifier.key, safe="")


async def test_creation_is_answered_201_with_the_cores_own_location(core: Core) -> None:
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(), headers=JSON)
        assert answer.status_code == 201
        assert answer.content == b""
        location = answer.headers["location"]
        assert location.startswith(f"{core.fhir_url}/Appointment/")
        assert not location.endswith(core.appointment().identifier.value)
        read = (await editor.get(location)).json()
    assert read["identifier"][0]["value"] == core.appointment().identifier.value
    assert (read["id"], read["status"]) == (location.rpartition("/")[2], "booked")


async def test_the_body_is_echoed_when_preferred(core: Core) -> None:
    async with core.fhir() as editor:
        headers = {**JSON, "Prefer": "return=representation"}
        answer = await editor.post("/Appointment", content=core.body(), headers=headers)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/fhir+json")
    sent = orjson.loads(core.body())
    assert answer.json() == {**sent, "id": answer.headers["location"].rpartition("/")[2]}


async def test_a_repeated_post_has_the_same_location_and_one_message(core: Core) -> None:
    async with core.fhir() as editor:
        first = await editor.post("/Appointment", content=core.body(), headers=JSON)
        again = await editor.post("/Appointment", content=core.body(), headers=JSON)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["location"] == again.headers["location"]
    assert await core.l02_methods() == ["CreateAppointment"]


async def test_change_is_made_to_the_version_that_it_names_only(core: Core) -> None:
    async with core.fhir() as editor:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
        path, changed = conditional(core.appointment()), core.body(status=AppointmentStatus.CANCELLED)
        assert created.headers["etag"] == 'W/"1"'
        stale = await editor.put("/" + path, content=changed, headers={**JSON, "If-Match": 'W/"2"'})
        assert stale.status_code == 412
        assert stale.json()["issue"][0]["expression"] == ["http.If-Match"]
        assert await core.l02_methods() == ["CreateAppointment"]
        answer = await editor.put("/" + path, content=changed, headers={**JSON, "If-Match": 'W/"9", W/"1"'})
        assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')


async def test_change_of_nothing_or_creation_of_something_that_exists_may_be_refused(core: Core) -> None:
    async with core.fhir() as editor:
        path = "/" + conditional(core.appointment())
        nothing = await editor.put(path, content=core.body(), headers={**JSON, "If-Match": "*"})
        assert (nothing.status_code, await core.l02_messages()) == (412, [])
        fresh = await editor.put(path, content=core.body(), headers={**JSON, "If-None-Match": "*"})
        assert fresh.status_code == 201
        again = await editor.put(path, content=core.body(), headers={**JSON, "If-None-Match": "*"})
        assert again.status_code == 412
        malformed = await editor.put(path, content=core.body(), headers={**JSON, "If-Match": "1"})
        assert malformed.status_code == 400


async def test_appointment_that_has_not_changed_need_not_be_read_again(core: Core) -> None:
    async with core.fhir() as editor:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
        location = created.headers["location"]
        fresh = await editor.get(location, headers={"If-None-Match": 'W/"1"'})
        assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", 'W/"1"')
        assert "content-length" not in fresh.headers
        assert (await editor.get(location, headers={"If-None-Match": 'W/"2"'})).status_code == 200
        assert (await editor.get(location, headers={"If-Match": 'W/"2"'})).status_code == 412
        missing = await editor.get(f"{location}x", headers={"If-None-Match": "*", "If-Match": "*"})
        assert missing.status_code == 404


async def test_journal_names_the_editor_by_its_certificate(core: Core) -> None:
    async with core.fhir(core.editor()) as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
        await editor.get("/Appointment/none")
    assert [line.peer for line in core.journalled(Flow.INT_R03)] == [core.editor().slug] * 2


async def test_journal_names_who_sends_without_a_certificate_as_well_as_can_be(core: Core) -> None:
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)  # by the system of its identifiers
        refused = core.body(operator=Identifier(core.regulator.identifier.system, "3456780581/99999999", "IDNPS"))
        assert (await editor.post("/Appointment", content=refused, headers=JSON)).status_code == 422
        await editor.get("/metadata")  # by its address
    assert [line.peer for line in core.journalled(Flow.INT_R03)] == [
        core.editor().slug,
        core.editor().slug,
        "127.0.0.1",
    ]


async def test_a_post_with_other_content_is_a_conflict(core: Core) -> None:
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
        changed = core.body(status=AppointmentStatus.CANCELLED)
        answer = await editor.post("/Appointment", content=changed, headers=JSON)
    assert answer.status_code == 409
    issue = answer.json()["issue"][0]
    assert (issue["code"], issue["expression"]) == ("conflict", ["Appointment.identifier"])
    assert await core.l02_methods() == ["CreateAppointment"]


SPELLINGS = [
    "Appointment?identifier={system}|{value}",
    "Appointment?identifier={system}%7C{value}",
    "Appointment?Identifier={system}|{value}",
    "Appointment?identifier={value}",
    "Appointment?Identifier={value}",
    "Appointment?identifier={encoded}",
    "Appointment/?identifier={encoded}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_conditional_update_in_every_spelling(core: Core, spelling: str) -> None:
    identifier = core.appointment().identifier
    url = "/" + spelling.format(
        system=identifier.system, value=identifier.value, encoded=quote(identifier.key, safe="")
    )
    async with core.fhir() as editor:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
        answer = await editor.put(url, content=core.body(status=AppointmentStatus.FULFILLED), headers=JSON)
        read = (await editor.get(answer.headers["location"])).json()
    assert answer.status_code == 200
    assert answer.headers["location"] == created.headers["location"]
    assert read["status"] == "fulfilled"
    assert await core.l02_methods() == ["CreateAppointment", "UpdateAppointment"]


async def test_update_of_an_unknown_appointment_creates_it(core: Core) -> None:
    async with core.fhir() as editor:
        url = "/" + conditional(core.appointment())
        answer = await editor.put(url, content=core.body(), headers=JSON)
        again = await editor.put(url, content=core.body(), headers=JSON)
    assert (answer.status_code, again.status_code) == (201, 200)
    assert answer.headers["location"] == again.headers["location"]
    assert await core.l02_methods() == ["CreateAppointment"]


async def test_query_and_body_must_mean_the_same_appointment(core: Core) -> None:
    async with core.fhir() as editor:
        answer = await editor.put("/Appointment?identifier=other", content=core.body(), headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Appointment.identifier[0]"]


async def test_a_step_that_the_automaton_lacks_is_refused(core: Core) -> None:
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
        body = core.body(status=AppointmentStatus.PENDING)
        answer = await editor.put("/" + conditional(core.appointment()), content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Appointment.status"]


async def test_a_correction_is_accepted_and_flagged(core: Core) -> None:
    async with core.fhir() as editor, core.browser() as browser:
        url = "/" + conditional(core.appointment())
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
        await editor.put(url, content=core.body(status=AppointmentStatus.NOSHOW), headers=JSON)
        corrected = core.body(status=AppointmentStatus.FULFILLED)
        answer = await editor.put(url, content=corrected, headers=JSON)
        id = created.headers["location"].rpartition("/")[2]
        shown = (await browser.get(f"/api/appointments/{id}")).json()
    assert answer.status_code == 200
    assert (shown["status"], shown["flagged"], shown["version"]) == ("fulfilled", True, 3)


async def test_an_unknown_regulator_is_refused_with_its_path(core: Core) -> None:
    stranger = Identifier(core.regulator.identifier.system, "3999999999/1", "IDNPS")
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(operator=stranger), headers=JSON)
    assert answer.status_code == 422
    assert "valueReference.identifier" in answer.json()["issue"][0]["expression"][0]
    assert core.sas.health()["appointments"] == 0


async def test_a_message_that_cannot_be_made_refuses_the_appointment_whole(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(core.population.territories, core.regulator.territory)  # type: ignore[arg-type]
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(), headers=JSON)
    assert answer.status_code == 422
    assert core.sas.health()["appointments"] == 0


@pytest.mark.parametrize(
    ("changes", "category"),
    [
        ({}, "PS"),
        ({"category": OrientationCategory.MSP}, "MSP"),
        ({"sos": True, "practitioner": None, "participant_status": "needs-action"}, "SOS"),
        ({"practitioner": "819999999999"}, "PS"),
    ],
)
async def test_orientation_category(core: Core, changes: dict[str, Any], category: str) -> None:
    async with core.fhir() as editor, core.browser() as browser:
        created = await editor.post("/Appointment", content=core.body(**changes), headers=JSON)
        assert created.status_code == 201
        id = created.headers["location"].rpartition("/")[2]
        shown = (await browser.get(f"/api/appointments/{id}")).json()
    assert shown["orientationCategory"] == category


async def test_a_practitioner_of_a_cpts_makes_a_cpts_orientation(core: Core) -> None:
    member = next(person for person in core.population.practitioners() if person.cpts)
    async with core.fhir() as editor, core.browser() as browser:
        body = core.body(practitioner=member.id, identifier=Identifier(core.editor(member.editor).system, "another"))
        created = await editor.post("/Appointment", content=body, headers=JSON)
        id = created.headers["location"].rpartition("/")[2]
        shown = (await browser.get(f"/api/appointments/{id}")).json()
    assert (shown["orientationCategory"], shown["organization"]) == ("CPTS", member.cpts[0])


async def test_created_falls_back_to_the_time_of_reception(core: Core) -> None:
    async with core.fhir() as editor, core.browser() as browser:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
        id = created.headers["location"].rpartition("/")[2]
        shown = (await browser.get(f"/api/appointments/{id}")).json()
    assert shown["created"] == NOW.isoformat()


async def test_the_certificate_says_whose_appointment_it_is(core: Core) -> None:
    azur, commune = core.editor("agenda-azur"), core.editor("rdv-commune")
    own = Identifier("https://agenda-azur.example/rdv", "own-system")
    async with core.fhir(azur) as editor, core.fhir(commune) as other, core.browser() as browser:
        created = await editor.post("/Appointment", content=core.body(identifier=own), headers=JSON)
        assert created.status_code == 201
        location = created.headers["location"].replace("http:", "https:")
        id = location.rpartition("/")[2]
        assert (await browser.get(f"/api/appointments/{id}")).json()["editor"] == "agenda-azur"
        assert (await editor.get(location)).status_code == 200
        assert (await other.get(location)).status_code == 404
        cancelled = core.body(identifier=own, status=AppointmentStatus.CANCELLED)
        stolen = await other.put("/Appointment?identifier=own-system", content=cancelled, headers=JSON)
        foreign = await other.post("/Appointment", content=core.body(), headers=JSON)
    assert stolen.status_code == foreign.status_code == 422
    assert "another editor" in stolen.text
    assert "agenda-azur" in foreign.text


@pytest.mark.parametrize(
    "peer",
    [None, Peer("agenda-azur.bac-a-sable.invalid", "wrong", "x"), Peer("wrong", "318 AGENDA-AZUR", "x")],
)
async def test_a_missing_or_wrong_certificate_is_refused_with_an_outcome(core: Core, peer: Peer | None) -> None:
    async with core.client_with(peer, "https") as stranger:
        answer = await stranger.post("/Appointment", content=core.body(), headers=JSON)
    assert answer.status_code == 403
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/Appointment", b"", 400),
        ("POST", "/Appointment", b"{", 400),
        ("POST", "/Appointment", b"[]", 400),
        ("POST", "/Appointment", b'{"resourceType":"Patient"}', 400),
        ("POST", "/Appointment", b'{"resourceType":"Appointment"}', 400),
        ("PUT", "/Appointment", b"{}", 400),
        ("PUT", "/Appointment?identifier=", b"{}", 400),
        ("PUT", "/Appointment/abc", b"{}", 405),
        ("DELETE", "/Appointment", b"", 405),
        ("GET", "/Appointment/none", b"", 404),
        ("GET", "/Slot", b"", 404),
        ("POST", "/metadata", b"", 405),
    ],
)
async def test_bad_requests_are_answered_with_an_outcome(
    core: Core, method: str, path: str, body: bytes, status: int
) -> None:
    async with core.fhir() as editor:
        answer = await editor.request(method, path, content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["details"]["text"]


async def test_a_body_of_another_type_is_415(core: Core) -> None:
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(), headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


async def test_metadata_states_what_is_served(core: Core) -> None:
    async with core.fhir() as editor:
        statement = (await editor.get("/metadata")).json()
    assert (statement["kind"], statement["fhirVersion"]) == ("instance", "4.0.1")
    resource = statement["rest"][0]["resource"][0]
    assert resource["type"] == "Appointment"
    assert resource["conditionalUpdate"] is True
    assert {interaction["code"] for interaction in resource["interaction"]} == {"read", "create", "update"}


async def test_concurrent_requests_for_one_identifier_make_one_of_each_version(core: Core) -> None:
    async with core.fhir() as editor:
        posts = [editor.post("/Appointment", content=core.body(), headers=JSON) for _ in range(20)]
        url = "/" + conditional(core.appointment())
        cancel = core.body(status=AppointmentStatus.CANCELLED)
        answers = await asyncio.gather(*posts)
        puts = await asyncio.gather(*(editor.put(url, content=cancel, headers=JSON) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert {answer.status_code for answer in puts} == {200}
    assert await core.l02_methods() == ["CreateAppointment", "UpdateAppointment"]


async def test_the_answer_waits_for_the_disk_and_so_does_a_repetition(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = core.sas.store
    on_disk = asyncio.Event()
    commit, barrier = store.commit, store.barrier

    async def slow_commit(written: Any) -> None:
        await on_disk.wait()
        await written

    async def slow_barrier() -> None:
        await on_disk.wait()
        await barrier()

    monkeypatch.setattr(store, "commit", lambda *writes: asyncio.ensure_future(slow_commit(commit(*writes))))
    monkeypatch.setattr(store, "barrier", slow_barrier)
    async with core.fhir() as editor:
        posts = [asyncio.create_task(editor.post("/Appointment", content=core.body(), headers=JSON)) for _ in range(2)]
        done, _ = await asyncio.wait(posts, timeout=0.05)
        assert not done
        on_disk.set()
        assert sorted([(await post).status_code for post in posts]) == [200, 201]
    assert await core.l02_methods() == ["CreateAppointment"]


async def test_a_failing_disk_accepts_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*_: Any) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(core.sas.store, "commit", failing)
    async with core.fhir() as editor:
        answer = await editor.post("/Appointment", content=core.body(), headers=JSON)
    assert answer.status_code == 503
    assert "(no space left)" in answer.json()["issue"][0]["details"]["text"]


async def test_what_was_accepted_is_there_after_a_restart(core: Core, context: Context, tmp_path: Path) -> None:
    async with core.fhir() as editor:
        created = await editor.post("/Appointment", content=core.body(), headers=JSON)
    await core.sas.stop()
    restarted = await core_on(context, open_store(context.store_dir("sas")))
    async with restarted.fhir() as editor:
        repeated = await editor.post("/Appointment", content=core.body(), headers=JSON)
    token = await restarted.token()
    async with restarted.browser() as browser:
        mine = (await browser.get("/api/appointments", headers=token)).json()["appointments"]
    assert repeated.status_code == 200
    assert repeated.headers["location"] == created.headers["location"]
    assert [line["status"] for line in mine] == ["booked"]
    assert restarted.sas.appointments.count == 1
    await restarted.sas.stop()


async def test_the_journal_knows_the_appointment_but_no_body(core: Core) -> None:
    async with core.fhir(core.editor()) as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
    (exchange,) = core.journalled(Flow.INT_R03)
    assert (exchange.actor, exchange.flow, exchange.direction) == ("sas", "INT_R03", "in")
    assert (exchange.status, exchange.ref) == (201, core.appointment().identifier.value)


async def test_a_new_time_is_a_new_version(core: Core) -> None:
    later = NOW + timedelta(days=1)
    async with core.fhir() as editor:
        await editor.post("/Appointment", content=core.body(), headers=JSON)
        body = core.body(start=later, end=later + timedelta(minutes=20))
        answer = await editor.put("/" + conditional(core.appointment()), content=body, headers=JSON)
        read = (await editor.get(answer.headers["location"])).json()
    assert read["start"] == later.isoformat(timespec="milliseconds")
    assert await core.l02_methods() == ["CreateAppointment", "UpdateAppointment"]

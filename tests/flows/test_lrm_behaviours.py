"""What an LRM does with a message, as its sender sees it: the rules, and every behaviour that can be switched on.

End to end through the hub, with everything in this process; on the embedded broker and on a RabbitMQ.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.cli import main
from sandbox.edxl.message import Message
from sandbox.edxl.trials import Correspondents, TrialMessage, trial
from sandbox.kernel.clock import parse_datetime
from sandbox.net.amqp.one_shot_client import OneShotClient, access, one_shot_client, referenced
from tests.support.hub import rabbit
from tests.support.sandboxes import eventually, sandbox_here

SAMU, SPARE = "fr.health.samu330", "fr.health.samu999"
TTL_S = 2
PATIENCE = 20.0  # s until an answer must have come

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


class Bench:
    """A sender, the LRM that answers it, and who changes its behaviour."""

    def __init__(self, document: dict[str, Any], client: OneShotClient, session: aiohttp.ClientSession) -> None:
        self.document, self.client, self.session = document, client, session
        self.admin = f"{document['control']['api']}/lrms/{SAMU}/behaviour"
        self.lrm = next(lrm["ui"] for lrm in document["lrms"] if lrm["client_id"] == SAMU)

    async def behave(self, kind: str, **fields: Any) -> None:
        async with self.session.put(self.admin, json={"rules": [{"kind": kind, **fields}]}) as answer:
            assert answer.status == 200, await answer.text()

    async def behave_well(self) -> None:
        async with self.session.delete(self.admin) as answer:
            assert (await answer.json())["rules"] == []

    async def hits(self) -> int:
        async with self.session.get(self.admin) as answer:
            return sum(rule["hits"] for rule in (await answer.json())["rules"])

    async def send(self, case: str = "create") -> list[TrialMessage]:
        now = parse_datetime(self.document["now"])
        messages = trial(case, Correspondents(SPARE, SAMU, now, lambda: str(uuid.uuid4())))
        for message in messages:
            await self.client.publish(message.body, message.distribution_id)
        return list(messages)

    async def answers(self, count: int = 1) -> list[Message]:
        found = list(await self.client.answers(count, PATIENCE))
        assert len(found) == count
        return found

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.lrm}/api/{path}") as answer:
            return await answer.json()

    async def orientation(self, message: TrialMessage) -> dict[str, Any] | None:
        """As the LRM has it; None when it has none."""
        found: dict[str, Any] = await self.get(f"orientations/{content_of(message)['appointmentId']}")
        return None if "error" in found else found

    async def stored_once(self, message: TrialMessage) -> bool:
        found = await self.orientation(message)
        return found is not None and found["distributionIDs"] == [message.distribution_id]


def content_of(message: TrialMessage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.body)["content"][0]["jsonContent"]["embeddedJsonContent"]["message"]
    content: dict[str, Any] = found["appointment"]
    return content


@pytest.fixture(scope="module", params=["embedded", "rabbitmq"])
def flags(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Of a sandbox on either broker; messages live for 2 s."""
    data = tmp_path_factory.mktemp("lrm")
    common = {"data": data / "data", "preset": "minimal", "message_ttl_s": TTL_S}
    if request.param == "embedded":
        yield common
        return
    if why := rabbit.missing():
        pytest.skip(why)
    file, config = data / "definitions.json", data / "config.yaml"
    config.write_text(f"message_ttl_s: {TTL_S}\n", "utf-8")
    command = ["hub", "definitions", "--data-dir", str(common["data"]), "--out", str(file), "--no-mtls"]
    assert main([*command, "--config", str(config), "--preset", "minimal"]) == 0
    node = rabbit.start(data / "rabbit", None, json.loads(file.read_bytes()))
    yield {**common, "mtls": False, "hub_broker": f"amqp://127.0.0.1:{node.port}"}
    node.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(flags: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    async with sandbox_here(**flags) as document:
        yield document


@pytest_asyncio.fixture(loop_scope="module")
async def bench(sandbox: dict[str, Any]) -> AsyncIterator[Bench]:
    jar = aiohttp.CookieJar(unsafe=True)  # of an address, not a name
    async with one_shot_client(access(sandbox, SPARE)) as client, aiohttp.ClientSession(cookie_jar=jar) as session:
        made = Bench(sandbox, client, session)
        yield made
        await made.behave_well()


def told(answers: list[Message]) -> list[tuple[str, Any]]:
    """The answers to a message: (kind, step or code); the parts that identify the message are left out."""
    return [
        ("Error", answer.error["errorCode"]["statusCode"])
        if answer.error is not None
        else ("Ack", (answer.reference or {}).get("step"))
        for answer in answers
    ]


# ---- the rules


async def test_a_creation_is_stored_and_acknowledged(bench: Bench) -> None:
    (message,) = await bench.send()
    (answer,) = await bench.answers()
    assert (answer.kind, answer.sender, answer.recipient) == ("Ack", SAMU, SPARE)
    assert answer.reference == {"distributionID": message.distribution_id, "step": "INTEGRE"}
    assert await bench.stored_once(message)


async def test_updates_are_taken_in_order_and_each_is_acknowledged(bench: Bench) -> None:
    created, updated = await bench.send("update")
    assert [referenced(each) for each in await bench.answers(2)] == [created.distribution_id, updated.distribution_id]
    found = await bench.orientation(created)
    assert found is not None
    assert found["distributionIDs"] == [created.distribution_id, updated.distribution_id]
    assert found["appointment"]["start"] == content_of(updated)["start"]


async def test_the_same_message_twice_is_acknowledged_twice_and_taken_once(bench: Bench) -> None:
    message, _ = await bench.send("duplicate")
    assert told(await bench.answers(2)) == [("Ack", "INTEGRE")] * 2
    assert await bench.stored_once(message)


async def test_a_second_creation_is_a_conflict_and_changes_nothing(bench: Bench) -> None:
    first, second = await bench.send("conflict")
    answers = await bench.answers(2)
    assert told(answers) == [("Ack", "INTEGRE"), ("Error", 409)]
    assert referenced(answers[1]) == second.distribution_id
    assert await bench.stored_once(first)


async def test_an_update_of_something_unknown_is_a_creation(bench: Bench) -> None:
    (message,) = await bench.send("unknown-update")
    assert told(await bench.answers()) == [("Ack", "INTEGRE")]
    assert await bench.stored_once(message)


# ---- the behaviours


async def test_acknowledgement_after_a_delay(bench: Bench) -> None:
    await bench.behave("ack-delay", params={"median_ms": 300, "p95_ms": 301})
    loop = asyncio.get_running_loop()
    began = loop.time()
    (message,) = await bench.send()
    await bench.answers()
    assert loop.time() - began > 0.25
    assert await bench.stored_once(message)


async def test_acknowledgement_by_hand(bench: Bench) -> None:
    await bench.behave("ack-by-hand")
    (message,) = await bench.send()

    async def held() -> Any:
        return (await bench.get("held"))["held"]

    (waiting,) = await eventually(held, seconds=PATIENCE)
    assert waiting["ref"] == message.distribution_id
    assert await bench.stored_once(message)
    async with bench.session.get(f"{bench.lrm}/messages") as page:
        text = await page.text()
    csrf = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
    assert csrf is not None
    url = f"{bench.lrm}/messages/retenus/{waiting['id']}"
    async with bench.session.post(url, data={"csrf": csrf[1]}) as page:
        assert "Acquittement envoyé." in await page.text()
    assert told(await bench.answers()) == [("Ack", "INTEGRE")]
    async with bench.session.post(url, data={"csrf": csrf[1]}) as page:
        assert "était déjà parti" in await page.text()


async def test_no_acknowledgement_at_all(bench: Bench) -> None:
    await bench.behave("ack-never", count=1)
    (silent,) = await bench.send()
    (spoken,) = await bench.send()
    assert [referenced(each) for each in await bench.answers()] == [spoken.distribution_id]
    assert await bench.stored_once(silent)


@pytest.mark.parametrize("by_acknowledgement", [False, True])
async def test_refusal_with_a_code_and_a_cause(bench: Bench, by_acknowledgement: bool) -> None:
    await bench.behave("ack-refused", params={"code": 703, "cause": "qui êtes-vous ?", "ack": by_acknowledgement})
    (message,) = await bench.send()
    answers = await bench.answers(2 if by_acknowledgement else 1)
    error = next(each for each in answers if each.error is not None)
    assert error.error is not None
    assert error.error["errorCode"] == {"statusCode": 703, "statusString": "UNKNOWN_SENDER"}
    assert error.error["errorCause"] == "qui êtes-vous ?"
    if by_acknowledgement:
        (refused,) = [each.reference for each in answers if each.reference is not None]
        assert refused == {
            "distributionID": message.distribution_id,
            "refused": True,
            "errorDistributionID": error.distribution_id,
            "step": "ERREUR",
        }
    assert await bench.orientation(message) is None


async def test_conflict_that_is_none(bench: Bench) -> None:
    await bench.behave("ack-conflict")
    (message,) = await bench.send()
    assert told(await bench.answers()) == [("Error", 409)]
    assert await bench.stored_once(message)


async def test_wrong_reference(bench: Bench) -> None:
    await bench.behave("ack-wrong-reference")
    (message,) = await bench.send()
    async with asyncio.timeout(PATIENCE):
        stray = await bench.client.strays.get()
    assert stray.kind == "Ack"
    assert stray.sender == SAMU
    assert referenced(stray) != message.distribution_id
    assert await bench.stored_once(message)


async def test_duplicate_acknowledgement(bench: Bench) -> None:
    await bench.behave("ack-twice")
    (message,) = await bench.send()
    answers = await bench.answers(2)
    assert {referenced(each) for each in answers} == {message.distribution_id}
    assert len({each.distribution_id for each in answers}) == 2


async def test_invalid_acknowledgement_comes_back_to_the_lrm(bench: Bench) -> None:
    await bench.behave("ack-invalid", count=1)
    (message,) = await bench.send()

    async def complaint() -> bool:
        notices = (await bench.get("notices"))["notices"]
        return any("300 INVALID_MESSAGE" in each["text"] and "reference" in each["text"] for each in notices)

    await eventually(complaint, seconds=PATIENCE)
    assert await bench.stored_once(message)


@pytest.mark.parametrize("when", ["before", "during", "after"])
async def test_connection_that_breaks_around_storing_loses_and_doubles_nothing(bench: Bench, when: str) -> None:
    await bench.behave("lrm-disconnect", count=1, params={"when": when})
    (message,) = await bench.send()
    (answer,) = await bench.answers()
    assert told([answer]) == [("Ack", "INTEGRE")]
    assert await bench.stored_once(message)

    async def struck() -> bool:
        return await bench.hits() == 1

    await eventually(struck, seconds=PATIENCE)


async def test_messages_expire_when_nobody_reads_them(bench: Bench) -> None:
    await bench.behave("lrm-deaf")
    (lost,) = await bench.send()
    assert told(await bench.answers()) == [("Error", 500)]
    assert await bench.orientation(lost) is None
    await bench.behave_well()
    await bench.send()
    assert told(await bench.answers()) == [("Ack", "INTEGRE")]


@pytest.mark.parametrize(
    ("steps", "answers"),
    [("none", [None]), ("RECU", ["RECU"]), ("RECU,INTEGRE", ["RECU", "INTEGRE"])],
)
async def test_steps_of_the_acknowledgement(bench: Bench, steps: str, answers: list[str | None]) -> None:
    await bench.behave("ack-steps", params={"steps": steps})
    await bench.send()
    assert told(await bench.answers(len(answers))) == [("Ack", step) for step in answers]


async def test_the_step_consulted_when_a_regulator_opens_the_orientation(bench: Bench) -> None:
    await bench.behave("ack-steps", params={"steps": "INTEGRE,CONSULTE"})
    (message,) = await bench.send()
    assert told(await bench.answers()) == [("Ack", "INTEGRE")]
    for _ in range(2):
        async with bench.session.get(f"{bench.lrm}/orientations/{content_of(message)['appointmentId']}") as page:
            assert page.status == 200
    (after,) = await bench.send()
    answers = await bench.answers(2)
    assert sorted((referenced(each), told([each])[0][1]) for each in answers) == sorted(
        [(message.distribution_id, "CONSULTE"), (after.distribution_id, "INTEGRE")]
    )


async def test_a_behaviour_towards_one_kind_of_message_leaves_the_others_alone(bench: Bench) -> None:
    await bench.behave("ack-refused", params={"code": 702, "message": "cancel"})
    await bench.send("cancel")
    assert sorted(told(await bench.answers(2))) == [("Ack", "INTEGRE"), ("Error", 702)]
    await bench.send("update")
    assert told(await bench.answers(2)) == [("Ack", "INTEGRE")] * 2

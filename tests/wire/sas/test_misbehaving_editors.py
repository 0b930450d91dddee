"""One editor misbehaves on a real socket: the others' cards are shown, and the reason is given."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.config import EDITORS_FHIR, Settings
from sandbox.fhir.queries.search import parse_slot_query
from sandbox.kernel.clock import PARIS
from sandbox.kernel.journal import Journal
from sandbox.net.context import Context
from sandbox.net.http.client import HttpClient
from sandbox.pki.authority import Pki, ensure_pki
from sandbox.pki.subjects import sas_subject
from sandbox.population.load import load_population
from sandbox.population.people import Population
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.aggregator import Aggregator
from sandbox.sas.search.breaker import State
from sandbox.sas.search.cards import Card
from sandbox.sas.search.criteria import Criteria, read_criteria
from sandbox.sas.search.editors import EditorSources
from sandbox.sas.search.events import Found, Results, SourceAnswer, SourceState
from sandbox.sas.search.run import run, whole
from tests.support.contexts import make_context, stopped_clock
from tests.unit.sas.search.bundles import bundle, practitioner_bundle, practitioner_resources, slot, sos_bundle

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
SOON = [NOW + timedelta(hours=1), NOW + timedelta(hours=26)]
BAD = "rdv-commune"
Manner = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


async def hung(writer: asyncio.StreamWriter, body: bytes) -> None:
    await asyncio.Event().wait()


async def slow_drip(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
    for at in range(len(body)):
        writer.write(body[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.02)  # the drip itself


async def reset(writer: asyncio.StreamWriter, body: bytes) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def cut_off(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:-10])
    writer.close()


async def server_error(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops")


async def garbage(writer: asyncio.StreamWriter, body: bytes) -> None:
    good(writer, b"\x00\xff<html>" * 100)


async def latin_1(writer: asyncio.StreamWriter, body: bytes) -> None:
    good(writer, body.replace(b'"family":"', '"family":"é'.encode("latin-1")))


async def nested(writer: asyncio.StreamWriter, body: bytes) -> None:
    good(writer, body.replace(b'"status":"free"', b'"status":' + b"[" * 2000 + b"]" * 2000))


async def not_http(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")


async def huge(writer: asyncio.StreamWriter, body: bytes) -> None:
    """50 MB, which must not be read completely."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(50):
            writer.write(b" " * 1_000_000)
            await writer.drain()


def good(writer: asyncio.StreamWriter, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % len(body) + body)


@dataclass
class Editors:
    """Three editors on one port; the one named BAD misbehaves."""

    population: Population
    manner: Manner | None = None
    spoil: Callable[[bytes, Iterable[str]], bytes] = lambda body, ids: body
    asked: int = 0
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.serve(reader, writer))
        self.running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            writer.transport.abort()

    async def close(self) -> None:
        """End the connections."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                slug, path = request.split(" ")[1].lstrip("/").partition("/fhir/")[::2]
                body = self.body(path)
                if slug == BAD:
                    self.asked += 1
                    body = self.spoil(body, parse_slot_query(path.partition("?")[2]).practitioners)
                    if self.manner is not None:
                        await self.manner(writer, body)
                        continue
                good(writer, body)

    def body(self, path: str) -> bytes:
        if path.startswith("Schedule"):
            return sos_bundle(next(iter(self.population.sos.values())), SOON)
        people = [self.population.practitioner(id) for id in parse_slot_query(path.partition("?")[2]).practitioners]
        return practitioner_bundle(*((person, SOON) for person in people if person is not None))


@dataclass
class Stand:
    """The editors, and the aggregator that asks them."""

    editors: Editors
    sources: EditorSources
    aggregator: Aggregator
    criteria: Criteria
    journal: Journal

    async def search(self) -> tuple[Results, SourceState]:
        """Run one search; returns how the bad editor took part."""
        async with asyncio.timeout(10):
            results = await whole(self.criteria, self.aggregator)
        return results, results.states[BAD]


@contextlib.asynccontextmanager
async def stand(tmp_path: Path, population: Population, **more: object) -> AsyncIterator[Stand]:
    editors = Editors(population)
    server = await asyncio.start_server(editors.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    values = {"editor_timeout_s": 0.4, "search_timeout_s": 1.2, **more}
    settings = Settings(port_base=port - EDITORS_FHIR, data_dir=str(tmp_path), mtls=False, **values)  # type: ignore[arg-type]
    context = surroundings(settings, population, None)
    http = HttpClient(context, "sas", "sas")
    directory = Directory(population)
    sources = EditorSources(context, http, directory)
    aggregator = Aggregator(directory, SPECIALTIES, [sources], settings)
    criteria = read_criteria({"town": "Bordeaux"}, directory, SPECIALTIES, NOW)
    try:
        yield Stand(editors, sources, aggregator, criteria, context.journal)
    finally:
        await aggregator.close()
        await http.close()
        await editors.close()
        server.close()
        await server.wait_closed()


def surroundings(settings: Settings, population: Population, pki: Pki | None) -> Context:
    return make_context(settings, clock=stopped_clock(NOW), population=population, pki=pki)


@pytest.fixture
def population() -> Population:
    return load_population(Settings(practitioners=200))


def cards_of(results: Results) -> list[Card]:
    """Every card with slots, of all pages."""
    return [card for lot in sorted(results.lots) for card in results.lots[lot].cards]


@pytest.mark.parametrize(
    ("manner", "code", "reason"),
    [
        (hung, "timeout", "pas de réponse en 0,4 s"),
        (slow_drip, "timeout", "pas de réponse en 0,4 s"),
        (reset, "unreachable", "injoignable"),
        (cut_off, "unreadable", "réponse illisible"),
        (server_error, "status", "a répondu par une erreur 500"),
        (garbage, "unreadable", "réponse illisible"),
        (latin_1, "unreadable", "réponse illisible"),
        (nested, "unreadable", "réponse illisible"),
        (not_http, "unreadable", "réponse illisible"),
        (huge, "too-large", "réponse trop volumineuse"),
    ],
)
async def test_others_are_shown_and_it_is_said_why_one_is_not(
    tmp_path: Path, population: Population, manner: Manner, code: str, reason: str
) -> None:
    async with stand(tmp_path, population) as at:
        at.editors.manner = manner
        results, bad = await at.search()
        assert (bad.state, bad.code, bad.reason) == ("failed", code, reason)
        assert results.partial
        assert len(results.cards) == 5
        assert BAD not in {card.source for card in cards_of(results)}
        others = {state.slug for state in results.sources if state.state == "answered"}
        assert others == {"agenda-azur", "garde-plus"}


async def test_slots_of_somebody_else_are_dropped_and_told(tmp_path: Path, population: Population) -> None:
    def of_somebody_else(body: bytes, ids: Iterable[str]) -> bytes:
        stranger = next(person for person in population.practitioners() if person.id not in ids)
        return practitioner_bundle((stranger, SOON))

    async with stand(tmp_path, population) as at:
        at.editors.spoil = of_somebody_else
        results, bad = await at.search()
        assert (bad.state, bad.slots, bad.findings) == ("answered", 0, 1)
        assert at.sources.findings["R01-16"] == 1
        assert not results.partial
        (told,) = [line for line in at.journal.take() if line.action == "read answer"]
        assert told.peer == BAD
        assert told.note.startswith("R01-16 Slot/")
        assert told.note.endswith("(2 places)")


async def test_ten_thousand_slots_are_read_and_no_card_is_the_worse_for_it(
    tmp_path: Path, population: Population
) -> None:
    def too_many(body: bytes, ids: Iterable[str]) -> bytes:
        person = population.practitioner(next(iter(ids)))
        assert person is not None
        starts = [NOW + timedelta(seconds=20 * at) for at in range(10_000)]
        slots = [slot(person.places[0].id, start, id=f"s{at}") for at, start in enumerate(starts)]
        return bundle(slots, practitioner_resources(person))

    async with stand(tmp_path, population, editor_answer_mib=16, editor_timeout_s=5.0, search_timeout_s=9.0) as at:
        at.editors.spoil = too_many
        results, bad = await at.search()
        assert bad.state == "answered"
        assert bad.slots == 10_000
        (card,) = [card for card in cards_of(results) if card.source == BAD]
        assert sum(len(place.slots) for place in card.places) == 600
        assert len({card.source for card in cards_of(results)}) == 3


async def test_while_one_hangs_the_others_cards_are_there(tmp_path: Path, population: Population) -> None:
    async with stand(tmp_path, population, editor_timeout_s=5.0, search_timeout_s=9.0) as at:
        at.editors.manner = hung
        async with asyncio.timeout(3), contextlib.aclosing(run(at.criteria, at.aggregator)) as events:
            found = [event async for event in until_found(events, 6)]
        assert any(isinstance(event, SourceAnswer) and event.source == "agenda-azur" for event in found)
        assert at.aggregator.running == 0


async def until_found(events: AsyncIterator[object], cards: int) -> AsyncIterator[object]:
    async for event in events:
        yield event
        if isinstance(event, Found) and len(event.cards) >= cards:
            return


async def test_a_late_answer_is_counted_and_thrown_away(tmp_path: Path, population: Population) -> None:
    answer = asyncio.Event()
    sent = asyncio.Event()

    async def late(writer: asyncio.StreamWriter, body: bytes) -> None:
        await answer.wait()
        good(writer, body)
        sent.set()

    async with stand(tmp_path, population, editor_timeout_s=0.5, search_timeout_s=1.5) as at:
        at.editors.manner = late
        _, bad = await at.search()
        assert bad.code == "timeout"
        assert at.sources.editor(BAD).counts["late"] == 0
        answer.set()
        async with asyncio.timeout(3):
            await sent.wait()
            await at.sources.late()
        assert at.sources.editor(BAD).counts["late"] == 1
        assert any("thrown away" in line.note for line in at.journal.take())


async def test_a_broken_editor_is_left_in_peace_then_probed(tmp_path: Path, population: Population) -> None:
    async with stand(tmp_path, population, breaker_failures=2, breaker_pause_s=3600.0) as at:
        at.editors.manner = server_error
        for _ in range(2):
            await at.search()
        assert at.sources.editor(BAD).circuit == State.OPEN
        results, bad = await at.search()
        assert (bad.code, at.editors.asked) == ("open-circuit", 2)
        assert bad.reason == "écarté un moment après des échecs répétés"
        assert results.partial
        assert len(results.cards) == 5
        limits = at.sources.limits
        at.sources.limits = replace(limits, policy=replace(limits.policy, pause_s=0.0))
        at.editors.manner = None
        _, bad = await at.search()
        assert bad.state == "answered"
        assert at.sources.editor(BAD).circuit == State.CLOSED


async def test_fifty_regulators_search_at_once(tmp_path: Path, population: Population) -> None:
    async with stand(tmp_path, population, editor_timeout_s=20.0, search_timeout_s=60.0) as at:
        searches = [whole(replace(at.criteria, shuffle=str(number)), at.aggregator) for number in range(50)]
        async with asyncio.timeout(30):
            found = await asyncio.gather(*searches)
        assert all(not results.partial and len(results.cards) == 5 for results in found)
        orders = {tuple(card.id for card in results.cards) for results in found}
        assert len(orders) > 25
        assert at.aggregator.running == 0


@pytest.mark.parametrize("kind", ["self_signed", "other_ca", "expired"])
async def test_a_wrong_certificate_is_refused_and_named(tmp_path: Path, population: Population, kind: str) -> None:
    pki = ensure_pki(
        tmp_path / "pki",
        hosts=("127.0.0.1",),
        clients={"sas": sas_subject()},
        now=datetime.now(UTC),
        bad_like=sas_subject(),
    )
    editors = Editors(population)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(editors.close)
        ports = []
        for credentials in (pki.server, pki.bad[kind]):
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(credentials.cert, credentials.key)
            server = await asyncio.start_server(editors.connected, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        bad_one = replace(population.editors[BAD], base_url=f"https://127.0.0.1:{ports[1]}/{BAD}/fhir")
        population.editors = {**population.editors, BAD: bad_one}
        settings = Settings(port_base=ports[0] - EDITORS_FHIR, data_dir=str(tmp_path), editor_timeout_s=5.0)
        context = surroundings(settings, population, pki)
        http, directory = HttpClient(context, "sas", "sas"), Directory(population)
        stack.push_async_callback(http.close)
        sources = EditorSources(context, http, directory)
        aggregator = Aggregator(directory, SPECIALTIES, [sources], settings)
        results = await whole(read_criteria({"town": "Bordeaux"}, directory, SPECIALTIES, NOW), aggregator)
    bad = results.states[BAD]
    assert (bad.code, bad.reason) == ("untrusted", "certificat ou connexion TLS refusés")
    assert editors.asked == 0
    assert {card.source for card in cards_of(results)} == {"agenda-azur", "garde-plus"}

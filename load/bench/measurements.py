"""The measurements of `make bench`, and the limits that their figures must keep.

A new measurement is a module with a function that takes the number of rounds and returns figures by variant, and an
entry in MEASUREMENTS.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from load.bench import amqp, full, hub_memory, lrm, r01, r03, sas_agenda, search, soak, startup, store


@dataclass(frozen=True)
class Ratio:
    """The rate of `variant` over that of `base` must reach `limit`; one without a limit is shown, not judged."""

    name: str
    variant: str
    base: str
    limit: float = 0.0

    def judge(self, found: Mapping[str, float]) -> tuple[bool, str]:
        """Whether the limit is met, and the line to print."""
        ratio = found[self.variant] / found[self.base]
        limit = f"limit {self.limit:.2f}" if self.limit else "no limit"
        return ratio >= self.limit, f"{self.name}: {ratio:.2f} ({limit})"


@dataclass(frozen=True)
class Surplus:
    """The extra cost of `variant` over `base` must stay within `limit`."""

    name: str
    variant: str
    base: str
    limit: float

    def judge(self, found: Mapping[str, float]) -> tuple[bool, str]:
        """Whether the limit is met, and the line to print."""
        more = found[self.variant] - found[self.base]
        return more <= self.limit, f"{self.name}: {more:+.2f} (limit {self.limit:+.2f})"


@dataclass(frozen=True)
class Measurement:
    """Figures by variant, from several rounds, and the limits that they must keep. `unit`: the unit of the figures, if
    they have the same; `of_rounds`: which of the figures of its rounds represents a variant."""

    key: str
    title: str
    measure: Callable[[int], Mapping[str, list[float]]]
    limits: tuple[Ratio | Surplus, ...]
    unit: str = "/s"
    of_rounds: Callable[[list[float]], float] = statistics.median
    only_when_named: bool = False  # the measurement takes long


MEASUREMENTS = (
    Measurement(
        "r01",
        "GET Slot (INT_R01), 25 practitioners or one, 3 days: raw ASGI, warm and cold, plain and over mTLS",
        r01.measure,
        (
            Ratio("25 practitioners, warm / raw ASGI that answers the same octets", "warm", "raw", 0.5),
            Ratio("25 practitioners, cold / the same raw ASGI", "cold", "raw", 0.1),
            Ratio("25 practitioners nobody asked for before / the same raw ASGI", "first", "raw"),
            Ratio("one practitioner, warm / raw ASGI", "warm one", "raw one", 0.5),
            Ratio("25 practitioners over mTLS, warm / raw ASGI over mTLS", "warm tls", "raw tls", 0.7),
            Ratio("25 practitioners over mTLS, cold / raw ASGI over mTLS", "cold tls", "raw tls", 0.2),
            Ratio("slot derived and rendered / rendering of its template", "slot", "template", 1 / 6),
            Ratio("warm, population of 1,000,000 / of 1,000", "warm 1M", "warm 1k", 0.9),
            Ratio("cold, population of 1,000,000 / of 1,000", "cold 1M", "cold 1k", 0.9),
        ),
    ),
    Measurement(
        "startup",
        "Start: preset national (100,000 practitioners) over minimal",
        startup.measure,
        (
            Surplus("processor time until everything answers, s", "national s", "minimal s", 0.5),
            Surplus("memory, MiB", "national MiB", "minimal MiB", 60),
        ),
        unit="",
    ),
    Measurement(
        "r03",
        "POST Appointment (INT_R03): raw ASGI, the handler without the store, the handler with it",
        r03.measure,
        (
            Ratio("durable POST / same handler without the store", "durable", "memory", 0.4),
            Ratio("handler without the store / raw ASGI that reads the body and answers 201", "memory", "raw", 0.10),
        ),
    ),
    Measurement(
        "full",
        "POST Appointment beside 200,000 appointments with their L02 messages, and beside none",
        full.rate,
        (
            Ratio("durable POST beside 200,000 / beside none", "full", "none", 0.9),
            Ratio("the same, by the processor's time", "full by cpu", "none by cpu"),
        ),
    ),
    Measurement(
        "full-memory",
        "Memory that 200,000 appointments with their L02 messages add to the SAS core",
        full.weight,
        (Ratio("allowed / added", "allowed", "added", 1.0),),
        unit="MiB",
    ),
    Measurement(
        "full-start",
        "Start of the SAS core on 200,000 appointments: store opened, role built",
        full.start,
        (Ratio("borne / taken", "borne", "taken"),),
        unit="s",
    ),
    Measurement(
        "store",
        "Embedded store and sqlite3 (WAL, synchronous=FULL): durable writes of 440 octets, 1 and 64 callers",
        store.rate,
        (
            Ratio("one caller, ours / sqlite3", "ours, alone", "sqlite3, alone", 0.5),
            Ratio("64 callers, ours / sqlite3", "ours, together", "sqlite3, together", 0.5),
            Ratio("64 callers, by the processor's time", "ours, together by cpu", "sqlite3, together by cpu", 0.6),
        ),
    ),
    Measurement(
        "store-held",
        "Embedded store and sqlite3 with 200,000 rows: start, memory, a read",
        store.held,
        (
            Ratio("a read, sqlite3's time / ours", "sqlite3, µs a read", "ours, µs a read", 5.0),
            Surplus("memory of ours over that of sqlite3, MiB", "ours, MiB", "sqlite3, MiB", 200),
            Surplus("start of ours over that of sqlite3, s", "ours, s", "sqlite3, s", 4.0),
        ),
        unit="",
    ),
    Measurement(
        "search",
        "A search over ten editors, 35 KB each: what it costs, one editor that hangs, editors that answer in 50 ms",
        search.measure,
        (
            Ratio("search / bare aiohttp and orjson, by the processor's time", "search", "bare", 1 / 2.0),
            Ratio("last card of the others, one editor hung / none hung", "hung", "calm", 0.9),
            Ratio("ten editors, half of the searches / one call to one of them", "ten", "call, ten", 1 / 1.10),
            Ratio("ten editors, half of the searches / half of aiohttp's calls to all", "ten", "aiohttp, ten"),
            Ratio("ten editors, half of the searches / half of the barest client's calls", "ten", "floor, ten"),
            Ratio("ten editors, 99 of 100 searches / that and 10 ms", "ten p99", "bound, ten p99", 1.0),
            Ratio("ten editors, 99 of 100 calls to one of them / the same", "call, ten p99", "bound, ten p99"),
            Ratio("thirty editors, half of the searches / one call to one", "thirty", "call, thirty", 1 / 1.15),
            Ratio("thirty editors, half of the searches / half of aiohttp's calls to all", "thirty", "aiohttp, thirty"),
            Ratio("thirty editors, half of the searches / half of the barest client's", "thirty", "floor, thirty"),
            Ratio("thirty editors, 99 of 100 searches / that and 10 ms", "thirty p99", "bound, thirty p99", 1.0),
            Ratio("thirty editors, 99 of 100 calls to one / the same", "call, thirty p99", "bound, thirty p99"),
        ),
    ),
    Measurement(
        "sas-agenda",
        "A search over typed slots of the SAS agenda and over one editor without network; 100 and 10,000 agendas",
        sas_agenda.measure,
        (
            Ratio(
                "25 practitioners, half with 20 slots: typed / one editor's, without network",
                "typed",
                "one editor",
                1.0,
            ),
            Ratio("10,000 practitioners with 100 typed slots each / 100 of them", "10000", "100", 1 / 1.1),
            Surplus("memory of 10,000 over that of 100, MiB", "10000, MiB", "100, MiB", sas_agenda.ALLOWED_MIB),
        ),
        unit="",
    ),
    Measurement(
        "hub",
        "Hub, persistent publishes of 3 KB with confirms: RabbitMQ and the embedded broker, one core each",
        amqp.measure_publishing,
        (
            Ratio("raw pipelining client, embedded / RabbitMQ", "embedded raw", "rabbitmq raw", 2.0),
            Ratio("aio-pika, embedded / RabbitMQ", "embedded aio-pika", "rabbitmq aio-pika", 1.0),
            Ratio("aiormq, embedded / RabbitMQ", "embedded aiormq", "rabbitmq aiormq", 1.0),
            Ratio("pika, one at a time, embedded / RabbitMQ", "embedded pika", "rabbitmq pika", 0.85),
        ),
    ),
    Measurement(
        "hub-journey",
        "Hub, publisher to consumer: dispatcher inside the embedded broker, and as an AMQP client of either broker",
        amqp.measure_journey,
        (
            Ratio("embedded, dispatcher inside / RabbitMQ", "embedded inside", "rabbitmq journey", 4.0),
            Ratio("embedded, dispatcher a client / RabbitMQ", "embedded journey", "rabbitmq journey", 1.0),
            Ratio("by the clock, dispatcher inside", "embedded inside, wall", "rabbitmq journey, wall"),
            Ratio("by the clock, dispatcher a client", "embedded journey, wall", "rabbitmq journey, wall"),
        ),
        of_rounds=max,
    ),
    Measurement(
        "hub-schemas",
        "Hub, a message of 3 KB judged by its schemas",
        amqp.measure_validation,
        (Ratio("allowed / taken", "allowed", "taken", 1.0),),
        unit="µs",
        of_rounds=min,
    ),
    Measurement(
        "hub-deep",
        "Hub, memory with 300,000 messages of 3 KB in a queue, and once it started again on them",
        hub_memory.deep,
        (
            Ratio("allowed / filled", "allowed", "filled", 1.0),
            Ratio("allowed / restarted", "allowed", "restarted", 1.0),
        ),
        unit="MiB",
    ),
    Measurement(
        "hub-idle",
        "Hub, memory of each of 1,000 idle TLS connections with client certificates",
        hub_memory.idle,
        (Ratio("allowed / each", "allowed", "each", 1.0),),
        unit="KiB",
    ),
    Measurement(
        "lrm",
        "20,000 L02 messages (INT_L02) through one consumer: a bare one with log and acknowledgement, the LRM",
        lrm.measure,
        (
            Ratio("LRM / bare consumer, by the consumer's processor time", "lrm cpu", "bare cpu", 0.5),
            Ratio("LRM / bare consumer, by the clock, behind the embedded broker", "lrm", "bare"),
        ),
    ),
    Measurement(
        "soak",
        "Memory that each role gains per minute of steady traffic, in a quarter of an hour after a warm-up",
        soak.measure,
        (Surplus("the steepest role, MiB a minute, over none", "steepest", "none", soak.ALLOWED_MIB_A_MINUTE),),
        unit="MiB/min",
        only_when_named=True,
    ),
)

"""The character of an editor as switches of the World, and the spread of its latency."""

from __future__ import annotations

import statistics

import pytest

from sandbox.kernel.character import (
    EVERYBODY,
    PLAIN,
    QUIRKS,
    Character,
    Delay,
    character_of,
    latencies,
    problems,
    switches_of,
    with_character,
)
from sandbox.kernel.entropy import seeded
from sandbox.kernel.flows import Flow

ODD = Character(
    quirks={"bad-phone": EVERYBODY, "no-offset": frozenset({"819800000028", "819800000010"})},
    latency={Flow.INT_R01: Delay(120, 600.5)},
    page_size=50,
)


def test_character_becomes_switches_and_comes_back() -> None:
    switches = switches_of("a", ODD)
    assert switches == {
        "editor:a:quirk:bad-phone": "on",
        "editor:a:quirk:no-offset": "819800000010,819800000028",
        "editor:a:latency:INT_R01": "120/600.5",
        "editor:a:page_size": "50",
    }
    assert character_of("a", switches) == ODD
    assert character_of("b", switches) == PLAIN
    assert switches_of("a", PLAIN) == {}


def test_editor_whose_slug_begins_like_another_has_its_own_switches() -> None:
    assert character_of("a", switches_of("a-b", ODD)) == PLAIN


def test_quirk_that_this_process_does_not_know_is_left_alone() -> None:
    assert character_of("a", {"editor:a:quirk:from-the-future": "on"}) == PLAIN


def test_changing_one_editor_leaves_every_other_switch() -> None:
    others = {"rehearsal": "on", **switches_of("b", ODD)}
    before = {**others, **switches_of("a", ODD)}
    assert with_character(before, "a", PLAIN) == others
    assert with_character(others, "a", ODD) == before


def test_quirks_are_listed_in_the_order_in_which_they_are_played() -> None:
    reverse = Character(quirks=dict.fromkeys(reversed(QUIRKS), EVERYBODY))
    assert list(character_of("a", switches_of("a", reverse)).quirks) == list(QUIRKS)


def test_latencies_are_found_by_actor_and_flow() -> None:
    switches = {"rehearsal": "on", **switches_of("a", ODD), **switches_of("b", PLAIN)}
    assert latencies(switches) == {"editor:a": {"INT_R01": Delay(120, 600.5)}}


def test_delays_have_the_median_and_the_95th_percentile_they_were_given() -> None:
    chance = seeded("delays").chance
    drawn = [Delay(120, 600).drawn(chance()) for _ in range(4000)]
    assert 0.11 < statistics.median(drawn) < 0.13
    assert 0.54 < statistics.quantiles(drawn, n=20)[-1] < 0.66
    assert Delay(80, 80).drawn(0.3) == pytest.approx(0.08)


def test_rarest_delays_are_finite_and_bounded() -> None:
    assert 0 < Delay(1, 100_000).drawn(0.0) < 1e-3
    assert Delay(1000, 100_000).drawn(1 - 2**-53) == 120


def wrong(character: Character) -> list[tuple[str, str]]:
    return list(problems(character, (Flow.INT_R01,).__contains__, {"819800000010"}.__contains__))


def test_playable_character_has_no_problem() -> None:
    some = frozenset({"819800000010"})
    delays = {Flow.INT_R01: Delay(1, 1), Flow.UI: Delay(0.5, 120_000)}
    assert wrong(Character(dict.fromkeys(QUIRKS, some), delays, 1)) == []
    assert wrong(PLAIN) == wrong(Character(page_size=1000)) == []


@pytest.mark.parametrize(
    ("character", "where", "what"),
    [
        (Character({"nonsense": EVERYBODY}), "quirks.nonsense", ", ".join(QUIRKS)),
        (Character({"bad-phone": frozenset({"1", "819800000010"})}), "quirks.bad-phone", "this editor: 1"),
        (Character(latency={Flow.SOS: Delay(1, 1)}), "latency.SOS", "does not answer SOS"),
        (Character(latency={Flow.INT_R03: Delay(1, 1)}), "latency.INT_R03", "does not answer INT_R03"),
        (Character(latency={Flow.UI: Delay(0, 1)}), "latency.UI", "0 < median_ms"),
        (Character(latency={Flow.UI: Delay(2, 1)}), "latency.UI", "median_ms <= p95_ms"),
        (Character(latency={Flow.UI: Delay(1, float("nan"))}), "latency.UI", "p95_ms"),
        (Character(latency={Flow.UI: Delay(1, 120_001)}), "latency.UI", "<= 120000"),
        (Character(page_size=0), "page_size", "1 to 1000"),
        (Character(page_size=1001), "page_size", "1 to 1000"),
    ],
)
def test_what_cannot_be_played_is_told_with_its_place(character: Character, where: str, what: str) -> None:
    ((place, text),) = wrong(character)
    assert place == where
    assert what in text

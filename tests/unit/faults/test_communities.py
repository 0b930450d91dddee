"""How communities answer: behaviours as switches of the World, what is refused, what is drawn."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults.communities import (
    ANY_MEMBER,
    DEFAULT,
    LONGEST_S,
    OTHERWISE,
    Answer,
    Behaviour,
    Decision,
    behaviour_of,
    decide,
    problems,
    with_behaviour,
)
from sandbox.kernel.entropy import seeded

MEMBERS = ("819800000077", "819800000085", "819800000093")
behaviours = st.builds(
    Behaviour,
    answer=st.sampled_from(Answer),
    after_s=st.floats(0.001, LONGEST_S),
    p95_s=st.none() | st.just(LONGEST_S),
    practitioner=st.sampled_from([None, ANY_MEMBER, *MEMBERS]),
    probability=st.floats(0.001, 1),
)


@given(behaviours)
def test_a_behaviour_becomes_a_switch_and_comes_back(behaviour: Behaviour) -> None:
    switches = with_behaviour({"other": "on"}, "a", behaviour)
    assert behaviour_of("a", switches) == behaviour
    assert behaviour_of("b", switches) == DEFAULT
    assert with_behaviour(switches, "a", DEFAULT) == {"other": "on"}
    assert list(problems(behaviour, MEMBERS)) == []


def test_a_switch_that_cannot_be_read_is_the_default() -> None:
    assert behaviour_of("a", {"community:a": '{"answer":"sing"}'}) == DEFAULT


@pytest.mark.parametrize(
    ("behaviour", "field"),
    [
        (Behaviour(after_s=-1), "after_s"),
        (Behaviour(after_s=LONGEST_S + 1), "after_s"),
        (Behaviour(after_s=10, p95_s=9), "p95_s"),
        (Behaviour(after_s=0, p95_s=9), "p95_s"),
        (Behaviour(p95_s=LONGEST_S + 1), "p95_s"),
        (Behaviour(practitioner="819800000010"), "practitioner"),
        (Behaviour(probability=0), "probability"),
        (Behaviour(probability=1.5), "probability"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(behaviour: Behaviour, field: str) -> None:
    assert [where for where, _ in problems(behaviour, MEMBERS)] == [field]


def test_a_community_without_members_says_so() -> None:
    ((_, text),) = problems(Behaviour(practitioner="819800000077"), ())
    assert "none" in text


@given(behaviours, st.integers())
def test_the_same_chance_gives_the_same_decision(behaviour: Behaviour, seed: int) -> None:
    one = decide(behaviour, MEMBERS, seeded(seed).chance)
    assert one == decide(behaviour, MEMBERS, seeded(seed).chance)
    assert one.answer in (behaviour.answer, OTHERWISE[behaviour.answer])
    assert 0 <= one.after_s <= LONGEST_S
    assert (one.member in MEMBERS) == (one.answer is Answer.ACCEPT)


def test_the_first_member_accepts_unless_another_is_named() -> None:
    chance = seeded(1).chance
    assert decide(DEFAULT, MEMBERS, chance) == Decision(Answer.ACCEPT, 10.0, MEMBERS[0])
    assert decide(Behaviour(practitioner=MEMBERS[2]), MEMBERS, chance).member == MEMBERS[2]
    assert decide(Behaviour(practitioner="gone"), MEMBERS, chance).member == MEMBERS[0]
    assert decide(DEFAULT, (), chance) == Decision(Answer.ACCEPT, 10.0, None)


@pytest.mark.parametrize("answer", Answer)
def test_the_share_of_requests_and_what_the_others_get(answer: Answer) -> None:
    chance = seeded(answer.value).chance
    behaviour = Behaviour(answer=answer, probability=0.7)
    counts = Counter(decide(behaviour, MEMBERS, chance).answer for _ in range(2_000))
    assert set(counts) == {answer, OTHERWISE[answer]}
    assert 0.65 < counts[answer] / 2_000 < 0.75


def test_delays_and_members_are_spread() -> None:
    chance = seeded(3).chance
    behaviour = Behaviour(after_s=60, p95_s=600, practitioner=ANY_MEMBER)
    found = [decide(behaviour, MEMBERS, chance) for _ in range(3_000)]
    assert 54 < statistics.median(each.after_s for each in found) < 66
    assert 0.94 < sum(each.after_s <= 600 for each in found) / len(found) < 0.96
    assert set(Counter(each.member for each in found)) == {*MEMBERS}

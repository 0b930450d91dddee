"""How a community answers when it is asked to take a patient (marketplace), and the switches that keep it.

    community:<id>    the behaviour as JSON; absent: DEFAULT

`__admin/communities` changes it; the community's editor reads it when a request comes in, so a change concerns the
requests that come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from sandbox.kernel.character import log_normal

LONGEST_S = 86_400.0
ANY_MEMBER = "any"


class Answer(StrEnum):
    """What a community does: a member accepts, all refuse, nobody answers until the time is over, or a person answers
    on the community's page."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    NOBODY = "nobody"
    BY_HAND = "by-hand"


# What happens instead, in the share of requests that `probability` leaves.
OTHERWISE: Mapping[Answer, Answer] = {
    Answer.ACCEPT: Answer.REFUSE,
    Answer.REFUSE: Answer.ACCEPT,
    Answer.NOBODY: Answer.ACCEPT,
    Answer.BY_HAND: Answer.REFUSE,
}


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a community answers.

    `after_s`: seconds of the sandbox's clock until the answer, exactly, or the median of a log-normal distribution
    when `p95_s` (95 of 100 answers come within it) is given. `practitioner`: the member who accepts (prefixed national
    id), ANY_MEMBER for one who is drawn, None for the first one. `probability`, over 0 to 1: the share of requests
    answered so; the others get the answer of OTHERWISE.
    """

    answer: Answer = Answer.ACCEPT
    after_s: float = 10.0
    p95_s: float | None = None
    practitioner: str | None = None
    probability: float = 1.0


DEFAULT = Behaviour()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a community will do about one request: its answer, the seconds until then, the member who accepts."""

    answer: Answer
    after_s: float
    member: str | None = None


def problems(behaviour: Behaviour, members: Collection[str]) -> Iterator[tuple[str, str]]:
    """The problems of a behaviour, for a community of these members: (field, text)."""
    after, p95 = behaviour.after_s, behaviour.p95_s
    if not 0 <= after <= LONGEST_S:
        yield "after_s", f"expected 0 to {LONGEST_S:g} seconds, not {after:g}"
    if p95 is not None and not 0 < after <= p95 <= LONGEST_S:
        yield "p95_s", f"expected 0 < after_s <= p95_s <= {LONGEST_S:g}"
    member = behaviour.practitioner
    if member not in (None, ANY_MEMBER, *members):
        known = ", ".join(members) or "none"
        yield "practitioner", f"'{member}' is no member of this community (members: {known}; or '{ANY_MEMBER}')"
    if not 0 < behaviour.probability <= 1:
        yield "probability", f"expected over 0 to 1, not {behaviour.probability:g}"


def behaviour_of(community: str, switches: Mapping[str, str]) -> Behaviour:
    """The behaviour of a community by the switches of a World; DEFAULT for one that this process cannot read."""
    try:
        return _decoder.decode(switches.get(_switch(community), "{}"))
    except msgspec.MsgspecError:
        return DEFAULT


def with_behaviour(switches: Mapping[str, str], community: str, behaviour: Behaviour) -> dict[str, str]:
    """The same switches, but for the behaviour of this community."""
    others = {key: value for key, value in switches.items() if key != _switch(community)}
    return others if behaviour == DEFAULT else {**others, _switch(community): _encoder.encode(behaviour).decode()}


def decide(behaviour: Behaviour, members: Sequence[str], chance: Callable[[], float]) -> Decision:
    """What a community does about its next request. `chance` gives numbers in [0, 1); three are drawn each time."""
    share, delay, drawn = chance(), chance(), chance()
    answer = behaviour.answer if share < behaviour.probability else OTHERWISE[behaviour.answer]
    after = behaviour.after_s
    if behaviour.p95_s is not None:
        after = min(log_normal(after, behaviour.p95_s, delay), LONGEST_S)
    if answer is not Answer.ACCEPT or not members:
        return Decision(answer, after)
    if behaviour.practitioner == ANY_MEMBER:
        return Decision(answer, after, members[int(drawn * len(members))])
    named = behaviour.practitioner if behaviour.practitioner in members else members[0]
    return Decision(answer, after, named)


def _switch(community: str) -> str:
    return f"community:{community}"


_decoder = msgspec.json.Decoder(Behaviour)
_encoder = msgspec.json.Encoder()

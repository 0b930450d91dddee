"""What the hub's dispatcher counts, as the values that its report carries to the control plane.

The counts are bounded: reasons are the model's error codes, senders the hub's clients (all others are counted as
`UNKNOWN`), virtual hosts the configured ones.
"""

from __future__ import annotations

import msgspec

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNKNOWN = "unknown"
STEP_S, STEPS = 5, 60  # rates cover the last five minutes, in steps of five seconds
OUTCOMES = ("routed", "refused", "dead")


class ErrorCount(msgspec.Struct, frozen=True):
    """How many messages of a sender in a virtual host led to an error. `reason`: its official name."""

    reason: str
    sender: str
    vhost: str
    count: int


class Counts(msgspec.Struct, frozen=True):
    """All counts. `buckets`: messages per bound of BOUNDS_S and one for longer ones, each counted once; `seconds`: sum
    of their times; `rates`: messages per step by outcome (OUTCOMES), the present step last."""

    messages: int
    errors: tuple[ErrorCount, ...]
    buckets: tuple[int, ...]
    seconds: float
    rates: dict[str, tuple[int, ...]]

"""The cost of validating a message by its schemas: microseconds of processor time for a parsed message of 3 KB."""

from __future__ import annotations

import time

import orjson

from load.bench.amqp import message
from sandbox.edxl.validation import validate

ALLOWED_US = 10.0
_MESSAGES, _REPEATED = 5_000, 3


def measure(rounds: int) -> dict[str, list[float]]:
    """Envelope, content and dates, as the dispatcher has them judged."""
    document = orjson.loads(message())
    if issues := validate(document):
        raise ValueError(f"the message measured is not valid: {issues}")
    taken = []
    for _ in range(rounds * _REPEATED):
        started = time.process_time()
        for _ in range(_MESSAGES):
            validate(document)
        taken.append((time.process_time() - started) / _MESSAGES * 1e6)
    return {"allowed": [ALLOWED_US], "taken": taken}

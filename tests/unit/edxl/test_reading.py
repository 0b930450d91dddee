"""Reading a message costs no more than a bound, whatever it is."""

from __future__ import annotations

import time

import orjson
import pytest

from sandbox.edxl.codes import HubCode
from sandbox.edxl.message import LARGEST, MOST_VALUES, MessageError, parse, read
from tests.support.watchdog import untraced
from tests.unit.edxl.corpus import appointment


def refused(body: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read(body)
    return caught.value


@pytest.mark.parametrize("pieces", [b"{},", b"[],", b"1,", b'"a",'])
@pytest.mark.parametrize("size", [1_500_000, LARGEST])
def test_300_too_many_values_are_refused_before_they_are_read(pieces: bytes, size: int) -> None:
    body = b'{"content":[' + pieces * ((size - 20) // len(pieces)) + b"{}]}"
    with untraced():
        started = time.process_time()
        found = refused(body)
        assert time.process_time() - started < 0.1
    assert found.code == HubCode.INVALID_MESSAGE
    assert found.cause == f"The message has over {MOST_VALUES} values"


def test_300_a_message_that_is_too_large_is_refused_before_it_is_read() -> None:
    found = refused(b" " * LARGEST + b"{")
    assert found.code == HubCode.INVALID_MESSAGE
    assert found.cause == f"The message has {LARGEST + 1} octets, {LARGEST} at most are read"


def test_a_large_text_with_few_values_is_read() -> None:
    document = appointment() | {"distributionID": "x" * (LARGEST - 4000)}
    assert read(orjson.dumps(document)).document == document


def test_commas_within_a_small_message_are_not_counted() -> None:
    assert parse(b'"' + b"," * (MOST_VALUES - 2) + b'"') == "," * (MOST_VALUES - 2)

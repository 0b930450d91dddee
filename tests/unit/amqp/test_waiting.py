"""An object that waits for the disk wakes the writer."""

from __future__ import annotations

from typing import Any, cast

from sandbox.amqp.broker.records import Records


def test_one_who_waits_while_nothing_was_written_is_told_with_the_next_batch() -> None:
    records, woken = Records(), list[int]()
    records.on_work = lambda: woken.append(1)
    waiter: Any = cast(Any, object())
    assert records.wait(waiter) == records.batch
    assert woken == [1]
    records.wait(waiter)
    assert woken == [1]

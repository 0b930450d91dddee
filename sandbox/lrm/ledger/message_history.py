"""What one LRM stores about the messages of the hub: a line for each message of its `.message` queue (requirement
L02-13), and the notices of `.ack` and `.info`. Both are bounded. Methods that add something return the write.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from itertools import islice

from sandbox.lrm.ledger.records import Notice, Received, encode, notice_decoder, received_decoder
from sandbox.store.protocol import Put, Store

NOTICES, RECEIVED = "notices", "received"
MOST_NOTICES = 200
MOST_RECEIVED = 1_000  # lines kept in the history of messages
LONGEST_TEXT = 500  # longest notice, in characters


class MessageHistory:
    """The message history of one LRM."""

    def __init__(self, store: Store) -> None:
        self._store = store
        notices = (notice_decoder.decode(row) for _, row in store.items(NOTICES))
        self._notices = sorted(notices, key=lambda notice: notice.number)
        received = (received_decoder.decode(row) for _, row in store.items(RECEIVED))
        self._received = deque(sorted(received, key=lambda row: row.number), MOST_RECEIVED)

    def notices(self) -> list[Notice]:
        """What came to `.ack` and `.info`, the newest first."""
        return self._notices[::-1]

    def received(self, most: int) -> list[Received]:
        """The messages received and what became of them, the newest first, at most `most`."""
        return list(islice(reversed(self._received), most))

    def add_notice(self, *, at: datetime, queue: str, sender: str, kind: str, text: str, ref: str) -> Put:
        """The write of one more notice; the oldest of 200 is replaced. Raises StoreError when nothing can be stored."""
        self._store.check()
        number = self._notices[-1].number + 1 if self._notices else 0
        notice = Notice(number, at.isoformat(timespec="seconds"), queue, sender, kind, text[:LONGEST_TEXT], ref)
        self._notices = [*self._notices, notice][-MOST_NOTICES:]
        return Put(NOTICES, str(number % MOST_NOTICES), encode(notice))

    def next_number(self) -> int:
        """The number of the next message received."""
        return self._received[-1].number + 1 if self._received else 0

    def add_received(self, row: Received) -> Put:
        """The write of one more line, numbered by `next_number`; the oldest of 1,000 is replaced. Raises StoreError
        when nothing can be stored."""
        self._store.check()
        self._received.append(row)
        return Put(RECEIVED, str(row.number % MOST_RECEIVED), encode(row))

    def forget(self, distribution_id: str) -> None:
        """Undo `add_received` for a message whose write failed for good."""
        if self._received and self._received[-1].distribution_id == distribution_id:
            self._received.pop()

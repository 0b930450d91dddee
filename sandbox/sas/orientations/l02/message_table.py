"""The table of the L02 messages: a row per appointment; in memory, the open messages and statistics about all messages.

The key of a row follows from the distributionID, which is `<client id>_<appointment id>.<version>`, with `.<n>` after
it for the n-th time that a person sent the message again. So no index is needed, two versions never share an id, and an
id that is made again after a crash is the same. When there are more rows than MOST_ROWS, the oldest rows whose messages
are all final are deleted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.kernel.clock import Clock
from sandbox.sas.orientations.l02.states import (
    ACKNOWLEDGED,
    DUE,
    FINAL,
    REFUSED,
    AppointmentMessages,
    L02Message,
    MessageState,
    StateChange,
    decode,
    encode,
)
from sandbox.store.protocol import Delete, Put, Store

TABLE = "l02"
MOST_ROWS = 300_000
MOST_OF_ONE = 200  # most messages that are kept of one appointment
RECENT = 10_000  # acknowledgements whose delays are kept; after a start, the last hour is also counted from these
TROUBLES = 200  # refused or expired messages that pages list
_NOTHING = AppointmentMessages()
_MINUTES = 60


class MessageTable:
    """The table of one SAS core. `client_id`: the platform's, with which its own distributionIDs begin."""

    def __init__(self, store: Store, client_id: str, clock: Clock) -> None:
        self._store, self._client_id, self._clock = store, client_id, clock
        self._oldest: deque[str] = deque()  # row keys, in the order of their first message
        self._open: dict[str, str] = {}  # distributionID -> the time when the message became due
        self._counts: Counter[MessageState] = Counter()
        self._troubles: deque[str] = deque(maxlen=TROUBLES)
        self._times: deque[float] = deque(maxlen=RECENT)  # seconds between due and acknowledged
        self._minutes: dict[int, Counter[MessageState]] = {}  # outcomes by minute since the epoch
        self._load()

    def _load(self) -> None:
        """Read the rows of an earlier process; of the acknowledged messages, only the latest RECENT count for times."""
        latest: deque[L02Message] = deque(maxlen=RECENT)
        for key, row in self._store.items(TABLE):
            self._oldest.append(key)
            for message in decode(row).messages:
                if message.state == ACKNOWLEDGED:
                    self._counts[ACKNOWLEDGED] += 1
                    latest.append(message)
                else:
                    self._count(None, message)
        for message in latest:
            self._settled(message)

    def distribution_id(self, appointment_id: str, version: int, sending: int = 0) -> str:
        """The id of a version's message."""
        again = f".{sending}" if sending else ""
        return f"{self._client_id}_{appointment_id}.{version}{again}"

    def row_of(self, distribution_id: str) -> str:
        """The key of the row that has the message, or would get it."""
        appointment_id = distribution_id.removeprefix(f"{self._client_id}_").partition(".")[0]
        mine = self._store.get(TABLE, appointment_id)
        if mine is not None and decode(mine).find(distribution_id) is not None:
            return appointment_id
        return distribution_id

    def row(self, key: str) -> AppointmentMessages:
        """All messages of an appointment; an empty row when nothing is known."""
        octets = self._store.get(TABLE, key)
        return decode(octets) if octets is not None else _NOTHING

    def find(self, distribution_id: str) -> tuple[str | None, L02Message] | None:
        """(appointment id, message); None when the message is not known."""
        key = self.row_of(distribution_id)
        message = self.row(key).find(distribution_id)
        if message is None:
            return None
        return (None if message.version is None else key), message

    def write(self, key: str, message: L02Message) -> tuple[Put | Delete, ...]:
        """The writes that store the present state of a message, to be committed at once. Raises StoreError when that is
        impossible."""
        self._store.check()
        before = self.row(key)
        self._count(before.find(message.distribution_id), message)
        forgotten: tuple[Delete, ...] = ()
        if before is _NOTHING:
            self._oldest.append(key)
            forgotten = self._forget(key) if len(self._oldest) > MOST_ROWS else ()
        return (Put(TABLE, key, encode(self._bounded(before.with_message(message)))), *forgotten)

    def change(
        self, state: MessageState, code: int | None = None, cause: str | None = None, step: str | None = None
    ) -> StateChange:
        """A change to that state, at the present sandbox time."""
        return StateChange(state, self._clock.now().isoformat(timespec="milliseconds"), code, cause, step)

    async def advance(self, distribution_id: str, change: StateChange) -> None:
        """Apply a change to a message; returns once that is durable. Raises StoreError.

        A change that was applied before needs no write. An unknown message gets a row of its own.
        """
        key = self.row_of(distribution_id)
        message = self.row(key).find(distribution_id) or L02Message(distribution_id=distribution_id, state=DUE)
        after = message.after(change)
        if after is message:
            await self._store.barrier()
            return
        await self._store.commit(*self.write(key, after))

    def _bounded(self, row: AppointmentMessages) -> AppointmentMessages:
        first = row.messages[0]
        if len(row.messages) <= MOST_OF_ONE or first.state not in FINAL:
            return row
        self._counts[first.state] -= 1
        return AppointmentMessages(row.messages[1:])

    def overdue(self, life: timedelta) -> Iterator[str]:
        """The distributionIDs of the open messages that became due more than `life` ago."""
        latest = self._clock.now() - life
        for distribution_id, due in list(self._open.items()):
            if datetime.fromisoformat(due) < latest:
                if self.find(distribution_id) is None:  # it was never committed
                    del self._open[distribution_id]
                    self._counts[DUE] -= 1
                else:
                    yield distribution_id

    def troubles(self) -> list[tuple[str | None, L02Message]]:
        """(appointment id, message) of messages refused or expired lately, the latest first."""
        found = (self.find(key) for key in reversed(dict.fromkeys(self._troubles)))
        return [one for one in found if one is not None and one[1].state in FINAL - {ACKNOWLEDGED}]

    def statistics(self) -> dict[str, Any]:
        """Counts by state, the oldest open message, outcomes of the last hour, times until the acknowledgement,
        why messages were refused or expired; times in seconds."""
        now = self._clock.now()
        times = sorted(self._times)
        oldest = next(iter(self._open.values()), None)
        return {
            "states": {str(state): self._counts[state] for state in MessageState},
            "open": len(self._open),
            "oldest": (now - datetime.fromisoformat(oldest)).total_seconds() if oldest else None,
            "lastHour": self._last_hour(_minute(now)),
            "seconds": {"median": _quantile(times, 0.5), "p95": _quantile(times, 0.95)},
            "causes": self._causes(),
        }

    def _last_hour(self, now: int) -> dict[str, int]:
        lately = [counts for minute, counts in self._minutes.items() if now - _MINUTES < minute <= now]
        return {str(state): sum(counts[state] for counts in lately) for state in MessageState if state in FINAL}

    def _causes(self) -> list[dict[str, Any]]:
        """Of the latest troubles: {code, state, count, cause (the latest)}, the commonest first."""
        found: dict[tuple[int | None, MessageState], dict[str, Any]] = {}
        for _, message in self.troubles():
            verdict = message.verdict
            code, cause = (verdict.code, verdict.cause) if verdict is not None else (None, None)
            entry = {"code": code, "state": str(message.state), "count": 0, "cause": cause or ""}
            found.setdefault((code, message.state), entry)["count"] += 1
        return sorted(found.values(), key=lambda entry: -entry["count"])

    def _count(self, before: L02Message | None, after: L02Message) -> None:
        if before is not None:
            self._counts[before.state] -= 1
        self._counts[after.state] += 1
        if after.state not in FINAL:
            self._open.setdefault(after.distribution_id, after.at(DUE) or self._clock.now().isoformat())
        elif before is None or before.state != after.state:
            self._settled(after)

    def _settled(self, message: L02Message) -> None:
        self._open.pop(message.distribution_id, None)
        due, verdict = message.at(DUE), message.verdict
        if verdict is not None:
            at = datetime.fromisoformat(verdict.at)
            self._minutes.setdefault(_minute(at), Counter())[message.state] += 1
            while len(self._minutes) > 2 * _MINUTES:
                del self._minutes[next(iter(self._minutes))]
            if due is not None and message.state == ACKNOWLEDGED:
                self._times.append((at - datetime.fromisoformat(due)).total_seconds())
        if message.state != ACKNOWLEDGED:
            self._troubles.append(message.distribution_id)

    def _forget(self, writing: str) -> tuple[Delete, ...]:
        """Delete the oldest row if all its messages are final; otherwise move it to the end."""
        key = self._oldest.popleft()
        if key == writing:  # its writes were made earlier and are not committed yet
            return ()
        row = self.row(key)
        if not row.finished:
            self._oldest.append(key)
            return ()
        for message in row.messages:
            self._counts[message.state] -= 1
        return (Delete(TABLE, key),)


def may_go_again(row: AppointmentMessages, message: L02Message) -> bool:
    """Whether a person may send a message again: it failed and is the latest message of the appointment."""
    return message.state in FINAL - {ACKNOWLEDGED} and message == row.messages[-1]


def exists_there(row: AppointmentMessages) -> bool:
    """Whether the LRM is known to have the appointment: it acknowledged one of its messages, or answered 409."""
    events = [event for message in row.messages for event in message.events]
    return any(event.state == ACKNOWLEDGED or (event.state == REFUSED and event.code == 409) for event in events)


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _quantile(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None

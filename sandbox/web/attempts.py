"""A limit to guessing passwords and to asking for new ones. Pure; times are given (monotonic seconds).

What is counted is the account that somebody tries to enter, however he writes its name; `account_name` and
`stranger_name` make the names to count under.
"""

from __future__ import annotations

from collections import OrderedDict

MOST_FAILURES = 5
WINDOW_S = 60.0
_LONGEST = 200  # characters of a name that count


class Attempts:
    """Failed logins by name: after five within a minute every login under that name is refused for the rest of it."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._failures: OrderedDict[str, tuple[float, ...]] = OrderedDict()
        self._capacity = capacity

    def wait(self, now: float, *names: str) -> float:
        """Seconds until all of `names` may try again; 0 when they may now."""
        return max((self._wait(_fold(name), now) for name in names), default=0.0)

    def failed(self, now: float, *names: str) -> None:
        """Count a failure for each of `names`."""
        for name in map(_fold, names):
            recent = (*self._recent(name, now), now)[-MOST_FAILURES:]
            self._failures.pop(name, None)
            self._failures[name] = recent
            if len(self._failures) > self._capacity:
                self._failures.popitem(last=False)

    def succeeded(self, *names: str) -> None:
        """Forget the failures of `names`."""
        for name in names:
            self._failures.pop(_fold(name), None)

    def _wait(self, name: str, now: float) -> float:
        recent = self._recent(name, now)
        return recent[0] + WINDOW_S - now if len(recent) >= MOST_FAILURES else 0.0

    def _recent(self, name: str, now: float) -> tuple[float, ...]:
        return tuple(at for at in self._failures.get(name, ()) if at + WINDOW_S > now)


def account_name(id: str) -> str:
    """The name of an account that was found, by whatever it was found."""
    return f"account:{id}"


def stranger_name(typed: str) -> str:
    """The name of what was typed, when there is no such account."""
    return f"typed:{typed.strip()}"


def _fold(name: str) -> str:
    return name.strip().casefold()[:_LONGEST]

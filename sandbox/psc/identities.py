"""The demonstration people of Pro Santé Connect, their passwords, and a limit to guessing. Pure; times are given."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from sandbox.kernel.model import Regulator

MOST_FAILURES = 5
WINDOW_S = 60.0


class Identities:
    """Regulators by the names they log in with: identifier value, `system|value`, or e-mail (any case)."""

    def __init__(self, people: Iterable[Regulator]) -> None:
        self.people: Sequence[Regulator] = tuple(people)
        self._by_key = {person.identifier.key: person for person in self.people}
        self._by_login: dict[str, Regulator] = {}
        for person in self.people:
            for login in (person.identifier.value, person.identifier.key, person.email):
                self._by_login.setdefault(_fold(login), person)

    def by_key(self, key: str) -> Regulator | None:
        """The person of an identifier key (`system|value`), as a session holds it."""
        return self._by_key.get(key)

    def authenticate(self, login: str, password: str) -> Regulator | None:
        """The person, if the password is theirs. Takes as long for an unknown login as for a wrong password."""
        person = self._by_login.get(_fold(login))
        expected = person.password if person else "\x00"  # no browser sends it
        good = hmac.compare_digest(expected.encode(), password.encode())
        return person if good and person is not None else None


def _fold(login: str) -> str:
    return login.strip().casefold()


class Attempts:
    """Failed logins by who tried: five within a minute, then nobody is let in under that name for the rest of it."""

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

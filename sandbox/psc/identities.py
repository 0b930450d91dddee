"""The demonstration people of Pro Santé Connect and their passwords. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

from sandbox.kernel.identifiers import regulator_login
from sandbox.kernel.model import Regulator


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

    def named(self, login: str) -> Regulator | None:
        """The person who is meant by what was typed."""
        return self._by_login.get(_fold(regulator_login(login))) or self._by_login.get(_fold(login))

    def authenticate(self, login: str, password: str) -> Regulator | None:
        """The person, if the password is theirs. Takes as long for an unknown login as for a wrong password."""
        person = self.named(login)
        expected = person.password if person else "\x00"  # a password that no browser can send
        good = hmac.compare_digest(expected.encode(), password.encode())
        return person if good and person is not None else None


def _fold(login: str) -> str:
    return login.strip().casefold()

"""The demonstration people of Pro Santé Connect and their passwords. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sandbox.kernel.identifiers import SYSTEM_PERSON, Identifier, regulator_login
from sandbox.kernel.model import Practitioner, Regulator

PRACTITIONER = "médecin – agenda SAS"  # what the login page says of those who type their slots themselves

Find = Callable[[str], Practitioner | None]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in. `email`: "" for somebody without one; `parts`: what he is in the sandbox (his territory
    as a regulator, PRACTITIONER); `passwords`: one for each part, each of them opens the account."""

    identifier: Identifier
    family: str
    given: str
    email: str
    parts: tuple[str, ...]
    passwords: tuple[str, ...]

    @classmethod
    def of_regulator(cls, regulator: Regulator) -> Person:
        """A regulator, whatever else he may be."""
        return cls(
            identifier=regulator.identifier,
            family=regulator.family,
            given=regulator.given,
            email=regulator.email,
            parts=(regulator.territory,),
            passwords=(regulator.password,),
        )

    @classmethod
    def of_practitioner(cls, practitioner: Practitioner) -> Person:
        """A practitioner of the SAS agenda who has a demonstration account."""
        return cls(
            identifier=Identifier(SYSTEM_PERSON, practitioner.id, "IDNPS"),
            family=practitioner.family,
            given=practitioner.given,
            email="",
            parts=(PRACTITIONER,),
            passwords=(practitioner.password,),
        )

    def knows(self, password: str) -> bool:
        """Compare a password with each of the account, in constant time."""
        given = password.encode()
        equal = [hmac.compare_digest(each.encode(), given) for each in self.passwords]
        return any(equal)


NOBODY = Person(Identifier("", ""), "", "", "", (), ("\x00",))  # a password that no browser can send


class Identities:
    """People by the names they log in with: identifier value, `system|value`, or e-mail (any case).

    `find`: the practitioner with a national id, with or without its prefix; those with a password log in too. One with
    the identifier of a regulator is the same person. `shown`: the practitioners whom the login page lists.
    """

    def __init__(
        self, regulators: Iterable[Regulator], find: Find = lambda _: None, shown: Iterable[Practitioner] = ()
    ) -> None:
        self._find = find
        self.people: Sequence[Person] = tuple(map(Person.of_regulator, regulators))
        self._by_key = {person.identifier.key: person for person in self.people}
        self._by_login: dict[str, Person] = {}
        for person in self.people:
            for login in (person.identifier.value, person.identifier.key, person.email):
                self._by_login.setdefault(_fold(login), person)
        accounts = [Person.of_practitioner(each) for each in shown if each.password]
        self.practitioners = [each for each in accounts if each.identifier.key not in self._by_key]

    def by_key(self, key: str) -> Person | None:
        """The person of an identifier key (`system|value`), as a session holds it."""
        system, _, value = key.rpartition("|")
        return self._whole(self._by_key.get(key), value if system == SYSTEM_PERSON else "")

    def named(self, login: str) -> Person | None:
        """The person who is meant by what was typed."""
        found = self._by_login.get(_fold(regulator_login(login))) or self._by_login.get(_fold(login))
        if found is not None:
            return self.by_key(found.identifier.key)
        system, _, value = login.strip().rpartition("|")
        return self._whole(None, value if system in ("", SYSTEM_PERSON) else "")

    def authenticate(self, login: str, password: str) -> Person | None:
        """The person, if the password is theirs. Takes as long for an unknown login as for a wrong password."""
        person = self.named(login)
        good = (person or NOBODY).knows(password)
        return person if good and person is not None else None

    def _whole(self, regulator: Person | None, national_id: str) -> Person | None:
        """One person with both parts, of which each may be absent."""
        practitioner = self._find(national_id) if national_id else None
        if practitioner is None or not practitioner.password:
            return regulator
        account = Person.of_practitioner(practitioner)
        if regulator is None:
            return account
        parts, passwords = (*regulator.parts, *account.parts), (*regulator.passwords, *account.passwords)
        return replace(regulator, parts=parts, passwords=passwords)


def _fold(login: str) -> str:
    return login.strip().casefold()

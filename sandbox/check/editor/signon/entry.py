"""Where a regulator enters the pages that are examined: `Slot.comment` of a free slot, and the account that he has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.target import Target
from sandbox.fhir.practitioner import RegulatorAccount, render_regulator
from sandbox.fhir.queries.search import schedule_query, slot_query
from sandbox.fhir.rules import walk
from sandbox.kernel.errors import JsonError
from sandbox.kernel.flows import Flow
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_SAS, Identifier
from sandbox.kernel.text.json_input import Limits, read_json

DAYS = timedelta(days=3)
_LIMITS = Limits(octets=64 << 20, elements=2_000_000)
_SITES = ("sos_one_site", "sos_two_sites", "sos_associations")


async def booking_url(subject: Subject) -> str:
    """The comment of a bookable slot of the next three days; "" when none is found."""
    for path in _searches(subject):
        exchange = await subject.wire.get(path)
        if (found := _comment(exchange)) != "":
            return found
    return ""


def _searches(subject: Subject) -> Iterator[str]:
    target, start, end = subject.target, subject.now, subject.now + DAYS
    cpts = target.speaks(Flow.INT_R04)
    if cpts or target.speaks(Flow.INT_R01):
        for name in sorted(target.examples):
            if name.startswith("practitioner_") and name != "practitioner_no_slots":
                yield f"Slot?{slot_query(target.example(name), start, end, cpts=cpts)}"
    if target.speaks(Flow.SOS):
        for name in _SITES:
            if target.example(name):
                yield f"Schedule?{schedule_query(target.example(name), start, end)}"


def _comment(exchange: Exchange) -> str:
    try:
        document = read_json(exchange.body, _LIMITS) if exchange.status == 200 else None
    except JsonError:
        return ""
    slots = [slot for _, slot in walk(document, "", "entry.resource") if isinstance(slot, dict)]
    usable = [(_is_walkin(slot), str(slot["comment"])) for slot in slots if _is_url(slot.get("comment"))]
    return min(usable)[1] if usable else ""


def _is_walkin(slot: Mapping[str, Any]) -> bool:
    return any(code == "WALKIN" for _, code in walk(slot, "", "appointmentType.coding.code"))


def _is_url(comment: object) -> bool:
    return isinstance(comment, str) and comment.startswith(("http://", "https://")) and " " not in comment


def with_origin(url: str, origin: str = "sas") -> str:
    """The address to which the SAS core sends a regulator."""
    return f"{url}{'&' if '?' in url else '?'}origin={origin}"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A person who can log in at the sandbox's Pro Santé Connect, and the account that INT_R02 gives them."""

    account: RegulatorAccount
    password: str

    @property
    def login(self) -> str:
        """What is typed at Pro Santé Connect."""
        return self.account.identifiers[0].value


def demonstration(target: Target) -> Demonstration | None:
    """The last regulator of the file: the first one is whom people try the sandbox with."""
    usable = [row for row in target.regulators if all(isinstance(row.get(name), str) for name in _NEEDED)]
    if not usable:
        return None
    row = usable[-1]
    system = str(row.get("system") or SYSTEM_PERSON)
    identifier = Identifier(system, row["identifier"], "INTRN" if system == SYSTEM_SAS else "IDNPS")
    given, family = str(row.get("given") or "Essai"), str(row.get("family") or "CONTROLE")
    return Demonstration(RegulatorAccount((identifier,), True, family, (given,), row["email"]), row["password"])


_NEEDED = ("identifier", "email", "password")


async def put_account(subject: Subject, account: RegulatorAccount) -> Exchange:
    """INT_R02: the account as it is to be."""
    query = quote(account.identifiers[0].key, safe="")
    return await subject.wire.call(
        "PUT",
        f"Practitioner?identifier={query}",
        headers={"Content-Type": "application/fhir+json"},
        body=render_regulator(account),
    )

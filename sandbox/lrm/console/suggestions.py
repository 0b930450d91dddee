"""Which case file an orientation probably belongs to, and why. Pure.

Each reason has a weight: the same regulator, a search in the SAS platform shortly before the appointment was made, a
call shortly before, the specialty; an orientation that the case file already has counts against it. The territory has
no weight (all case files of an LRM belong to its territory) and is only listed with the other reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.lrm.ledger.records import CaseFile, Orientation

NEAR = timedelta(minutes=90)
MOST = 3
_ENOUGH = 3  # weight below which nothing is suggested


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A case file, the reasons (in French), and the sum of their weights."""

    case_file: CaseFile
    reasons: tuple[str, ...]
    weight: int


def suggestions(orientation: Orientation, case_files: Iterable[CaseFile], territory: str) -> list[Suggestion]:
    """The most probable case files, the best first; `territory`: name of the LRM's."""
    appointment = orientation.appointment
    found = [_judged(case_file, appointment, territory) for case_file in case_files]
    good = [each for each in found if each.weight >= _ENOUGH]
    return sorted(good, key=lambda each: -each.weight)[:MOST]


def _judged(case_file: CaseFile, appointment: dict[str, Any], territory: str) -> Suggestion:
    reasons: list[tuple[int, str]] = []
    operator, regulator = case_file.operator, appointment["regulator"]
    if operator is not None and operator.email.lower() == regulator["regulatorEmail"].lower():
        reasons.append((3, f"même régulateur ({operator.given} {operator.family})"))
    created = datetime.fromisoformat(appointment["created"])
    if case_file.searched and (minutes := _minutes(case_file.searched, created)) is not None:
        reasons.append((3, f"recherche lancée depuis ce dossier {_ago(minutes)} avant le rendez-vous"))
    elif (minutes := _minutes(case_file.opened, created)) is not None:
        reasons.append((2, f"appel reçu {_ago(minutes)} avant la prise du rendez-vous"))
    if appointment.get("practitioner", {}).get("specialityCode") == case_file.call.specialty:
        reasons.append((1, "même spécialité"))
    if case_file.orientations:
        reasons.append((-2, "a déjà une orientation"))
    weight = sum(each for each, _ in reasons)
    return Suggestion(case_file, (*(text for _, text in reasons), f"même territoire ({territory})"), weight)


def _minutes(earlier: str, later: datetime) -> int | None:
    """Whole minutes from the first to the second when the second follows within NEAR."""
    passed = later - datetime.fromisoformat(earlier)
    return max(0, round(passed.total_seconds() / 60)) if timedelta(minutes=-1) <= passed <= NEAR else None


def _ago(minutes: int) -> str:
    return f"{minutes} min" if minutes else "moins d'une minute"

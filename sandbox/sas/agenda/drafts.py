"""What a practitioner types: a slot, a weekly series, a closed period; read and checked. Pure.

Every refusal is a `Refusal` 422 that says what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.fhir.nos import CONSULTATIONS, VISIBILITIES
from sandbox.kernel.clock import LATEST
from sandbox.kernel.model import Place, Practitioner
from sandbox.population.agendas.calendar import region_of
from sandbox.sas.agenda.agenda import Closure
from sandbox.sas.agenda.local_time import MINUTES_A_DAY, local
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import WEEK, Kind, Series

LONGEST_MINUTES = 12 * 60
FARTHEST = timedelta(days=731)  # from now to a slot, from the first to the last day of a series, length of a closure
MOST_PATIENTS = 50
MOST_REASONS, LONGEST_TEXT = 10, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDraft:
    """A slot as it is typed. `start`, `end` aware; `place`: id of a place of his, "" for the only one; `visibilities`:
    R314 codes; `type`: v3-ActCode code; `until`: last possible day of a weekly series, None for a single slot."""

    start: datetime
    end: datetime
    place: str = ""
    visibilities: tuple[str, ...] = ("PUBLIC",)
    type: str = "AMB"
    reasons: tuple[str, ...] = ()
    max_patients: int = 1
    until: date | None = None

    def series(self, person: Practitioner, now: datetime) -> Series:
        """The series, without an id. Raises Refusal 422."""
        place = place_of(person, self.place)
        zone = region_of(place.insee).zone
        self._require_times(now)
        day, start = local(zone, self.start.timestamp())
        end_day, end = local(zone, self.end.timestamp())
        length = (end_day - day) * MINUTES_A_DAY + end - start
        if length <= 0:  # within the hour that exists twice
            raise _end()
        if length > LONGEST_MINUTES:
            raise Refusal(
                Cause.LENGTH,
                f"a slot is at most {LONGEST_MINUTES // 60} hours long",
                f"Un créneau dure au plus {LONGEST_MINUTES // 60} heures.",
                "end",
            )
        return Series("", day, self._last(day), start, length, self._kind(place, person))

    def _require_times(self, now: datetime) -> None:
        for name, at in (("start", self.start), ("end", self.end)):
            if at.timestamp() % 60:
                raise Refusal(Cause.LENGTH, f"`{name}` is a whole minute", "Les heures sont en minutes entières.", name)
        if self.end <= self.start:
            raise _end()
        if self.start <= now:
            raise Refusal(Cause.PAST, "the slot begins in the past", "Le créneau commence dans le passé.", "start")
        if self.start > now + FARTHEST or self.end >= LATEST:
            detail = f"a slot begins at most {FARTHEST.days} days from now"
            raise Refusal(Cause.UNTIL, detail, "Un créneau commence dans les deux ans qui viennent.", "start")

    def _last(self, day: int) -> int:
        if self.until is None:
            return day
        last = self.until.toordinal()
        if not day + WEEK <= last <= day + FARTHEST.days:
            raise Refusal(
                Cause.UNTIL,
                f"a weekly series ends from a week to {FARTHEST.days} days after its first day",
                "Une série hebdomadaire se termine entre une semaine et deux ans après son premier jour.",
                "weekly.until",
            )
        return day + (last - day) // WEEK * WEEK

    def _kind(self, place: Place, person: Practitioner) -> Kind:
        _require_visibilities(self.visibilities, person)
        if self.type not in CONSULTATIONS:
            known = ", ".join(CONSULTATIONS)
            raise Refusal(Cause.TYPE, f"type '{self.type}' is unknown: expected {known}", "Choisissez un type.", "type")
        if not 1 <= self.max_patients <= MOST_PATIENTS:
            raise Refusal(
                Cause.PATIENTS,
                f"a slot holds 1 to {MOST_PATIENTS} patients",
                f"Un créneau accueille de 1 à {MOST_PATIENTS} patients.",
                "max_patients",
            )
        reasons = tuple(text for each in self.reasons if (text := " ".join(each.split())))
        if len(reasons) > MOST_REASONS or any(len(text) > LONGEST_TEXT for text in reasons):
            raise Refusal(
                Cause.REASONS,
                f"at most {MOST_REASONS} reasons of {LONGEST_TEXT} characters",
                f"Au plus {MOST_REASONS} motifs de {LONGEST_TEXT} caractères.",
                "reasons",
            )
        given = tuple(code for code in VISIBILITIES if code in self.visibilities)
        return Kind(place.id, given, self.type, reasons, self.max_patients)


def place_of(person: Practitioner, id: str) -> Place:
    """The place of a practitioner with that id, "" for the only one. Raises Refusal 422."""
    if not id and len(person.places) == 1:
        return person.places[0]
    for place in person.places:
        if place.id == id:
            return place
    known = ", ".join(place.id for place in person.places)
    detail = f"no place '{id}' of {person.id}: expected one of {known}" if id else f"which place? one of {known}"
    raise Refusal(Cause.PLACE, detail, "Choisissez un de vos lieux de consultation.", "place")


def _require_visibilities(codes: tuple[str, ...], person: Practitioner) -> None:
    if not codes or (unknown := [code for code in codes if code not in VISIBILITIES]):
        given = f"visibility '{unknown[0]}' is unknown" if codes else "a slot has a visibility"
        detail = f"{given}: expected some of {', '.join(VISIBILITIES)}"
        raise Refusal(Cause.VISIBILITY, detail, "Choisissez au moins une visibilité.", "visibility")
    if "CPTS" in codes and not person.cpts:
        raise Refusal(
            Cause.VISIBILITY,
            f"{person.id} is a member of no CPTS: no slot of his is visible to one",
            "Vous n'êtes membre d'aucune CPTS : un créneau ne peut pas être réservé à une CPTS.",
            "visibility",
        )


def _end() -> Refusal:
    return Refusal(Cause.END, "`end` is after `start`", "La fin du créneau doit être après son début.", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureDraft:
    """A closed period as it is typed. `start`, `end` aware; `place`: the only place that is closed, "" for all."""

    start: datetime
    end: datetime
    label: str = ""
    place: str = ""

    def closure(self, person: Practitioner, now: datetime) -> Closure:
        """The closed period, without an id. Raises Refusal 422."""
        label = " ".join(self.label.split())
        if self.end <= self.start:
            raise Refusal(
                Cause.END, "`end` is after `start`", "La fin de la fermeture doit être après son début.", "end"
            )
        if self.end <= now:
            raise Refusal(Cause.PAST, "the period is over", "Cette période est déjà passée.", "end")
        if self.end - self.start > FARTHEST or self.start > now + FARTHEST:
            detail = f"a closed period begins within {FARTHEST.days} days and lasts at most as long"
            raise Refusal(Cause.UNTIL, detail, "Une fermeture commence et se termine dans les deux ans.", "end")
        if len(label) > LONGEST_TEXT:
            detail = f"`label` has at most {LONGEST_TEXT} characters"
            raise Refusal(Cause.LABEL, detail, f"Le libellé a au plus {LONGEST_TEXT} caractères.", "label")
        place = place_of(person, self.place).id if self.place else ""
        return Closure("", int(self.start.timestamp()), int(self.end.timestamp()), label, place)

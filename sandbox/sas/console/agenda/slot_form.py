"""The forms of a practitioner's agenda: what was typed, kept as text, and what it means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from starlette.datastructures import FormData

from sandbox.kernel.model import Place, Practitioner
from sandbox.sas.agenda.agenda import Scope
from sandbox.sas.agenda.drafts import ClosureDraft, SlotDraft
from sandbox.sas.agenda.refusals import Refusal
from sandbox.sas.agenda.series import FOREVER, Occurrence
from sandbox.sas.console.agenda.week_view import place_zone

Errors = dict[str, str]  # by field of the form; "" for what no field is to blame for

TEXTS = ("jour", "debut", "fin", "lieu", "repeter", "jusqua", "type", "motifs", "patients", "portee")
WEEKLY = "semaine"
FIRST_YEAR, LAST_YEAR = 2000, 2098
CLOSURE_TEXTS = ("du", "au", "de", "a", "libelle", "lieu")
# The fields of the forms by the names that refusals give them.
_FIELDS: Mapping[str, str] = {
    "start": "debut",
    "end": "fin",
    "place": "lieu",
    "weekly.until": "jusqua",
    "visibility": "visibilite",
    "type": "type",
    "reasons": "motifs",
    "max_patients": "patients",
}
_CLOSURE_FIELDS: Mapping[str, str] = {"start": "du", "end": "au", "place": "lieu", "label": "libelle"}


def blank(person: Practitioner, day: date) -> dict[str, Any]:
    """The values of the form of a new slot."""
    place = person.places[0].id if person.places else ""
    texts = {"jour": day.isoformat(), "debut": "09:00", "fin": "09:30", "lieu": place, "type": "AMB", "patients": "1"}
    return {**dict.fromkeys(TEXTS, ""), **texts, "visibilite": ["PUBLIC"]}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The slot that a form is about; `weekly`: it is one of a series."""

    slot: Occurrence
    weekly: bool

    @property
    def until(self) -> date | None:
        """The last day of its series; None for a single slot, and where the series has no end."""
        return date.fromordinal(self.slot.last) if self.weekly and self.slot.last < FOREVER else None


def values_of(chosen: Chosen) -> dict[str, Any]:
    """The values of the form of a slot as it is."""
    slot, until = chosen.slot, chosen.until
    return {
        "jour": slot.begins.date().isoformat(),
        "debut": f"{slot.begins:%H:%M}",
        "fin": f"{slot.ends:%H:%M}",
        "lieu": slot.kind.place,
        "repeter": WEEKLY if chosen.weekly else "",
        "jusqua": until.isoformat() if until is not None else "",
        "type": slot.kind.type,
        "motifs": ", ".join(slot.kind.reasons),
        "patients": str(slot.kind.max_patients),
        "portee": Scope.ONE.value,
        "visibilite": list(slot.kind.visibilities),
    }


def typed(form: FormData) -> dict[str, Any]:
    """What was typed, to be read or shown again."""
    texts = {name: str(form.get(name, "")).strip() for name in TEXTS}
    return {**texts, "visibilite": [str(each) for each in form.getlist("visibilite")]}


def read_slot(
    values: Mapping[str, Any], person: Practitioner, chosen: Chosen | None = None
) -> tuple[SlotDraft | None, Errors]:
    """The slot that was typed, or None and what cannot be read, by field. `chosen`: what is changed."""
    errors: Errors = {}
    zone = place_zone(person, values["lieu"])
    day = _date(values["jour"], "jour", errors)
    begin, end = (_time(values[name], name, errors) for name in ("debut", "fin"))
    until = _date(values["jusqua"], "jusqua", errors) if _ends(values, chosen, errors) else None
    patients = _number(values["patients"], errors)
    if errors or day is None or begin is None or end is None or patients is None:
        return None, errors
    return SlotDraft(
        start=datetime.combine(day, begin, zone),
        end=datetime.combine(day + timedelta(days=1) if end == time() else day, end, zone),
        place=values["lieu"],
        visibilities=tuple(values["visibilite"]),
        type=values["type"],
        reasons=tuple(text for each in values["motifs"].split(",") if (text := each.strip())),
        max_patients=patients,
        until=until,
    ), {}


def _ends(values: Mapping[str, Any], chosen: Chosen | None, errors: Errors) -> bool:
    """Whether the end of a series was typed. That of a series that is changed stays where it is when its field is
    empty or as it was; one of its slots alone has none."""
    if chosen is not None and chosen.weekly:
        kept = ("", values_of(chosen)["jusqua"])
        return read_scope(values["portee"]) is not Scope.ONE and values["jusqua"] not in kept
    if values["repeter"] == WEEKLY and not values["jusqua"]:
        errors["jusqua"] = "Saisissez la date de fin de la série."
    return values["repeter"] == WEEKLY and bool(values["jusqua"])


def read_scope(text: str) -> Scope:
    """How much of a series is meant; only the slot itself where nothing was chosen."""
    return Scope(text) if text in tuple(Scope) else Scope.ONE


def blank_closure(day: date) -> dict[str, str]:
    """The values of the form of a closed period."""
    return {**dict.fromkeys(CLOSURE_TEXTS, ""), "du": day.isoformat(), "au": day.isoformat()}


def typed_closure(form: FormData) -> dict[str, str]:
    """What was typed, to be read or shown again."""
    return {name: str(form.get(name, "")).strip() for name in CLOSURE_TEXTS}


def read_closure(values: Mapping[str, str], person: Practitioner) -> tuple[ClosureDraft | None, Errors]:
    """The closed period that was typed, or None and what cannot be read, by field. Without hours it is whole days, the
    last one included."""
    errors: Errors = {}
    zone = place_zone(person, values["lieu"])
    first, last = (_date(values[name], name, errors) for name in ("du", "au"))
    begin = _time(values["de"], "de", errors) if values["de"] else time()
    end = _time(values["a"], "a", errors) if values["a"] else time()
    if errors or first is None or last is None or begin is None or end is None:
        return None, errors
    whole = timedelta(days=1 if end == time() else 0)
    start, stop = datetime.combine(first, begin, zone), datetime.combine(last + whole, end, zone)
    return ClosureDraft(start=start, end=stop, label=values["libelle"], place=values["lieu"]), {}


def problems(refusal: Refusal, *, closure: bool = False) -> Errors:
    """A refusal in French, at the field that it is about."""
    fields = _CLOSURE_FIELDS if closure else _FIELDS
    where = refusal.issues[0].expression or ""
    return {fields.get(where, ""): refusal.french}


def place_choices(places: Sequence[Place], every: str = "") -> list[tuple[str, str]]:
    """The places of a practitioner, to choose from; `every`: the words for all of them, "" when one must be chosen."""
    named = [(place.id, f"{place.line}, {place.postal_code} {place.city}") for place in places]
    return [("", every), *named] if every else named


def _date(text: str, name: str, errors: Errors) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if FIRST_YEAR <= day.year <= LAST_YEAR:
        return day
    errors[name] = f"Saisissez une date entre {FIRST_YEAR} et {LAST_YEAR}, par exemple 2026-12-01."
    return None


def _time(text: str, name: str, errors: Errors) -> time | None:
    try:
        return time.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        errors[name] = "Saisissez une heure, par exemple 09:30."
        return None


def _number(text: str, errors: Errors) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    errors["patients"] = "Saisissez un nombre de patients."
    return None

"""What real editors get wrong (ANS's list of recurrent errors), each as a transformation of a correct answer. Pure.

A quirk makes its own defect and no other: `total` counts what is sent, added slots have ids and booking URLs of their
own, references resolve as far as they did. Where several are on they are played in the order of `kernel.character`:
slots come and go first, then elements are spoilt, then slots are attached elsewhere, and last an empty answer becomes
an error. A quirk may be for some practitioners or associations only; what belongs to nobody of them stays as it is (a
CPTS belongs to those whose slots alone name it).

Answers that are paged are transformed page by page: `total` then counts what was added to the present page.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import orjson

from sandbox.editor.fhir.resource_edits import EDITS, Edit, Node
from sandbox.fhir.outcome import outcome
from sandbox.fhir.queries.search import window_end, written_ids
from sandbox.kernel.clock import PARIS, fhir_instant
from sandbox.kernel.errors import Issue
from sandbox.population.agendas.agenda import slot_id, zone_of
from sandbox.population.people import Population

Concerned = Mapping[str, frozenset[str]]  # quirk -> prefixed ids; none of them: everybody

_FAR = timedelta(days=3660)  # a window longer than that has no outside worth a slot


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a search: `document` is the searchset, or an OperationOutcome."""

    status: int
    document: Node


@dataclass(frozen=True, slots=True)
class Scene:
    """What a quirk knows beside the answer. `asked`: prefixed id -> as it was written; `end`: of the window."""

    population: Population
    asked: Mapping[str, str]
    now: datetime
    end: datetime

    def owner(self, schedule: str) -> str | None:
        """Prefixed id of the practitioner or association whose schedule it is."""
        return _holder(self.population, schedule)

    def owner_of(self, resource: Node) -> str | None:
        """Prefixed id of whom a resource belongs to; None for those of a CPTS."""
        return _owner(self.population, resource)

    def zone(self, schedule: str) -> ZoneInfo:
        """The time zone of a schedule's place."""
        where = self.population.place(schedule) or self.population.site(schedule)
        return zone_of(where[1].insee) if where else PARIS

    def stored(self, key: str) -> str:
        """An id as the agenda stores it; SIRETs are stored without their prefix."""
        person = self.population.practitioner(key)
        return (person.stored_id or person.id) if person else key[1:]


Who = Callable[[str | None], bool]
Player = Callable[[Answer, Scene, Who], Answer]


def play(quirks: Concerned, body: bytes, scene: Scene) -> Answer:
    """The correct answer `body`, with these quirks."""
    answer = Answer(200, orjson.loads(body))
    for name, ids in quirks.items():
        answer = PLAYERS[name](answer, scene, _who(ids))
    return answer


def play_read(quirks: Concerned, body: bytes, population: Population) -> bytes:
    """A resource that was read, with those of the quirks that spoil single resources."""
    edits = [(EDITS[name], _who(ids)) for name, ids in quirks.items() if name in EDITS]
    if not edits:
        return body
    resource: Node = orjson.loads(body)
    owner = _owner(population, resource)
    for edit, who in edits:
        if who(owner):
            edit(resource)
    return orjson.dumps(resource)


def scene_of(population: Population, raw_query: str, now: datetime) -> Scene:
    """The scene of a search that was answered correctly."""
    return Scene(population, written_ids(raw_query), now, window_end(raw_query))


def _who(ids: frozenset[str]) -> Who:
    return (lambda owner: owner in ids) if ids else (lambda owner: True)


# --- slots that come and go


def _unfound(answer: Answer, scene: Scene, who: Who) -> Answer:
    """Who was not asked for as the agenda stores him is not found."""
    gone = {key for key, written in scene.asked.items() if who(key) and written != scene.stored(key)}
    _drop(answer.document, lambda resource: scene.owner_of(resource) in gone)
    named = _named(_slots(answer.document))
    _drop(answer.document, lambda resource: _is_of_cpts(resource, scene) and resource["id"] not in named)
    return answer


def _past(first: Node, scene: Scene, zone: ZoneInfo) -> datetime:
    """The hour of the first slot, on a day before today."""
    start = datetime.fromisoformat(first["start"])
    return _shifted(start, zone, -(start - scene.now).days - 2)  # one more than needed: clocks may have changed


def _outside(last: Node, scene: Scene, zone: ZoneInfo) -> datetime:
    """The hour of the last slot, on a day after the window."""
    start = datetime.fromisoformat(last["start"])
    return _shifted(start, zone, (scene.end - start).days + 2)


def _shifted(start: datetime, zone: ZoneInfo, days: int) -> datetime:
    moved = start.astimezone(zone) + timedelta(days=days)
    return datetime.fromtimestamp(moved.timestamp(), zone)  # an hour that a night skips is the next


def _adding_past(answer: Answer, scene: Scene, who: Who) -> Answer:
    for schedule, entries in _agendas(answer.document, scene, who):
        start = _past(entries[0]["resource"], scene, scene.zone(schedule))
        _insert(answer.document, entries[0], _copied(entries[0], schedule, start), after=False)
    return answer


def _adding_outside(answer: Answer, scene: Scene, who: Who) -> Answer:
    if scene.end - scene.now > _FAR:
        return answer
    for schedule, entries in _agendas(answer.document, scene, who):
        start = _outside(entries[-1]["resource"], scene, scene.zone(schedule))
        _insert(answer.document, entries[-1], _copied(entries[-1], schedule, start))
    return answer


def _adding_busy(answer: Answer, scene: Scene, who: Who) -> Answer:
    """Where something lies between two free slots, there is an occupied one: it is sent too."""
    for schedule, entries in _agendas(answer.document, scene, who):
        for entry, following in pairwise(entries):
            end = datetime.fromisoformat(entry["resource"]["end"])
            if end + _length(entry["resource"]) <= datetime.fromisoformat(following["resource"]["start"]):
                busy = _copied(entry, schedule, datetime.fromtimestamp(end.timestamp(), scene.zone(schedule)))
                busy["resource"]["status"] = "busy"
                _insert(answer.document, entry, busy)
                break
    return answer


def _length(slot: Node) -> timedelta:
    return datetime.fromisoformat(slot["end"]) - datetime.fromisoformat(slot["start"])


def _copied(entry: Node, schedule: str, start: datetime) -> Node:
    """The same slot at another time (aware, local), with an id and a booking URL of its own."""
    made = copy.deepcopy(entry)
    slot = made["resource"]
    old, new = slot["id"], slot_id(schedule, int(start.timestamp()))
    end = datetime.fromtimestamp(start.timestamp() + _length(slot).total_seconds(), start.tzinfo)
    slot.update(id=new, start=fhir_instant(start), end=fhir_instant(end), comment=slot["comment"].replace(old, new))
    made["fullUrl"] = made["fullUrl"].replace(old, new)
    return made


def _insert(bundle: Node, beside: Node, made: Node, *, after: bool = True) -> None:
    entries = bundle["entry"]
    entries.insert(next(at for at, entry in enumerate(entries) if entry is beside) + after, made)
    bundle["total"] += 1


def _agendas(bundle: Node, scene: Scene, who: Who) -> list[tuple[str, list[Node]]]:
    """The schedules concerned, each with the entries of its slots."""
    found: dict[str, list[Node]] = {}
    for entry in _entries(bundle, "Slot"):
        found.setdefault(_schedule_of(entry["resource"]), []).append(entry)
    return [(schedule, entries) for schedule, entries in found.items() if who(scene.owner(schedule))]


# --- what belongs elsewhere, or is missing


def _without(kind: str) -> Player:
    """The resources of that kind, of those CPTS that only the slots of those concerned name, are missing."""

    def player(answer: Answer, scene: Scene, who: Who) -> Answer:
        others = _named(slot for slot in _slots(answer.document) if not who(scene.owner_of(slot)))

        def missing(resource: Node) -> bool:
            return _is_of_cpts(resource, scene) and resource["resourceType"] == kind and resource["id"] not in others

        _drop(answer.document, missing)
        return answer

    return player


def _merged(answer: Answer, scene: Scene, who: Who) -> Answer:
    """The slots of all places in the Schedule of the first one, which names all actors; the others are not sent."""
    first: dict[str | None, str] = {}  # owner -> its first schedule
    into: dict[str, str] = {}  # schedule -> the one that it is merged into
    for slot in _slots(answer.document):
        schedule = _schedule_of(slot)
        owner = scene.owner(schedule)
        if who(owner) and first.setdefault(owner, schedule) != schedule:
            into[schedule] = first[owner]
            slot["schedule"]["reference"] = f"Schedule/{first[owner]}"
    sent = {entry["resource"]["id"]: entry["resource"] for entry in _entries(answer.document, "Schedule")}
    for schedule, target in into.items():
        if schedule in sent:
            actors = sent[target]["actor"]
            actors += [actor for actor in sent[schedule]["actor"] if actor not in actors]
    _drop(answer.document, lambda resource: resource["resourceType"] == "Schedule" and resource["id"] in into)
    return answer


def _wrong(answer: Answer, scene: Scene, who: Who) -> Answer:
    """Slots of those concerned lie in the first Schedule that is somebody else's."""
    slots = _slots(answer.document)
    owners = {schedule: scene.owner(schedule) for schedule in map(_schedule_of, slots)}
    for slot in slots:
        owner = owners[_schedule_of(slot)]
        target = next((schedule for schedule, other in owners.items() if other != owner), None)
        if target is not None and who(owner):
            slot["schedule"]["reference"] = f"Schedule/{target}"
    return answer


# --- an error instead of nothing


def _failing(status: int, code: str, detail: str) -> Player:
    def player(answer: Answer, scene: Scene, who: Who) -> Answer:
        if answer.document.get("total") or not any(who(key) for key in scene.asked):
            return answer
        return Answer(status, orjson.loads(outcome(Issue(code, detail))))

    return player


# --- the registry


def _everywhere(edit: Edit) -> Player:
    """The edit on every resource of those concerned."""

    def player(answer: Answer, scene: Scene, who: Who) -> Answer:
        for entry in answer.document.get("entry", ()):
            if who(scene.owner_of(entry["resource"])):
                edit(entry["resource"])
        return answer

    return player


PLAYERS: Mapping[str, Player] = {
    "unfound-by-prefix": _unfound,
    "past-slots": _adding_past,
    "outside-window": _adding_outside,
    "busy-slots": _adding_busy,
    **{name: _everywhere(edit) for name, edit in EDITS.items()},
    "cpts-without-service": _without("HealthcareService"),
    "cpts-without-organization": _without("Organization"),
    "merged-places": _merged,
    "wrong-practitioner": _wrong,
    "not-found-if-empty": _failing(404, "not-found", "no slot was found"),
    "error-if-empty": _failing(500, "exception", "unexpected end of the agenda"),
}


# --- what the quirks share


def _holder(population: Population, schedule: str) -> str | None:
    if placed := population.place(schedule):
        return placed[0].id
    sited = population.site(schedule)
    return sited[0].siret if sited else None


def _owner(population: Population, resource: Node) -> str | None:
    kind, key = resource["resourceType"], str(resource["id"])
    if kind == "Slot":
        return _holder(population, _schedule_of(resource))
    if kind in ("Schedule", "PractitionerRole", "Location"):
        return _holder(population, key)
    return key if kind == "Practitioner" or key in population.sos else None


def _entries(bundle: Node, kind: str) -> Iterator[Node]:
    return (entry for entry in bundle.get("entry", ()) if entry["resource"]["resourceType"] == kind)


def _slots(bundle: Node) -> list[Node]:
    return [entry["resource"] for entry in _entries(bundle, "Slot")]


def _schedule_of(slot: Node) -> str:
    return str(slot["schedule"]["reference"]).partition("/")[2]


def _named(slots: Iterable[Node]) -> Collection[str]:
    """FINESS of the CPTS that slots name: the id of the HealthcareService and of the Organization alike."""
    return {
        extension["valueReference"]["reference"].partition("/")[2]
        for slot in slots
        for concept in slot.get("serviceType", ())
        for extension in concept.get("extension", ())
    }


def _is_of_cpts(resource: Node, scene: Scene) -> bool:
    return resource["id"] in scene.population.cpts


def _drop(bundle: Node, gone: Callable[[Node], bool]) -> None:
    """Take entries away; slots from the total too."""
    entries = bundle.pop("entry", [])
    kept = [entry for entry in entries if not gone(entry["resource"])]
    before, after = (sum(each["resource"]["resourceType"] == "Slot" for each in some) for some in (entries, kept))
    bundle["total"] -= before - after
    if kept:
        bundle["entry"] = kept

"""Quirks that attach slots to a Schedule where they do not belong. Pure."""

from __future__ import annotations

from sandbox.editor.fhir.quirks.answers import Answer, Concerns, Search, drop, entries_of, schedule_of, slots_of


def merge_places(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """All slots are in the Schedule of the first place, which names all actors; the other Schedules are not sent."""
    first: dict[str | None, str] = {}  # owner -> its first schedule
    into: dict[str, str] = {}  # schedule -> the one that it is merged into
    for slot in slots_of(answer.document):
        schedule = schedule_of(slot)
        owner = search.owner(schedule)
        if concerns(owner) and first.setdefault(owner, schedule) != schedule:
            into[schedule] = first[owner]
            slot["schedule"]["reference"] = f"Schedule/{first[owner]}"
    sent = {entry["resource"]["id"]: entry["resource"] for entry in entries_of(answer.document, "Schedule")}
    for schedule, target in into.items():
        if schedule in sent:
            actors = sent[target]["actor"]
            actors += [actor for actor in sent[schedule]["actor"] if actor not in actors]
    drop(answer.document, lambda resource: resource["resourceType"] == "Schedule" and resource["id"] in into)
    return answer


def attach_to_wrong_practitioner(answer: Answer, search: Search, concerns: Concerns) -> Answer:
    """Slots of those concerned refer to the first Schedule that belongs to another owner."""
    slots = slots_of(answer.document)
    owners = {schedule: search.owner(schedule) for schedule in map(schedule_of, slots)}
    for slot in slots:
        owner = owners[schedule_of(slot)]
        target = next((schedule for schedule, other in owners.items() if other != owner), None)
        if target is not None and concerns(owner):
            slot["schedule"]["reference"] = f"Schedule/{target}"
    return answer

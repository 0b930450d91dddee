"""A searchset in a form that is convenient for tests."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Json = dict[str, Any]


class Answer:
    """One answer, its resources by type and id."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.resources: dict[str, dict[str, Json]] = defaultdict(dict)
        for entry in document.get("entry", ()):
            resource = entry["resource"]
            self.resources[resource["resourceType"]][resource["id"]] = resource

    def all(self, kind: str) -> list[Json]:
        found = list(self.resources[kind].values())
        assert found, kind
        return found

    def at(self, reference: str) -> Json:
        """The resource that a relative reference names."""
        kind, key = reference.split("/")
        return self.resources[kind][key]

    def actors(self, slot: Json) -> dict[str, Json]:
        """The actors of the slot's Schedule, by type."""
        schedule = self.at(slot["schedule"]["reference"])
        found = [self.at(actor["reference"]) for actor in schedule["actor"]]
        return {each["resourceType"]: each for each in found}


def coded(concepts: list[Json], system: str) -> list[str]:
    return [coding["code"] for each in concepts for coding in each.get("coding", ()) if coding["system"] == system]


def thin(bundle: Json) -> Json:
    """The bundle with few of its slots, at least one of each kind, because the official validator is slow."""
    kept, kinds = [], set()
    for entry in bundle.get("entry", []):
        resource = entry["resource"]
        kind = repr([resource.get(key) for key in ("meta", "serviceType", "specialty", "appointmentType")])
        if resource["resourceType"] != "Slot" or kind not in kinds:
            kept.append(entry)
        kinds.add(kind)
    return {**bundle, "entry": kept, "total": bundle["total"]} if kept else bundle


def of(bundle: Json, kind: str) -> list[Json]:
    """The resources of a type."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["resource"]["resourceType"] == kind]


def url(bundle: Json, relation: str = "self") -> str | None:
    """The URL of a link of the bundle."""
    return next((link["url"] for link in bundle["link"] if link["relation"] == relation), None)

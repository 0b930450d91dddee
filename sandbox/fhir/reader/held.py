"""The resources of an editor's answer, by reference, and the findings about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.fhir.reader.elements import RESOURCES, mistyped, well_typed
from sandbox.fhir.reader.nodes import Node, nodes_of, reference_of, text_of
from sandbox.fhir.rules import Findings
from sandbox.kernel.identifiers import prefixed_structure
from sandbox.kernel.text.json_input import shortened

LONGEST_TEXT = 200  # characters of a reason, a name or a line of an address that are kept
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class HeldResources:
    """The resources of one answer, by `<type>/<id>` and by fullUrl, and the `findings` so far."""

    findings: Findings = field(default_factory=Findings)
    resources: dict[str, Node] = field(default_factory=dict)
    _unnamed: dict[int, tuple[str, Node]] = field(default_factory=dict)

    def sort(self, entries: Iterable[tuple[str, str, object]]) -> list[Node]:
        """Store the resources (path, fullUrl, resource) by reference; returns the Slots among them."""
        slots: list[Node] = []
        for path, url, resource in entries:
            if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
                self.findings.wrong("R01-13", f"{path}.resource", "an entry without a resource")
                continue
            if not text_of(resource, "id"):
                self._unnamed[id(resource)] = f"{path}.resource", resource
            self.resources[f"{resource['resourceType']}/{resource.get('id')}"] = resource
            if url:
                self.resources.setdefault(url, resource)
            if resource["resourceType"] == "Slot":
                slots.append(resource)
            else:
                self.check_types(resource)
        return slots

    def count_schedules(self) -> int:
        """The number of Schedules."""
        return len({key for key in self.resources if key.startswith("Schedule/")})

    def resolve(self, value: object, kind: str, path: str, requirement: str) -> str | None:
        """Like `key`; None with a finding."""
        key = self.key(value, kind)
        if key is None:
            self.findings.wrong(
                requirement, path, f"{{}} instead of a reference to a {kind}", reference_of(value) or None
            )
        return key

    def key(self, value: object, kind: str) -> str | None:
        """`<kind>/<id>` of a relative or absolute reference; None when it names no resource of that kind."""
        reference = reference_of(value)
        held = self.resources.get(reference)
        if held is not None and held.get("resourceType") == kind:
            return f"{kind}/{held.get('id')}"
        parts = reference.split("/")[-2:]
        return "/".join(parts) if len(parts) == 2 and parts[0] == kind and parts[1] else None

    def name(self, resource: Node) -> str:
        """The location of a resource: by type and id, or by its entry when it has no id."""
        if id(resource) in self._unnamed:
            return self._unnamed[id(resource)][0]
        kind, own = str(resource.get("resourceType")), shortened(text_of(resource, "id"))
        return f"{kind}/{own}" if own else kind

    def check_types(self, resource: Node) -> None:
        """Add a finding for each element whose JSON type is not that of FHIR."""
        if well_typed(resource):
            return
        elements, requirement = RESOURCES[resource["resourceType"]]
        for path, wanted, value in mistyped(resource, elements, ""):
            self.findings.wrong(
                requirement, self.name(resource) + path, f"{element(path)} is {{}} instead of {wanted}", value
            )

    def structure(self, owner: Node, path: str, requirement: str) -> str | None:
        """The prefixed id of a structure (FINESS, SIRET, RPPS rang); a missing prefix is added, with a finding."""
        values = [text_of(identifier, "value") for _, identifier in nodes_of(owner, "identifier", path)]
        value = values[0] if values else ""
        if not value or prefixed_structure(value) != value:
            cause = "{} instead of the prefixed id of a structure"
            self.findings.wrong(requirement, f"{path}.identifier.value", cause, value or None)
        return prefixed_structure(value) or None


def element(path: str) -> str:
    """The element of a path, wherever it is in lists."""
    return _INDEX.sub("", path).lstrip(".")

"""Reads an editor's answer to a slot search (INT_R01, INT_R04, SOS Médecins) for the SAS core. Pure; never raises.

It is tolerant: only the bad entries are dropped, and repairable defects are repaired (an id without prefix, a phone in
another form, a date without offset, a consultation type sent as text). Each cause gives a Finding with the requirement
that it violates; its path names the faulty resource. Only an answer that cannot be read as JSON is dropped as a whole.
The defects are those of the guide's list of recurrent errors. The caller checks whether a slot answers the query.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.fhir.reader.answers import Agenda, FreeSlot, Reading, SlotPlace
from sandbox.fhir.reader.elements import BUNDLE, mistyped
from sandbox.fhir.reader.held import HeldResources, element
from sandbox.fhir.reader.nodes import Node, nodes_of, text_of
from sandbox.fhir.reader.quick import RESOURCE, entries_of, envelope_of, read_quickly
from sandbox.fhir.reader.schedules import ScheduleReader
from sandbox.fhir.reader.slots import SlotReader
from sandbox.fhir.rules import Finding
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, check_size, check_utf8, read_json

__all__ = ["FreeSlot", "Reading", "SlotPlace", "read_bundle"]

ANSWER = Limits(octets=64 << 20, elements=500_000)


def read_bundle(body: bytes) -> Reading:
    """Read the body of a 200. A body that is no Bundle, or no JSON within the limits, gives no slots and one finding
    R01-13 whose path is `Bundle`. Large bodies are slow to read: do not call this in an event loop for them."""
    try:
        check_size(body, ANSWER)
        return read_quickly(body, _Reader) or _read_slowly(body)
    except JsonError as error:
        return Reading([], [Finding("R01-13", "Bundle", f"cannot be read: {error}")])


def _read_slowly(body: bytes) -> Reading:
    """Resource by resource. Raises JsonError."""
    check_utf8(body)
    envelope = envelope_of(body)
    if envelope.get("resourceType") != "Bundle":
        return Reading([], [Finding("R01-13", "Bundle", "not a Bundle")])
    return _Reader().read(envelope)


class _Reader:
    """One answer read in detail (`quick.Detailed`)."""

    def __init__(self) -> None:
        self._held = HeldResources()
        self._schedules = ScheduleReader(self._held)
        self._slots = SlotReader(self._held, self._schedules)
        self.sort, self.slot, self.terms = self._held.sort, self._slots.slot, self._slots.terms

    def read(self, bundle: Node) -> Reading:
        """Read a Bundle whose entries are still octets."""
        entries = []
        for path, octets in entries_of(bundle, self._held.findings):
            entry = read_json(octets, RESOURCE, repeated=True)
            if isinstance(entry, dict):
                entries.append((path, text_of(entry, "fullUrl"), entry.get("resource")))
            else:
                self._held.findings.wrong("R01-13", path, "an entry is {} instead of an object", entry)
        slots = self.sort(entries)
        return self.finish(bundle, [*map(self.slot, slots)])

    def finish(self, bundle: Node, slots: Sequence[FreeSlot | None]) -> Reading:
        """The result for the whole answer; `slots`: the result for each Slot."""
        for path, wanted, value in mistyped(bundle, BUNDLE, "Bundle"):
            self._held.findings.wrong("R01-13", path, f"{element(path)} is {{}} instead of {wanted}", value)
        if bundle.get("type") != "searchset":
            self._held.findings.wrong("R01-14", "Bundle.type", "{} instead of searchset", bundle.get("type"))
        further = (text_of(link, "url") for _, link in nodes_of(bundle, "link", "") if _is_next(link))
        following = next(further, None) or None  # an empty URL has no next page
        total = bundle.get("total")
        whole = total if isinstance(total, int) and not isinstance(total, bool) else None
        found = [slot for slot in slots if slot is not None]
        reading = Reading(found, [], whole, following, len(slots), self._held.count_schedules())
        if following is None and total not in reading.totals:
            self._held.findings.wrong("R01-13", "Bundle.total", f"{{}}, but there are {len(slots)} slots", total)
        reading.findings.extend(self._held.findings.all())
        return reading

    def agenda(self, reference: str) -> tuple[str, Agenda] | None:
        """Id and agenda of the Schedule that a reference names; None when it names none."""
        key = self._held.key({"reference": reference}, "Schedule")
        return None if key is None else (key.partition("/")[2], self._schedules.agenda(key))


def _is_next(link: Node) -> bool:
    return link.get("relation") == "next"

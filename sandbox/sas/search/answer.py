"""One editor's answer to one query: its pages, read, and what is wrong with them. Pure.

The next page is the one that the link `next` names, if it is at the editor's address: relative, or with the scheme,
host and port of the page that links to it. A link that is not followed, and slots that are too many, are findings;
`short` then says that slots are missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from sandbox.fhir.profiles import Finding
from sandbox.fhir.reader.reading import FreeSlot, read_bundle
from sandbox.fhir.rules import Findings
from sandbox.kernel.text.json_input import shortened
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.editor_queries import EditorQuery
from sandbox.sas.search.sources import narrowed

MOST_PAGES = 20
MOST_SLOTS = 10_000  # on all pages together
LONGEST_URL = 8000  # characters (RFC 9112, section 3, recommends that servers accept as many)
_NEXT = "Bundle.link.where(relation = 'next').url"
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~|"  # characters of a URL that need not be percent-encoded, or that are already
_PORTS = {"http": 80, "https": 443}


@dataclass
class Answer:
    """What was read so far. `slots`: those that pass the filters of the search; `offered`: how many slots answer the
    query; `readable`: false when a page is no Bundle; `short`: why slots are missing, a code of `reasons.py`."""

    query: EditorQuery
    criteria: Criteria
    slots: list[FreeSlot] = field(default_factory=list)
    offered: int = 0
    readable: bool = True
    short: str = ""
    _findings: Findings = field(default_factory=Findings)
    _read: dict[str, tuple[int | None, tuple[int, int]]] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """The problems found, one finding per cause."""
        return self._findings.all()

    def take(self, body: bytes, url: str) -> str | None:
        """Read the page at `url`. Returns the address of the next page, None after the last. This is slow for a large
        page."""
        page = read_bundle(body)
        if page.findings:
            self.readable = not any(finding.path == "Bundle" for finding in page.findings)
            self._note(each for each in page.findings if not (self._read and each.path == "Bundle.total"))
        self._add(page.slots)
        self._read[url] = page.total, page.totals
        following = None
        if page.following is not None and self.readable and not self.short:
            following = self._following(page.following, url)
        if following is None and len(self._read) > 1 and not self.short:
            self._judge_total()
        return following

    def _note(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._findings.add(finding)

    def _add(self, slots: Iterable[FreeSlot]) -> None:
        kept, strange = admissible(slots, self.query.asked, self.criteria.start, self.criteria.end)
        self._note(strange)
        if self.offered + len(kept) > MOST_SLOTS:
            self._cut("slots-many", "Bundle.entry", f"more than {MOST_SLOTS} slots: the others are not taken")
            kept = kept[: MOST_SLOTS - self.offered]
        self.offered += len(kept)
        self.slots += narrowed(kept, self.criteria)

    def _following(self, link: str, url: str) -> str | None:
        target = address_of(link, url)
        if target is None:
            self._cut("next-elsewhere", _NEXT, "{} is no usable URL at the editor's address: not followed", link)
        elif target in self._read:
            self._cut("next-repeats", _NEXT, "{} was read already: not followed", link)
        elif len(self._read) == MOST_PAGES:
            self._cut("next-many", _NEXT, f"a page after the {MOST_PAGES} that are read: not followed")
        else:
            return target
        return None

    def _cut(self, code: str, path: str, cause: str, *values: object) -> None:
        self.short = code
        self._findings.wrong("R01-13", path, cause, *values)

    def _judge_total(self) -> None:
        """`total` of an answer with several pages counts the slots of all pages; `read_bundle` checks the total of a
        single page."""
        pages = [*self._read.values()]
        total = pages[0][0]
        slots, schedules = (sum(counts) for counts in zip(*(totals for _, totals in pages), strict=True))
        if total not in (slots, schedules):
            cause = f"{{}}, but there are {slots} slots on {len(pages)} pages"
            self._findings.wrong("R01-13", "Bundle.total", cause, total)


def admissible(
    slots: Iterable[FreeSlot], asked: Collection[str], start: datetime, end: datetime
) -> tuple[list[FreeSlot], list[Finding]]:
    """The slots that answer the query, and what is wrong with the others.

    These slots are dropped: those of a practitioner or association that was not asked about, those outside the window
    (which includes past ones, because the window never starts before now), and those without an owner, for which the
    reader of the answer has a finding.
    """
    kept: list[FreeSlot] = []
    findings = Findings()
    first, last, offset = start, end, None
    for slot in slots:
        owner = slot.practitioner if slot.sos is None else slot.sos[0]
        if owner not in asked:
            if owner is not None:
                findings.wrong("R01-16", f"Slot/{shortened(slot.slot_id)}", "{} was not asked about", owner)
            continue
        begin = slot.start
        if begin.tzinfo is not offset:  # instants with the same offset can be compared directly
            offset = begin.tzinfo
            first, last = start.astimezone(offset), end.astimezone(offset)
        if first <= begin <= last:
            kept.append(slot)
        else:
            requirement, side = ("R01-5", "before") if begin < first else ("R01-6", "after")
            findings.wrong(
                requirement, f"Slot/{shortened(slot.slot_id)}.start", f"{{}} is {side} the window", begin.isoformat()
            )
    return kept, findings.all()


def address_of(link: str, url: str) -> str | None:
    """The URL that a link of the page at `url` means (RFC 3986, 5), ready to be sent; None when it has another scheme,
    host or port, is longer than LONGEST_URL, or is no URL."""
    try:
        target = quote(urldefrag(urljoin(url, link)).url, safe=_AS_IT_IS)
        return target if len(target) <= LONGEST_URL and _authority(target) == _authority(url) else None
    except ValueError:
        return None


def _authority(url: str) -> tuple[str, str | None, int | None, str | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.username

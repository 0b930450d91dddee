"""One editor's answer to one query: all its pages understood, and what is wrong with them. Pure.

A further page is where the link `next` says, as long as that is the editor's: relative, or with the scheme, host and
port of the page it stands in. What is not followed, or is too much, is a finding, and `short` says that slots are
missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from sandbox.fhir.profiles import Finding
from sandbox.fhir.reader.reading import FreeSlot, read_bundle
from sandbox.fhir.rules import Findings
from sandbox.sas.search.cards import admissible
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.merging import narrowed
from sandbox.sas.search.queries import EditorQuery

MOST_PAGES = 20
MOST_SLOTS = 10_000  # of all pages
LONGEST_URL = 8000  # characters (RFC 9112, 3, asks servers to take as many)
_NEXT = "Bundle.link.where(relation = 'next').url"
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~|"  # of a URL: what need not be percent-encoded, or is already
_PORTS = {"http": 80, "https": 443}


@dataclass
class Answer:
    """What the pages say so far. `slots`: those that the search looks for; `offered`: how many answer the query;
    `readable`: false when a page is no Bundle; `short`: why slots are missing, a code of `reasons.py`."""

    query: EditorQuery
    criteria: Criteria
    slots: list[FreeSlot] = field(default_factory=list)
    offered: int = 0
    readable: bool = True
    short: str = ""
    _told: Findings = field(default_factory=Findings)
    _read: dict[str, tuple[int | None, tuple[int, int]]] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong, one finding per cause."""
        return self._told.all()

    def take(self, body: bytes, url: str) -> str | None:
        """Understand the page at `url`: the address of the next, None after the last. Takes long for a large page."""
        page = read_bundle(body)
        if page.findings:
            self.readable = not any(finding.path == "Bundle" for finding in page.findings)
            self._tell(each for each in page.findings if not (self._read and each.path == "Bundle.total"))
        self._add(page.slots)
        self._read[url] = page.total, page.totals
        following = None
        if page.following is not None and self.readable and not self.short:
            following = self._following(page.following, url)
        if following is None and len(self._read) > 1 and not self.short:
            self._judge_total()
        return following

    def _tell(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._told.add(finding)

    def _add(self, slots: Iterable[FreeSlot]) -> None:
        kept, strange = admissible(slots, self.query, self.criteria.start, self.criteria.end)
        self._tell(strange)
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
        self._told.wrong("R01-13", path, cause, *values)

    def _judge_total(self) -> None:
        """Of several pages `total` counts what is on all of them; a single one was judged when it was read."""
        pages = [*self._read.values()]
        total = pages[0][0]
        slots, schedules = (sum(counts) for counts in zip(*(totals for _, totals in pages), strict=True))
        if total not in (slots, schedules):
            cause = f"{{}}, but there are {slots} slots on {len(pages)} pages"
            self._told.wrong("R01-13", "Bundle.total", cause, total)


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

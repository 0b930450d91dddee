"""The aggregator: asks the editors concerned, all at once, and makes one answer of what comes back in time.

Lot after lot of 25 practitioners until one page of cards with slots and the next are there, or nobody is left; the
SOS associations of the area with the first lot. An editor has 7 s (settings) per lot, a whole search three times
that; one that failed is not asked again in the same search. What failed is told, by name and reason, beside what
others answered (guide, « Agrégateur » : réponses partielles).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sandbox.fhir.profiles import Finding
from sandbox.fhir.reading import FreeSlot, read_bundle
from sandbox.kernel.errors import (
    Issue,
    PeerError,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
    RequestError,
)
from sandbox.kernel.journal import Exchange
from sandbox.kernel.model import SosAssociation
from sandbox.net.context import Context
from sandbox.net.http_client import HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.sas.cards import Card, admissible, association_card, practitioner_card
from sandbox.sas.directory import Area, Candidate, Directory
from sandbox.sas.search import (
    CARDS_PER_PAGE,
    Criteria,
    EditorQuery,
    association_queries,
    lots,
    ordered,
    practitioner_queries,
    rank,
)

MOST_SEARCHES = 256  # at once: beyond it a search is refused rather than queued
MOST_PAGES = 20  # of one answer
MOST_FINDINGS_TOLD = 5  # per answer, in the journal


class EditorState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one editor took part. `state`: `answered` or `failed`; `reason` in French; `ms` of its slowest answer."""

    slug: str
    name: str
    state: str
    reason: str = ""
    slots: int = 0
    findings: int = 0
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One page of results. `cards` have slots; `without_slots` were asked about and have none (first page only).

    `next`: number of the next page, None on the last one; `complete` false: the search ran out of time.
    """

    criteria: Criteria
    area: Area
    cards: Sequence[Card]
    without_slots: Sequence[Card]
    editors: Sequence[EditorState]
    next: int | None
    complete: bool

    @property
    def failures(self) -> list[EditorState]:
        """The editors that did not answer."""
        return [editor for editor in self.editors if editor.state == "failed"]

    @property
    def partial(self) -> bool:
        """True when somebody's slots may be missing."""
        return not self.complete or bool(self.failures)


@dataclass
class _Search:
    """What one running search has gathered so far."""

    criteria: Criteria
    area: Area
    asked: set[str] = field(default_factory=set)
    with_slots: list[Card] = field(default_factory=list)
    without: list[Card] = field(default_factory=list)
    editors: dict[str, EditorState] = field(default_factory=dict)

    @property
    def satisfied(self) -> bool:
        """This page, and five more ready for the next."""
        return len(self.with_slots) >= CARDS_PER_PAGE * (self.criteria.page + 1)

    def note(self, state: EditorState) -> None:
        """Join the outcome of one query to what is known of its editor; a failure stays."""
        before = self.editors.get(state.slug)
        if before is not None:
            failed = before if before.state == "failed" else state
            state = msgspec.structs.replace(
                state,
                state=failed.state,
                reason=failed.reason,
                slots=before.slots + state.slots,
                findings=before.findings + state.findings,
                ms=max(before.ms, state.ms),
            )
        self.editors[state.slug] = state

    def found(self, complete: bool) -> Found:
        """The page that was asked for."""
        first = CARDS_PER_PAGE * (self.criteria.page - 1)
        last = first + CARDS_PER_PAGE
        return Found(
            criteria=self.criteria,
            area=self.area,
            cards=self.with_slots[first:last],
            without_slots=self.without if self.criteria.page == 1 else (),
            editors=list(self.editors.values()),
            next=self.criteria.page + 1 if len(self.with_slots) > last else None,
            complete=complete,
        )


class Aggregator:
    """Searches over all editors. `labels`: name of each R38 code."""

    def __init__(self, context: Context, http: HttpClient, directory: Directory, labels: Mapping[str, str]) -> None:
        self._context, self._http, self._directory, self._labels = context, http, directory, labels
        self._editors = context.population.editors
        self._timeout = context.settings.editor_timeout_s
        self._running = 0
        self.findings: Counter[str] = Counter()  # by requirement id, since the start

    async def search(self, criteria: Criteria) -> Found:
        """One page of cards. Raises RequestError 503 when too many searches run already."""
        if self._running >= MOST_SEARCHES:
            raise RequestError(503, Issue("too-costly", f"{MOST_SEARCHES} searches are running: try again"))
        search = _Search(criteria, criteria.area)
        self._running += 1
        try:
            async with asyncio.timeout(3 * self._timeout):
                await self._fill(search)
        except TimeoutError:
            return search.found(complete=False)
        finally:
            self._running -= 1
        return search.found(complete=True)

    async def _fill(self, search: _Search) -> None:
        """The area, then once the enlarged area when nobody there has anything."""
        await self._ask_area(search)
        if not search.with_slots:
            search.area = search.area.enlarged()
            await self._ask_area(search)

    async def _ask_area(self, search: _Search) -> None:
        criteria = search.criteria
        found = self._directory.candidates(criteria.specialty, search.area, search.asked)
        associations = self._directory.associations(search.area) if criteria.with_sos else []
        associations = [some for some in associations if some.siret not in search.asked]
        for lot in lots(ordered(found, criteria)):
            await self._ask_lot(search, lot, associations)
            associations = []
            if search.satisfied:
                return
        if associations:
            await self._ask_lot(search, [], associations)

    async def _ask_lot(self, search: _Search, lot: Sequence[Candidate], associations: Sequence[SosAssociation]) -> None:
        """One wave: every editor concerned at once; then the cards, those with slots first."""
        search.asked.update(candidate.id for candidate in lot)
        search.asked.update(association.siret for association in associations)
        queries = practitioner_queries(lot, self._editors, search.criteria)
        queries += association_queries(associations, self._editors, search.criteria)
        queries = [query for query in queries if not self._has_failed(search, query)]
        answers = await asyncio.gather(*(self._ask(search, query) for query in queries))
        by_id: dict[str, list[FreeSlot]] = {}
        for slot in (slot for answer in answers for slot in answer):
            owner = slot.sos[0] if slot.sos is not None else slot.practitioner
            by_id.setdefault(owner or "", []).append(slot)
        cards = self._cards(search, lot, associations, by_id)
        search.with_slots += [card for card in cards if card.slot_count]
        search.without += [card for card in cards if not card.slot_count]

    def _has_failed(self, search: _Search, query: EditorQuery) -> bool:
        state = search.editors.get(query.editor.slug)
        return state is not None and state.state == "failed"

    def _cards(
        self,
        search: _Search,
        lot: Sequence[Candidate],
        associations: Sequence[SosAssociation],
        by_id: Mapping[str, Sequence[FreeSlot]],
    ) -> list[Card]:
        cards = [
            practitioner_card(
                candidate.practitioner,
                by_id.get(candidate.id, ()),
                editor=self._editors[candidate.practitioner.editor],
                area=search.area,
                labels=self._labels,
            )
            for candidate in lot
        ]
        cards += [
            association_card(
                association,
                by_id.get(association.siret, ()),
                editor=self._editors[association.editor],
                area=search.area,
            )
            for association in associations
        ]
        return sorted(cards, key=lambda card: rank(card.id, card.distance_km, search.criteria))

    async def _ask(self, search: _Search, query: EditorQuery) -> list[FreeSlot]:
        """One query; an editor that fails gives no slots and a state that says why."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        editor = query.editor
        try:
            slots, findings = await self._read(query, search.criteria)
        except PeerError as error:
            state = EditorState(slug=editor.slug, name=editor.name, state="failed", reason=self._reason(error))
            slots = []
        else:
            self._tell(query, findings)
            state = EditorState(
                slug=editor.slug,
                name=editor.name,
                state="answered",
                slots=len(slots),
                findings=len(findings),
            )
        search.note(msgspec.structs.replace(state, ms=round((loop.time() - begun) * 1000)))
        return slots

    async def _read(self, query: EditorQuery, criteria: Criteria) -> tuple[list[FreeSlot], list[Finding]]:
        """Ask and understand, all pages within one time-out. Raises PeerError."""
        kept: list[FreeSlot] = []
        told: list[Finding] = []
        deadline = asyncio.get_running_loop().time() + self._timeout
        base = self._context.settings.editor_fhir(query.editor) + "/"
        url = base + query.path
        for page in range(MOST_PAGES):
            reading = read_bundle(await self._get(query, url, deadline))
            if any(finding.path == "Bundle" for finding in reading.findings):
                self._tell(query, reading.findings)
                raise PeerError(query.editor.slug, "the answer is no Bundle")
            slots, findings = admissible(reading.slots, query, criteria.start, criteria.end)
            kept += slots
            # `total` counts the slots of all pages: a further page cannot be judged by it alone.
            told += [each for each in reading.findings if not (page and each.path == "Bundle.total")]
            told += findings
            if reading.following is None or not reading.following.startswith(base):  # elsewhere is nobody we know
                break
            url = reading.following
        return kept, told

    async def _get(self, query: EditorQuery, url: str, deadline: float) -> bytes:
        slug = query.editor.slug
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise PeerTimeout(slug, f"no complete answer within {self._timeout:g} s")
        reply = await self._http.request(
            "GET",
            url,
            peer=slug,
            flow=query.flow,
            headers={"Accept": "application/json+fhir"},
            timeout=left,
            agreed=agreed_server(query.editor),
        )
        if reply.status != 200:
            raise PeerRefused(slug, reply.status, reply.body)
        return reply.body

    def _tell(self, query: EditorQuery, findings: Sequence[Finding]) -> None:
        """Count the findings of one answer, and journal them as one line."""
        if not findings:
            return
        self.findings.update(finding.requirement for finding in findings)
        told = "; ".join(
            f"{finding.requirement} {finding.path}: {finding.text}" for finding in findings[:MOST_FINDINGS_TOLD]
        )
        more = len(findings) - MOST_FINDINGS_TOLD
        self._context.journal.put(
            Exchange(
                at=self._context.clock.now().timestamp(),
                actor="sas",
                flow=query.flow,
                direction="in",
                action="read answer",
                peer=f"editor:{query.editor.slug}",
                status=200,
                note=told + (f"; and {more} more" if more > 0 else ""),
            )
        )

    def _reason(self, error: PeerError) -> str:
        match error:
            case PeerTimeout():
                return f"pas de réponse en {self._timeout:g} s"
            case PeerUnreachable():
                return "injoignable"
            case PeerRefused(status=status):
                return f"a répondu par une erreur {status}"
        return "réponse illisible"


def document(found: Found, labels: Mapping[str, str]) -> dict[str, Any]:
    """The page as the SAS API answers it: builtins only, datetimes as ISO 8601."""
    criteria, town = found.criteria, found.criteria.town
    return {
        "specialty": {"code": criteria.specialty, "label": labels.get(criteria.specialty, "")},
        "town": {"insee": town.insee, "name": town.name, "postal_code": town.postal_code},
        "radius_km": found.area.radius_km,
        "from": criteria.start.isoformat(),
        "to": criteria.end.isoformat(),
        "page": criteria.page,
        "next": found.next,
        "partial": found.partial,
        "cards": msgspec.to_builtins(list(found.cards)),
        "without_slots": msgspec.to_builtins(list(found.without_slots)),
        "editors": msgspec.to_builtins(list(found.editors)),
    }

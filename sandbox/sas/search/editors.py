"""The aggregator: asks one editor one question, and lets through what answers it in time.

What stands between a search and the editors: how many calls an editor bears at once, the circuit breaker, the largest
answer that is read, the time-out. An answer that comes after its search gave it up is counted and thrown away. Of a
bad answer the bad slots are lost, each cause told as a finding: counted by requirement, journalled with its path. A
large answer is read in a thread. However a call ends, even by an error of ours, its editor alone is concerned and its
circuit is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sandbox.fhir.profiles import Finding
from sandbox.fhir.reader.reading import FreeSlot
from sandbox.fhir.rules import natural
from sandbox.kernel.errors import Issue, PeerError, PeerRefused, PeerTimeout, RequestError
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.sas.directory.directory import Directory
from sandbox.sas.search import breaker
from sandbox.sas.search.answer import Answer
from sandbox.sas.search.breaker import Circuit, Policy
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.events import FAILED, LATE, OK, OPEN_CIRCUIT, PARTIAL, Source
from sandbox.sas.search.queries import EditorQuery
from sandbox.sas.search.reasons import is_the_editors, reason_of, told

log = logging.getLogger(__name__)

MOST_SEARCHES = 256  # at once: beyond it a search is refused rather than queued
LARGE = 128 * 1024  # octets of a page: from here on it would hold up everybody else
MOST_FINDINGS_TOLD = 5  # per answer, in the journal
MOST_LATE = 256  # calls that are awaited after their search gave them up


@dataclass(slots=True)
class Call:
    """One query under way. `slots` once it ended well; `given_up`: its search does not wait for it any more; `probe`:
    it tries an editor after failures; `settled`: the circuit knows how it ended."""

    query: EditorQuery
    begun: float
    deadline: float
    slots: Sequence[FreeSlot] = ()
    given_up: bool = False
    probe: bool = False
    settled: bool = False


@dataclass(slots=True)
class EditorState:
    """What the aggregator knows of one editor."""

    room: asyncio.Semaphore
    circuit: Circuit = field(default_factory=Circuit)
    counts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    last: Source | None = None
    running: int = 0


@dataclass(frozen=True, slots=True)
class EditorHealth:
    """One editor since the start. `counts`: calls by how they ended (`ok`, or the code of why not); `findings` by
    requirement id; `last`: how the last call ended."""

    circuit: str
    running: int
    counts: Mapping[str, int]
    findings: Mapping[str, int]
    last: Source | None


class Aggregator:
    """The SAS core's calls to the editors. `labels`: name of each R38 code; `changed`: called with each call that
    begins or ends."""

    def __init__(
        self,
        context: Context,
        http: HttpClient,
        directory: Directory,
        labels: Mapping[str, str],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._context, self._http, self._changed = context, http, changed
        self._journal = context.journal_of("sas")
        self.directory, self.labels = directory, labels
        settings = context.settings
        self.timeout = settings.editor_timeout_s
        self.search_timeout = settings.search_timeout_s or 3 * self.timeout
        self._largest = settings.editor_answer_mib << 20
        self._policy = Policy(settings.breaker_failures, settings.breaker_pause_s)
        self._lines: dict[str, EditorState] = defaultdict(
            lambda: EditorState(asyncio.Semaphore(settings.editor_concurrency))
        )
        self._late: set[asyncio.Task[Source]] = set()
        self._reader = ThreadPoolExecutor(1, "large-answer")  # one: it takes turns with the loop
        self.running = 0
        self.findings: Counter[str] = Counter()  # by requirement id, since the start

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """While a search runs. Raises RequestError 503 when too many run already."""
        if self.running >= MOST_SEARCHES:
            raise RequestError(503, Issue("too-costly", f"{MOST_SEARCHES} searches are running: try again"))
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def call(self, query: EditorQuery) -> Call:
        """A call that begins now."""
        now = asyncio.get_running_loop().time()
        return Call(query, now, now + self.timeout)

    async def ask(self, call: Call, criteria: Criteria) -> Source:
        """Make a call; an editor that fails gives no slots and a source that says why."""
        loop, line = asyncio.get_running_loop(), self._lines[call.query.editor.slug]
        line.circuit, admitted = breaker.admitted(line.circuit, loop.time(), self._policy)
        if not admitted:
            line.counts[OPEN_CIRCUIT] += 1
            return self._source(call, OPEN_CIRCUIT, told(OPEN_CIRCUIT), OPEN_CIRCUIT)
        call.probe = line.circuit.probing
        line.running += 1
        try:
            self._changed()
            async with line.room:
                answer = await self._read(call, criteria)
            return self._answered(call, line, answer)
        except PeerError as error:
            return self._failed(call, line, error)
        except Exception as error:  # ours: the other editors are shown all the same
            log.exception("the answer of %s could not be handled", call.query.editor.slug)
            return self._broken(call, line, error)
        finally:
            line.running -= 1
            self._settle(call, line, None)

    def give_up(self, call: Call, task: asyncio.Task[Source], code: str) -> Source:
        """The search waits no longer: the call counts as failed, its answer will be counted and thrown away."""
        line = self._lines[call.query.editor.slug]
        call.given_up = True
        self._settle(call, line, False if code == "timeout" else None)
        line.counts[code] += 1
        if len(self._late) < MOST_LATE:
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            task.cancel()
        return self._source(call, LATE, told(code, seconds=self.timeout), code)

    async def close(self) -> None:
        """End the calls that nobody waits for."""
        late = [*self._late]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    def health(self) -> dict[str, object]:
        """What the health page shows: searches under way; by editor the circuit, calls under way and ended."""
        return {
            "searches": self.running,
            "findings": self.findings.total(),
            "editors": {
                slug: {
                    "circuit": line.circuit.state,
                    "running": line.running,
                    "calls": dict(line.counts),
                    "findings": in_order(line.findings),
                }
                for slug, line in self._lines.items()
            },
        }

    def editor(self, slug: str) -> EditorHealth:
        """What is known of one editor."""
        line = self._lines[slug]
        return EditorHealth(line.circuit.state, line.running, line.counts, in_order(line.findings), line.last)

    def _settle(self, call: Call, line: EditorState, good: bool | None) -> None:
        """Tell the circuit, once, how a call ended; None: nothing that speaks for or against the editor."""
        if call.settled:
            return
        call.settled = True
        if good is not None:
            line.circuit = breaker.after(line.circuit, good, asyncio.get_running_loop().time(), self._policy)
        elif call.probe:
            line.circuit = breaker.abandoned(line.circuit)

    def _answered(self, call: Call, line: EditorState, answer: Answer) -> Source:
        if call.given_up:
            return self._too_late(call, line)
        self._settle(call, line, True)
        line.counts[OK] += 1
        findings = answer.findings
        self._tell(call.query, findings)
        call.slots = answer.slots
        state, reason = (PARTIAL, told(answer.short)) if answer.short else (OK, "")
        return self._source(call, state, reason, answer.short, slots=answer.offered, findings=len(findings))

    def _broken(self, call: Call, line: EditorState, error: Exception) -> Source:
        self._journal_answer(call.query, f"could not be handled: {type(error).__name__}")
        if call.given_up:
            return self._source(call, LATE)
        line.counts["internal"] += 1
        return self._source(call, FAILED, told("internal"), "internal")

    def _failed(self, call: Call, line: EditorState, error: PeerError) -> Source:
        if call.given_up:
            return self._source(call, LATE)
        self._settle(call, line, not is_the_editors(error))
        state, reason, code = reason_of(error, self.timeout)
        line.counts[code] += 1
        return self._source(call, state, reason, code)

    def _too_late(self, call: Call, line: EditorState) -> Source:
        line.counts[LATE] += 1
        source = self._source(call, LATE)
        self._journal_answer(call.query, f"late by {source.ms - round(self.timeout * 1000)} ms: thrown away")
        return source

    def _source(
        self, call: Call, state: str, reason: str = "", code: str = "", *, slots: int = 0, findings: int = 0
    ) -> Source:
        editor, spent = call.query.editor, asyncio.get_running_loop().time() - call.begun
        source = Source(
            editor=editor.slug,
            name=editor.name,
            state=state,
            reason=reason,
            code=code,
            ms=round(spent * 1000),
            slots=slots,
            findings=findings,
        )
        self._lines[editor.slug].last = source
        self._changed()
        return source

    async def _read(self, call: Call, criteria: Criteria) -> Answer:
        """Ask and understand, all pages within one time-out. Raises PeerError."""
        query = call.query
        answer = Answer(query, criteria)
        url: str | None = f"{self._context.settings.editor_fhir(query.editor)}/{query.path}"
        while url is not None:
            url = await self._take(answer, await self._get(call, url), url)
        if not answer.readable:
            if not call.given_up:
                self._tell(query, answer.findings)
            raise PeerError(query.editor.slug, "the answer is no Bundle")
        return answer

    async def _take(self, answer: Answer, body: bytes, url: str) -> str | None:
        if len(body) < LARGE:
            return answer.take(body, url)
        return await asyncio.get_running_loop().run_in_executor(self._reader, answer.take, body, url)

    async def _get(self, call: Call, url: str) -> bytes:
        editor = call.query.editor
        # Its search gives it up at the deadline; it may come as late as that again, to be counted.
        left = call.deadline + self.timeout - asyncio.get_running_loop().time()
        if call.given_up and left <= 0:
            raise PeerTimeout(editor.slug, "given up")
        reply = await self._http.request(
            "GET",
            url,
            callee=Callee(editor.slug, call.query.flow, "", agreed_server(editor), self._largest),
            headers=_HEADERS,
            timeout=left,
        )
        if reply.status != 200:
            raise PeerRefused(editor.slug, reply.status, reply.body)
        return reply.body

    def _tell(self, query: EditorQuery, findings: Sequence[Finding]) -> None:
        """Count the findings of one answer, and journal them as one line."""
        if not findings:
            return
        self.findings.update(finding.requirement for finding in findings)
        self._lines[query.editor.slug].findings.update(finding.requirement for finding in findings)
        first = "; ".join(str(each) for each in findings[:MOST_FINDINGS_TOLD])
        more = len(findings) - MOST_FINDINGS_TOLD
        self._journal_answer(query, first + (f"; and {more} more" if more > 0 else ""))

    def _journal_answer(self, query: EditorQuery, note: str) -> None:
        self._journal.received(query.flow, "read answer", query.editor.slug, status=200, note=note)


def in_order(findings: Mapping[str, int]) -> dict[str, int]:
    """Counts by requirement, as people count."""
    return dict(sorted(findings.items(), key=lambda each: natural(each[0])))


_HEADERS = {"Accept": "application/json+fhir"}

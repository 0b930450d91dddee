"""The editors as sources of slots: each is called over HTTP, and the slots that arrive in time and answer the search
are passed on.

Every editor has a limit of calls at once, a circuit breaker (`breaker.py`), a time-out, and a limit for the size of an
answer; large answers are read in a thread. An answer that arrives after its search stopped waiting for it is counted
and discarded. Of a bad answer only the bad slots are dropped; each cause is a finding, counted by requirement and
journalled with its path. However a call ends, even by an error in the sandbox, other editors are not affected and the
circuit is updated.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sandbox.config import Settings
from sandbox.fhir.profiles import Finding
from sandbox.fhir.rules import natural
from sandbox.kernel.errors import PeerError, PeerRefused, PeerTimeout
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor
from sandbox.net.context import Context
from sandbox.net.http.client import Callee, HttpClient
from sandbox.pki.subjects import agreed_server
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.origins import SourceName
from sandbox.sas.search import breaker
from sandbox.sas.search.answer import Answer
from sandbox.sas.search.breaker import Circuit, Policy
from sandbox.sas.search.criteria import Criteria
from sandbox.sas.search.editor_queries import EditorQuery, association_queries, practitioner_queries
from sandbox.sas.search.events import FAILED, LATE, OK, OPEN_CIRCUIT, PARTIAL, SourceAnswer
from sandbox.sas.search.lots import Lot
from sandbox.sas.search.reasons import blames_editor, reason_of, sentence
from sandbox.sas.search.sources import Call

log = logging.getLogger(__name__)

LARGE = 128 * 1024  # octets of a page: reading a larger one in the event loop would delay all other tasks
MOST_FINDINGS_TOLD = 5  # findings per answer in the journal
MOST_LATE = 256  # calls that are awaited after their search stopped waiting for them
_HEADERS = {"Accept": "application/json+fhir"}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for calls to an editor: seconds until a search stops waiting for a call (`timeout`), simultaneous
    calls (`concurrency`), octets of an answer (`largest`); `policy` of its circuit breaker."""

    timeout: float
    concurrency: int
    largest: int
    policy: Policy

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits from the settings."""
        policy = Policy(settings.breaker_failures, settings.breaker_pause_s)
        return cls(settings.editor_timeout_s, settings.editor_concurrency, settings.editor_answer_mib << 20, policy)


@dataclass(frozen=True, slots=True)
class EditorHealth:
    """One editor since the start. `counts`: calls by outcome (`ok`, or the code of the failure); `findings` by
    requirement id; `last`: how the last call ended."""

    circuit: str
    running: int
    counts: Mapping[str, int]
    findings: Mapping[str, int]
    last: SourceAnswer | None


class EditorSources:
    """All editors, to the search (`SlotSource`). `changed`: called when a call begins or ends; `limits` of each editor.

    `findings`: counts by requirement id, since the start.
    """

    def __init__(
        self, context: Context, http: HttpClient, directory: Directory, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.context, self.http, self.directory, self.changed = context, http, directory, changed
        self._journal = context.journal_of("sas")
        self.limits = Limits.of(context.settings)
        self._journal = context.journal_of("sas")
        self.reader = ThreadPoolExecutor(1, "large-answer")  # one thread: it takes turns with the event loop
        self.findings: Counter[str] = Counter()
        self._editors: dict[str, EditorSource] = {}
        self._late: set[asyncio.Task[SourceAnswer]] = set()

    def lists(self, id: str) -> bool:
        """False: the directory knows whom editors can be asked about."""
        return False

    def calls(self, lot: Lot, criteria: Criteria) -> list[Call]:
        """One call per query, to editors that are not disabled."""
        directory = self.directory
        queries = practitioner_queries(lot.candidates, directory.asked(Flow.INT_R01, Flow.INT_R04), criteria)
        queries += association_queries(lot.associations, directory.asked(Flow.SOS), criteria)
        now = asyncio.get_running_loop().time()
        return [self._call(query, criteria, now) for query in queries]

    def _call(self, query: EditorQuery, criteria: Criteria, now: float) -> Call:
        name, source, deadline = source_of(query.editor), self._of(query.editor.slug), now + self.limits.timeout
        return EditorCall(name, query.asked, now, deadline, query=query, criteria=criteria, editor=source)

    def _of(self, slug: str) -> EditorSource:
        if slug not in self._editors:
            self._editors[slug] = EditorSource(self)
        return self._editors[slug]

    def keep(self, task: asyncio.Task[SourceAnswer]) -> None:
        """Let a call that its search stopped waiting for end by itself, unless there are too many of these."""
        if len(self._late) < MOST_LATE:
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            task.cancel()

    async def late(self) -> None:
        """Returns once the calls that their searches stopped waiting for have ended."""
        await asyncio.gather(*self._late, return_exceptions=True)

    async def close(self) -> None:
        """End the calls that no search is waiting for."""
        for task in self._late:
            task.cancel()
        await self.late()
        self.reader.shutdown(wait=False, cancel_futures=True)

    def health(self) -> dict[str, object]:
        """For the health document: the number of findings; by editor the circuit, the running and the ended calls."""
        found = {slug: source.health() for slug, source in self._editors.items()}
        return {
            "findings": self.findings.total(),
            "editors": {
                slug: {
                    "circuit": health.circuit,
                    "running": health.running,
                    "calls": dict(health.counts),
                    "findings": health.findings,
                }
                for slug, health in found.items()
            },
        }

    def editor(self, slug: str) -> EditorHealth:
        """The health of one editor."""
        return self._of(slug).health()

    def journal(self, query: EditorQuery, note: str) -> None:
        """Write a line about the answer to a query to the journal."""
        self._journal.received(query.flow, "read answer", query.editor.slug, status=200, note=note)


@dataclass(eq=False, slots=True, kw_only=True)
class EditorCall(Call):
    """One query to one editor. `given_up`: its search has stopped waiting for it; `probe`: the call probes an editor
    after failures; `settled`: the outcome was reported to the circuit."""

    query: EditorQuery
    criteria: Criteria
    editor: EditorSource
    given_up: bool = False
    probe: bool = False
    settled: bool = False

    async def answer(self) -> SourceAnswer:
        """See `Call`. A failing editor returns no slots."""
        return await self.editor.ask(self)

    def give_up(self, task: asyncio.Task[SourceAnswer], code: str) -> SourceAnswer:
        """See `Call`. The call counts as failed; its answer will be counted and discarded."""
        return self.editor.give_up(self, task, code)


class EditorSource:
    """One editor: its calls, and what is known about it from their answers."""

    def __init__(self, editors: EditorSources) -> None:
        self._editors = editors
        self._turns = asyncio.Semaphore(editors.limits.concurrency)
        self._circuit = Circuit()
        self._counts: Counter[str] = Counter()
        self._findings: Counter[str] = Counter()
        self._last: SourceAnswer | None = None
        self._running = 0

    def health(self) -> EditorHealth:
        """The health of this editor."""
        return EditorHealth(self._circuit.state, self._running, self._counts, in_order(self._findings), self._last)

    async def ask(self, call: EditorCall) -> SourceAnswer:
        """See `EditorCall.answer`."""
        now = asyncio.get_running_loop().time()
        self._circuit, admitted = breaker.admitted(self._circuit, now, self._editors.limits.policy)
        if not admitted:
            self._counts[OPEN_CIRCUIT] += 1
            return self._ended(call, OPEN_CIRCUIT, sentence(OPEN_CIRCUIT), OPEN_CIRCUIT)
        call.probe = self._circuit.probing
        self._running += 1
        try:
            self._editors.changed()
            async with self._turns:
                answer = await self._read(call)
            return self._answered(call, answer)
        except PeerError as error:
            return self._failed(call, error)
        except Exception as error:  # an error in the sandbox: the other editors are shown nevertheless
            log.exception("the answer of %s could not be handled", call.query.editor.slug)
            return self._broken(call, error)
        finally:
            self._running -= 1
            self._settle(call, None)

    def give_up(self, call: EditorCall, task: asyncio.Task[SourceAnswer], code: str) -> SourceAnswer:
        """See `EditorCall.give_up`."""
        call.given_up = True
        self._settle(call, False if code == "timeout" else None)
        self._counts[code] += 1
        self._editors.keep(task)
        return self._ended(call, LATE, sentence(code, seconds=self._editors.limits.timeout), code)

    def _settle(self, call: EditorCall, good: bool | None) -> None:
        """Report to the circuit, once, how a call ended; None: its end says nothing about the editor."""
        if call.settled:
            return
        call.settled = True
        if good is not None:
            now = asyncio.get_running_loop().time()
            self._circuit = breaker.after(self._circuit, good, now, self._editors.limits.policy)
        elif call.probe:
            self._circuit = breaker.abandoned(self._circuit)

    def _answered(self, call: EditorCall, answer: Answer) -> SourceAnswer:
        if call.given_up:
            return self._too_late(call)
        self._settle(call, True)
        self._counts[OK] += 1
        findings = answer.findings
        self._note(call.query, findings)
        call.slots = answer.slots
        state, reason = (PARTIAL, sentence(answer.short)) if answer.short else (OK, "")
        return self._ended(call, state, reason, answer.short, slots=answer.offered, findings=len(findings))

    def _broken(self, call: EditorCall, error: Exception) -> SourceAnswer:
        self._editors.journal(call.query, f"could not be handled: {type(error).__name__}")
        if call.given_up:
            return self._ended(call, LATE)
        self._counts["internal"] += 1
        return self._ended(call, FAILED, sentence("internal"), "internal")

    def _failed(self, call: EditorCall, error: PeerError) -> SourceAnswer:
        if call.given_up:
            return self._ended(call, LATE)
        self._settle(call, not blames_editor(error))
        state, reason, code = reason_of(error, self._editors.limits.timeout)
        self._counts[code] += 1
        return self._ended(call, state, reason, code)

    def _too_late(self, call: EditorCall) -> SourceAnswer:
        self._counts[LATE] += 1
        answer = self._ended(call, LATE)
        late = answer.ms - round(self._editors.limits.timeout * 1000)
        self._editors.journal(call.query, f"late by {late} ms: thrown away")
        return answer

    def _ended(
        self, call: EditorCall, state: str, reason: str = "", code: str = "", *, slots: int = 0, findings: int = 0
    ) -> SourceAnswer:
        self._last = call.outcome(state, reason, code, slots=slots, findings=findings)
        self._editors.changed()
        return self._last

    async def _read(self, call: EditorCall) -> Answer:
        """Send the query, and read all pages within one time-out. Raises PeerError."""
        query = call.query
        answer = Answer(query, call.criteria)
        url: str | None = f"{self._editors.context.settings.editor_fhir(query.editor)}/{query.path}"
        while url is not None:
            url = await self._take(answer, await self._get(call, url), url)
        if not answer.readable:
            if not call.given_up:
                self._note(query, answer.findings)
            raise PeerError(query.editor.slug, "the answer is no Bundle")
        return answer

    async def _take(self, answer: Answer, body: bytes, url: str) -> str | None:
        if len(body) < LARGE:
            return answer.take(body, url)
        return await asyncio.get_running_loop().run_in_executor(self._editors.reader, answer.take, body, url)

    async def _get(self, call: EditorCall, url: str) -> bytes:
        editor, limits = call.query.editor, self._editors.limits
        # The search stops waiting at the deadline; the answer may come one more time-out later, to be counted only.
        left = call.deadline + limits.timeout - asyncio.get_running_loop().time()
        if call.given_up and left <= 0:
            raise PeerTimeout(editor.slug, "given up")
        reply = await self._editors.http.request(
            "GET",
            url,
            callee=Callee(editor.slug, call.query.flow, "", agreed_server(editor), limits.largest),
            headers=_HEADERS,
            timeout=left,
        )
        if reply.status != 200:
            raise PeerRefused(editor.slug, reply.status, reply.body)
        return reply.body

    def _note(self, query: EditorQuery, findings: Sequence[Finding]) -> None:
        """Count the findings of one answer, and write them to the journal as one line."""
        if not findings:
            return
        requirements = [finding.requirement for finding in findings]
        self._editors.findings.update(requirements)
        self._findings.update(requirements)
        first = "; ".join(str(each) for each in findings[:MOST_FINDINGS_TOLD])
        more = len(findings) - MOST_FINDINGS_TOLD
        self._editors.journal(query, first + (f"; and {more} more" if more > 0 else ""))


def source_of(editor: Editor) -> SourceName:
    """The name of an editor as a source of slots."""
    return SourceName(editor.slug, editor.name, external=editor.external)


def in_order(findings: Mapping[str, int]) -> dict[str, int]:
    """Counts by requirement id, in natural order: R01-2 before R01-10."""
    return dict(sorted(findings.items(), key=lambda each: natural(each[0])))

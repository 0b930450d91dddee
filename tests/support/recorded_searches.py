"""Searches as they were answered once, to be compared with how they are answered now.

    python -m tests.support.recorded_searches [NAME …]          writes tests/data/searches/NAME.json again
    python -m tests.support.recorded_searches --bodies DIR …    writes the answers themselves, as files of DIR, instead

The first is for a change of the results, the API or the page that is wanted: commit what differs with it. The second
shows what differs: write the answers of two versions and compare the directories.

An answer is kept as its status, its content type, the SHA-256 of its body and a summary. Of a body only what seed and
time do not determine is replaced before (`settled`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.runner.stage import Stage
from sandbox.runner.steps.book import Book
from sandbox.runner.steps.login import Login
from sandbox.runner.steps.search import Search
from sandbox.runner.steps.verify import Verify
from sandbox.sas.search import run as searching
from tests.support.sandboxes import sandbox_here
from tests.support.searches import ALWAYS, RECORDINGS, Call, Part, Recording

RECORDED = Path(__file__).parent.parent / "data" / "searches"
NDJSON = "application/x-ndjson"
# Verb of a request: URL below endpoints.json's `sas.ui`, and the headers beside the login.
VERBS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "GET": ("/api/search", {}),
    "STREAM": ("/api/search", {"Accept": NDJSON}),
    "PAGE": ("/sas/recherche", {}),
    "SHELL": ("/sas/recherche", {}),
    "LIVE": ("/sas/recherche/flux", {}),
    "LIST": ("/api/appointments", {}),
    "ORIENTATIONS": ("/sas/orientations", {}),
}


@dataclass(frozen=True)
class Answer:
    """`type`: content type; `sha256` of the settled body. The summary: how many `cards` and `slots`, ids of the `first`
    three cards, `problem`: the detail of a refusal."""

    status: int
    type: str
    sha256: str
    cards: int = 0
    slots: int = 0
    first: list[str] = field(default_factory=list)
    problem: str = ""


def recorded(name: str) -> dict[str, Answer]:
    """The answers of a recording, by condition and request."""
    document = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    return {request: Answer(**answer) for request, answer in document.items()}


async def played(name: str, directory: Path, bodies: Path | None = None) -> dict[str, Answer]:
    """The answers of now, from a sandbox in this process with its data in `directory`. `bodies`: where the settled
    bodies are written."""
    found: dict[str, Answer] = {}
    recording = RECORDINGS[name]
    async with _sandbox(recording, directory) as player:
        for part in recording.parts:
            async with player.condition(part):
                for request in part.requests:
                    key = f"{part.condition}: {request}" if part.condition else request
                    assert key not in found, f"twice: {key}"
                    found[key], body = await player.answer(request)
                    if bodies is not None:
                        (bodies / f"{name}-{len(found):03}").write_bytes(f"{key}\n".encode() + body)
    return found


@contextlib.asynccontextmanager
async def _sandbox(recording: Recording, directory: Path) -> AsyncIterator[_Player]:
    """A sandbox as the recording wants it, with a regulator of the Gironde logged in to its API and its pages."""
    async with (
        _patient(),
        sandbox_here(directory, **{**ALWAYS, **recording.flags}) as endpoints,
        Stage(endpoints) as stage,
    ):
        await Login("SAS-33").play(stage)
        jar = stage.browser._session.cookie_jar
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield _Player(endpoints, stage, session)


@contextlib.asynccontextmanager
async def _patient() -> AsyncIterator[None]:
    """The next lot of a search begins when all editors have answered for the one before, and not earlier because one of
    them is slow: who is asked, so `without_slots` and the counts of `editors`, would depend on the machine."""
    before, searching.LEAST_WAIT_S = searching.LEAST_WAIT_S, 3600.0
    try:
        yield
    finally:
        searching.LEAST_WAIT_S = before


@dataclass(frozen=True)
class _Player:
    endpoints: Mapping[str, Any]
    stage: Stage
    session: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def condition(self, part: Part) -> AsyncIterator[None]:
        """While the part's calls are in force."""
        if part.books:
            await Search("SM54", "33063").play(self.stage)
        for kind in part.books:
            await Book(kind, kind).play(self.stage)  # type: ignore[arg-type]
            await Verify(kind, "pending" if kind == "SOS" else "booked", within_s=60).play(self.stage)
        for call in part.calls:
            await self._control(call)
        try:
            yield
        finally:
            for call in _undone(part.calls):
                await self._control(call)

    async def answer(self, request: str) -> tuple[Answer, bytes]:
        """The answer to one request, and its settled body."""
        verb, _, query = request.partition(" ")
        path, headers = VERBS[verb]
        pairs = [(name, text) for name, _, text in (each.partition("=") for each in query.split("&") if each)]
        pairs += [("affichage", "complet")] if verb == "PAGE" else []
        if path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {self.stage.learnt.token}", **headers}
        url = f"{self.endpoints['sas']['ui']}{path}?{urlencode(pairs)}"
        async with self.session.get(url, headers=headers) as got:
            status, kind, body = got.status, got.headers["Content-Type"], await got.read()
        body = settled(verb, body, int(self.endpoints["sas"]["ui"].rpartition(":")[2]))
        return Answer(status, kind, hashlib.sha256(body).hexdigest(), **_summary(kind, body)), body

    async def _control(self, call: Call) -> None:
        method, path, body = call
        await self.stage.call(method, f"{self.endpoints['control']['api']}/{path}", json=body)


def _undone(calls: Sequence[Call]) -> Iterator[Call]:
    """The calls that put back what these have changed."""
    for method, path, body in calls:
        if method == "POST" or path.startswith("editors/"):
            yield "DELETE", path, None
        else:
            yield method, path, dict.fromkeys(body, True)


def settled(verb: str, body: bytes, port_base: int) -> bytes:
    """A body without what differs from run to run though seed and time are the same."""
    # The ports are whichever were free: `127.0.0.1:<offset from the first>`.
    body = re.sub(rb"(127\.0\.0\.1(?::|%3A))([0-9]+)", lambda m: m[1] + b"%d" % (int(m[2]) - port_base), body)
    # How long editors took: `"ms": …` of the API (absent when 0), `… ms` on the page.
    body = re.sub(rb',"ms":[0-9]+|\b[0-9]+(?= ms\b)', b"", body)
    # Editors are listed as they answered: by slug here, which comes first.
    body = re.sub(rb'(?<="editors":\[)[^\]]*', _by_slug, body)
    if verb in ("PAGE", "SHELL", "ORIENTATIONS"):
        # The token of the session's forms is drawn at random.
        body = re.sub(rb'(name="csrf" value=")[^"]*', rb"\1", body)
        # Which version of a script or style sheet the page wants is a digest of the file, comments included.
        body = re.sub(rb"/static/[0-9a-f]{12}/", b"/static/", body)
    if verb == "LIST":
        # The hub's confirmation of a message and the LRM's acknowledgement cross: without the former.
        body = re.sub(rb'(?<="events":\[)[^\]]*', _without_confirmation, body)
    if verb in ("LIST", "ORIENTATIONS"):
        body = _numbered(body)
    if verb == "STREAM" and body.startswith(b'{"event":"search"'):
        body = _joined(body)
    if verb == "LIVE":
        # Answers that come at once are shown at once: only the last state does not depend on the machine.
        body = body.rpartition(b"event: contenu\n")[2]
    return body


def _by_slug(editors: re.Match[bytes]) -> bytes:
    return b",".join(sorted(re.findall(rb"\{[^{}]*\}", editors[0])))


def _without_confirmation(events: re.Match[bytes]) -> bytes:
    return b",".join(event for event in re.findall(rb"\{[^{}]*\}", events[0]) if b'"state":"published"' not in event)


def _numbered(body: bytes) -> bytes:
    """Editors draw the identifiers of appointments at random, and the SAS core's follow from them: numbers instead, in
    the order in which they appear. The regulators' accounts have the same form and are not among them."""
    found: dict[bytes, bytes] = {}
    form = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    return re.sub(form, lambda m: found.setdefault(m[0], b"id-%d" % len(found)), body)


def _joined(body: bytes) -> bytes:
    """A stream of events without the order in which editors answered: the search, the sources by text, of each lot the
    cards that were told last, the end."""
    first, *lines, done = body.splitlines()
    found: dict[int, bytes] = {json.loads(line)["lot"]: line for line in lines if line.startswith(b'{"event":"found"')}
    sources = sorted(line for line in lines if line.startswith(b'{"event":"source"'))
    assert len(sources) + sum(line.startswith(b'{"event":"found"') for line in lines) == len(lines)
    return b"\n".join([first, *sources, *(found[lot] for lot in sorted(found)), done])


def _summary(kind: str, body: bytes) -> dict[str, Any]:
    if kind == "application/problem+json":
        return {"problem": json.loads(body)["detail"]}
    if kind.startswith("text/"):
        first = re.findall(rb'data-card="([^"]*)', body)
        return {"cards": len(first), "slots": body.count(b'data-slot="'), "first": [id.decode() for id in first[:3]]}
    lines = [json.loads(line) for line in body.splitlines()]
    cards = [card for line in lines for card in line.get("cards", ())]
    slots = sum(len(place.get("slots", ())) for card in cards for place in card.get("places", ()))
    return {"cards": len(cards), "slots": slots, "first": [card["id"] for card in cards[:3]]}


def _written(answers: Mapping[str, Answer]) -> str:
    """A recording as a JSON document, one line per request; what is empty is left out."""
    lines = []
    for request, answer in answers.items():
        kept = {name: value for name, value in asdict(answer).items() if value}
        lines.append(f"{json.dumps(request, ensure_ascii=False)}: {json.dumps(kept, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    bodies = None
    if arguments[:1] == ["--bodies"]:
        bodies, arguments = Path(arguments[1]), arguments[2:]
        bodies.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.CRITICAL)  # editors are made to fail on purpose
    RECORDED.mkdir(parents=True, exist_ok=True)
    for name in arguments or RECORDINGS:
        with tempfile.TemporaryDirectory() as directory:
            answers = asyncio.run(played(name, Path(directory), bodies))
        if bodies is None:
            (RECORDED / f"{name}.json").write_text(_written(answers), "utf-8")
        sys.stdout.write(f"{name}: {len(answers)} requests\n")


if __name__ == "__main__":
    main(sys.argv[1:])

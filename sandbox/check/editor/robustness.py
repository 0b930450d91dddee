"""ROB-1..8: requests that are wrong, and those that are right but written in another way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import unquote

from sandbox.check.editor.common import same_slots
from sandbox.check.editor.searching import Made, Searcher, served_search, with_ids
from sandbox.check.evidence import Exchange
from sandbox.check.group import Subject
from sandbox.check.judging.answer import FHIR_TYPES, Asked, key_of, read_answer
from sandbox.check.target import Target
from sandbox.check.verdicts import Fault, Observed, Passed, Skipped, Text
from sandbox.fhir.reader.nodes import nodes_of, text_of
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, read_json

IDS = frozenset({"ROB-1", "ROB-2", "ROB-3", "ROB-4", "ROB-5", "ROB-6", "ROB-7", "ROB-8"})
_OUTCOME = Limits(octets=1 << 20)
_FORM = "application/x-www-form-urlencoded"
OVERSIZED = 200_000  # octets of a query


def missing(target: Target) -> Text | None:
    """Why the group cannot run."""
    if served_search(target) is None:
        return Text(
            "l'éditeur ne déclare aucune recherche, ou la cible n'a pas d'exemple",
            "the editor declares no search, or the target has no example",
        )
    return None


async def check(subject: Subject) -> AsyncIterator[Observed]:
    """Everything about robustness."""
    chosen = served_search(subject.target)
    assert chosen is not None
    searcher = Searcher(subject, chosen[0])
    asked = searcher.asked([chosen[1]], *searcher.window())
    kind = searcher.kind
    for id, what, query in _wrong(asked):
        yield refused(id, await subject.wire.get(f"{kind}?{query}"), what)
    async for observed in _unsupported(subject, asked, kind):
        yield observed
    yield _oversized(await subject.wire.get(f"{kind}?{asked.query}&_tag={'x' * OVERSIZED}"))
    posted = {"Content-Type": "text/plain"}
    exchange = await subject.wire.call("POST", f"{kind}/_search", headers=posted, body=b"<html/>")
    yield refused("ROB-4", exchange, Text("un corps text/plain", "a body text/plain"))
    for path in (f"{kind}/sas-sandbox-check-inconnu", "Nimporte/quoi"):
        what = Text(f"{path} inconnu", f"unknown {path}")
        yield refused("ROB-5", await subject.wire.get(path), what, statuses=range(404, 411))
    main = await searcher.unjudged(asked)
    if main.answer is None or not main.answer.slots:
        for id in ("ROB-7", "ROB-8"):
            yield Skipped(id, Text("aucun créneau dans la période", "no slot in the window"))
        return
    async for observed in _spellings(subject, searcher, main, kind):
        yield observed
    async for observed in _reads(subject, main):
        yield observed


def _wrong(asked: Asked) -> Iterator[tuple[str, Text, str]]:
    """Searches that must be refused: requirement, what is wrong, query."""
    parts = asked.query.split("&")
    starts = [each for each in parts if "start=" in each]
    ids = next(each for each in parts if "identifier=" in each)
    first, second = (each.partition("=")[0] for each in starts)
    unreadable = Text("une date illisible", "an unreadable date")
    yield "ROB-1", unreadable, asked.query.replace(starts[0], f"{first}=gehier")
    impossible = Text("une date impossible", "an impossible date")
    yield "ROB-1", impossible, asked.query.replace(starts[1], f"{second}=le2026-13-45T00:00:00")
    without = Text("la période manque", "the window is missing")
    yield "ROB-1", without, "&".join(each for each in parts if each not in starts)
    nobody = Text("l'identifiant manque", "the identifier is missing")
    yield "ROB-1", nobody, "&".join(each for each in parts if each != ids)
    name, _, value = ids.partition("=")
    many = ",".join([value] + [f"{value[:-5]}9{number:04}" for number in range(25)])
    yield "ROB-1", Text("26 identifiants", "26 identifiers"), asked.query.replace(ids, f"{name}={many}")
    prefix = Text("un préfixe de date non pris en charge (ap)", "an unsupported prefix of a date (ap)")
    yield "ROB-2", prefix, asked.query.replace(starts[0], starts[0].replace("=ge", "=ap"))


async def _unsupported(subject: Subject, asked: Asked, kind: str) -> AsyncIterator[Observed]:
    """An unknown parameter: refused, or left out of the link `self` (FHIR R4, 3.1.1.2)."""
    exchange = await subject.wire.get(f"{kind}?{asked.query}&couleur=bleue")
    if exchange.status != 200:
        yield refused("ROB-2", exchange, Text("un paramètre inconnu", "an unknown parameter"))
        return
    answer, _ = read_answer(exchange, asked.flow)
    links = [] if answer is None else [text_of(each, "url") for _, each in nodes_of(answer.bundle, "link", "")]
    if any("couleur" in link for link in links):
        text = Text(
            "paramètre inconnu ignoré, mais répété par le lien self", "an ignored parameter is in the link self"
        )
        yield Fault("ROB-2", "Bundle.link", text, "couleur=bleue", "400, ou absent du lien", exchange, tolerated=True)
    else:
        yield Passed("ROB-2", exchange)


def refused(id: str, exchange: Exchange, what: Text, statuses: range = range(400, 500)) -> Observed:
    """A request that must be refused by one of these statuses, with an OperationOutcome. `what`: is wrong with it."""
    if exchange.status not in statuses:
        text = Text(f"{what.fr} : pas de refus propre", f"{what.en}: not refused properly")
        found = str(exchange.status) if exchange.answered else f"{exchange.failure} {exchange.why}"
        return Fault(id, "HTTP", text, found, f"{statuses[0]}…{statuses[-1]}", exchange)
    if not _is_outcome(exchange):
        text = Text(f"{what.fr} : le refus n'a pas d'OperationOutcome", f"{what.en}: refused without OperationOutcome")
        found = exchange.media_type or "—"
        return Fault(id, "HTTP", text, found, "OperationOutcome", exchange, tolerated=True)
    return Passed(id, exchange)


def _is_outcome(exchange: Exchange) -> bool:
    try:
        document = read_json(exchange.body, _OUTCOME)
    except JsonError:
        return False
    return (
        isinstance(document, dict)
        and document.get("resourceType") == "OperationOutcome"
        and bool(document.get("issue"))
    )


def _oversized(exchange: Exchange) -> Observed:
    """Refused in any way that is no error of the server: also by the web server before it, or by an end of the
    connection."""
    if 400 <= exchange.status < 500 or exchange.failure == "closed":
        return Passed("ROB-3", exchange)
    text = Text("une requête démesurée n'est pas refusée", "an oversized request is not refused")
    found = str(exchange.status) if exchange.answered else f"{exchange.failure} {exchange.why}"
    return Fault("ROB-3", "HTTP", text, found, "4xx", exchange)


async def _spellings(subject: Subject, searcher: Searcher, main: Made, kind: str) -> AsyncIterator[Observed]:
    """The same search in the other ways that the guide admits."""
    asked, expected = main.asked, main.slot_ids
    (id,) = asked.ids
    written = with_ids(asked, [id])
    plain = unquote(written.query).replace("+", "%2B").replace(" ", "%20")
    queries = {
        "paramètres dans un autre ordre": "&".join(reversed(asked.query.split("&"))),
        "barre verticale non encodée": plain,
        "décalage dont le + est arrivé comme un espace": asked.query.replace("%2B", "+"),
        "dates sans millisecondes": asked.query.replace(".000%2B", "%2B"),
    }
    for name, query in queries.items():
        made = await searcher.followed(asked, await searcher.send(query))
        text = Text(f"autre écriture, autre réponse : {name}", f"other spelling, other answer: {name}")
        for observed in same_slots(made, expected, "ROB-8", text):
            yield observed
    exchange = await subject.wire.call(
        "POST", f"{kind}/_search", headers={"Content-Type": _FORM}, body=asked.query.encode()
    )
    made = await searcher.followed(asked, exchange)
    text = Text("POST _search, autre réponse", "POST _search, other answer")
    for observed in same_slots(made, expected, "ROB-8", text):
        yield observed
    for accept in ("application/fhir+json", "*/*"):
        exchange = await subject.wire.get(f"{kind}?{asked.query}", Accept=accept)
        if exchange.status != 200 or exchange.media_type not in FHIR_TYPES:
            text = Text(f"Accept: {accept} n'est pas servi", f"Accept: {accept} is not served")
            found = f"{exchange.status} {exchange.media_type}"
            yield Fault("ROB-6", "HTTP Accept", text, found, f"200 {FHIR_TYPES[0]}", exchange)
        else:
            yield Passed("ROB-6", exchange)


async def _reads(subject: Subject, main: Made) -> AsyncIterator[Observed]:
    """The fullUrl of one resource of each type is read."""
    assert main.answer is not None
    urls: dict[str, tuple[str, str]] = {}
    for _, entry in nodes_of(main.answer.bundle, "entry", "Bundle"):
        resource = entry.get("resource")
        if isinstance(resource, dict) and text_of(entry, "fullUrl").startswith(("http://", "https://")):
            urls.setdefault(str(resource.get("resourceType")), (text_of(entry, "fullUrl"), key_of(resource)))
    base = subject.target.fhir
    for url, own in urls.values():
        if not url.startswith(f"{base}/"):
            text = Text("fullUrl n'est pas sous la base de la cible", "the fullUrl is not below the base of the target")
            yield Fault("ROB-7", f"{own}.fullUrl", text, url, f"{base}/…", main.exchange, tolerated=True)
            continue
        exchange = await subject.wire.get(url)
        if exchange.status != 200 or own.partition("/")[2].encode() not in exchange.body:
            text = Text("fullUrl ne se résout pas", "the fullUrl does not resolve")
            yield Fault("ROB-7", f"{own}.fullUrl", text, str(exchange.status), "200", exchange)
        else:
            yield Passed("ROB-7", exchange)

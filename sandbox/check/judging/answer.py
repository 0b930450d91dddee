"""An answer to a slot search as the judges see it: what was asked, what came, and where each resource is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.check.evidence import Exchange
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir import nos
from sandbox.fhir.reader.nodes import node_of, nodes_of, reference_of, text_of
from sandbox.kernel.clock import parse_datetime
from sandbox.kernel.errors import JsonError
from sandbox.kernel.text.json_input import Limits, read_json

Node = Mapping[str, Any]

FHIR_TYPES = ("application/fhir+json", "application/json+fhir", "application/json")
SLOW_MS, TOO_SLOW_MS = 1000.0, 7000.0
ANSWER = Limits(octets=64 << 20, elements=2_000_000)
_GENERAL = {"INT_R01": "R01-13", "INT_R04": "R04-1", "SOS": "SOS-3"}  # flow -> requirement of its Bundle
_SERVED = {"INT_R01": "R01-4", "INT_R04": "R01-4", "SOS": "SOS-1"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A search. `flow`: INT_R01, INT_R04 or SOS; `ids`: prefixed, of practitioners or associations; `start`, `end`: its
    window; `now`: the server's time; `query`: as sent; `types`: what it asks to be sent beside the matches."""

    flow: str
    ids: frozenset[str]
    start: datetime
    end: datetime
    now: datetime
    query: str
    types: frozenset[str]

    @property
    def bundle_requirement(self) -> str:
        """The requirement about the Bundle as such."""
        return _GENERAL[self.flow]


@dataclass(frozen=True, slots=True)
class Answer:
    """A searchset that could be read. `resources`: (path of the entry, resource), in order; `by_key`: by
    `<type>/<id>`."""

    exchange: Exchange
    bundle: Node
    resources: tuple[tuple[str, Node], ...]
    by_key: Mapping[str, Node] = field(default_factory=dict)

    def of(self, kind: str) -> Iterator[Node]:
        """The resources of a type."""
        return (each for _, each in self.resources if each.get("resourceType") == kind)

    def get(self, reference: object) -> Node | None:
        """The resource that an element {"reference": …} names, if it is in the answer."""
        return self.by_key.get(reference_of(reference))

    @property
    def slots(self) -> list[Node]:
        """Its Slots."""
        return list(self.of("Slot"))

    @property
    def total(self) -> int | None:
        """The total that it states."""
        total = self.bundle.get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) else None


def key_of(resource: Node) -> str:
    """`Slot/abc`; the type alone without an id; `Resource` where it has no type."""
    kind, own = str(resource.get("resourceType") or "Resource"), text_of(resource, "id")
    return f"{kind}/{own}" if own else kind


def read_answer(exchange: Exchange, flow: str) -> tuple[Answer | None, list[Fault]]:
    """The searchset of an answer and what is wrong with how it came; None when there is no searchset."""
    served, shape = _SERVED[flow], _GENERAL[flow]
    if not exchange.answered:
        id = "R01-P" if exchange.failure == "timeout" else served
        text = Text(f"la recherche n'a pas de réponse ({exchange.why})", f"the search has no answer ({exchange.why})")
        return None, [Fault(id, "HTTP", text, exchange.failure, "200", exchange)]
    faults = [*_slow(exchange)]
    if exchange.status != 200:
        text = Text("la recherche n'est pas servie", "the search is not served")
        return None, [*faults, Fault(served, "HTTP", text, str(exchange.status), "200", exchange)]
    faults += _media_type(exchange)
    try:
        document = read_json(exchange.body, ANSWER)
    except JsonError as error:
        text = Text("la réponse n'est pas du JSON lisible", "the answer is no readable JSON")
        return None, [*faults, Fault(shape, "Bundle", text, str(error), "JSON", exchange)]
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        found = str(document.get("resourceType")) if isinstance(document, dict) else type(document).__name__
        text = Text("la réponse n'est pas un Bundle", "the answer is not a Bundle")
        return None, [*faults, Fault(shape, "resourceType", text, found, "Bundle", exchange)]
    return _answer(exchange, document), faults


def _answer(exchange: Exchange, bundle: Node) -> Answer:
    resources = [
        (path, entry["resource"])
        for path, entry in nodes_of(bundle, "entry", "Bundle")
        if isinstance(entry.get("resource"), dict)
    ]
    by_key: dict[str, Node] = {}
    for _, resource in resources:
        by_key.setdefault(key_of(resource), resource)
    return Answer(exchange, bundle, tuple(resources), by_key)


def next_page(answer: Answer) -> str:
    """The URL of the page that follows; "" when there is none."""
    links = (link for _, link in nodes_of(answer.bundle, "link", ""))
    return next((text_of(link, "url") for link in links if link.get("relation") == "next"), "")


def joined(pages: Sequence[Answer]) -> Answer:
    """The pages of one answer as one: each may repeat what it includes, none what it matches."""
    first = pages[0]
    if len(pages) == 1:
        return first
    entries: list[object] = []
    seen: set[str] = set()
    for at, page in enumerate(pages):
        for entry in page.bundle.get("entry", ()) if isinstance(page.bundle.get("entry"), list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            own = key_of(resource) if isinstance(resource, dict) else ""
            if at == 0 or own.startswith("Slot/") or own not in seen:
                entries.append(entry)
            seen.add(own)
    links = [link for _, link in nodes_of(first.bundle, "link", "") if link.get("relation") != "next"]
    return _answer(first.exchange, {**first.bundle, "link": links, "entry": entries})


def _slow(exchange: Exchange) -> Iterator[Fault]:
    if exchange.ms > SLOW_MS:
        text = Text("la réponse est lente", "the answer is slow")
        found, tolerated = f"{exchange.ms:.0f} ms", exchange.ms <= TOO_SLOW_MS
        most = SLOW_MS if tolerated else TOO_SLOW_MS
        yield Fault("R01-P", "HTTP", text, found, f"< {most:.0f} ms", exchange, tolerated=tolerated)


def _media_type(exchange: Exchange) -> Iterator[Fault]:
    header = exchange.header("content-type")
    charset = header.lower().partition("charset=")[2].strip(' "')
    if exchange.media_type not in FHIR_TYPES or charset not in ("", "utf-8", "utf8"):
        text = Text("le type de contenu n'est pas celui de FHIR", "the content type is not that of FHIR")
        yield Fault("ROB-6", "HTTP Content-Type", text, header or "—", FHIR_TYPES[0], exchange)


# What judges read of resources


def instant_of(slot: Node, name: str) -> datetime | None:
    """`start` or `end`, leniently; None when it is none."""
    try:
        return parse_datetime(text_of(slot, name))
    except (ValueError, OverflowError):
        return None


def codings(concepts: object) -> Iterator[Node]:
    """The codings of a list of CodeableConcepts, or of one."""
    rows = concepts if isinstance(concepts, list) else [concepts]
    for concept in rows:
        if isinstance(concept, dict):
            yield from (coding for _, coding in nodes_of(concept, "coding", ""))


def visibilities(slot: Node) -> list[str]:
    """Codes of `meta.security`."""
    return [text_of(coding, "code") for _, coding in nodes_of(node_of(slot, "meta"), "security", "")]


def services(slot: Node) -> list[str]:
    """The HealthcareServices that a slot names."""
    found = []
    for _, concept in nodes_of(slot, "serviceType", ""):
        for _, extension in nodes_of(concept, "extension", ""):
            if extension.get("url") == nos.SERVICE_TYPE and (named := reference_of(extension.get("valueReference"))):
                found.append(named)
    return found


def is_for_cpts(slot: Node) -> bool:
    """Whether a slot is seen by CPTS, or names some."""
    return "CPTS" in visibilities(slot) or bool(services(slot))


def identifiers(owner: Node, system: str) -> list[str]:
    """Values of the identifiers of that system."""
    found = (each for _, each in nodes_of(owner, "identifier", ""))
    return [text_of(each, "value") for each in found if each.get("system") == system and text_of(each, "value")]


def actors(schedule: Node) -> list[str]:
    """The references of `Schedule.actor`."""
    return [reference_of(actor) for _, actor in nodes_of(schedule, "actor", "")]

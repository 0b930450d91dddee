"""Judges the Bundle of an answer: its total, its links, its entries. Pure.

Its resources are judged by `resources`, how they belong together by `agendas`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl

from sandbox.check.judging.answer import Answer, Asked, is_for_cpts, key_of
from sandbox.check.verdicts import Fault, Text
from sandbox.fhir import nos
from sandbox.fhir.profiles import BUNDLES
from sandbox.fhir.reader.nodes import node_of, nodes_of, text_of

_FORMS = {"INT_R01": nos.BUNDLE_PROFILE, "INT_R04": nos.CPTS_BUNDLE_PROFILE, "SOS": nos.SOS_BUNDLE_PROFILE}


def bundle_profiles(answer: Answer, asked: Asked) -> tuple[str, ...]:
    """The profiles of which the Bundle must state one: that of the search; an answer of INT_R04 without a slot for CPTS
    looks as in INT_R01."""
    own = _FORMS[asked.flow]
    if asked.flow != "INT_R04" or any(is_for_cpts(slot) for slot in answer.slots):
        return (own,)
    return (nos.BUNDLE_PROFILE,) if answer.slots else (own, nos.BUNDLE_PROFILE)


def profile_of(kind: str, answer: Answer, asked: Asked) -> tuple[str, ...]:
    """The profiles of which a resource of that type must state one in this answer; none: any of the guide."""
    found = (BUNDLES[bundle][2].get(kind, "") for bundle in bundle_profiles(answer, asked))
    return tuple(each for each in found if each)


def judge_shell(answer: Answer, asked: Asked) -> Iterator[Fault]:
    """What is wrong with the Bundle."""
    yield from _statements(answer, asked)
    yield from _total(answer, asked)
    yield from _links(answer, asked)
    yield from _entries(answer, asked)
    yield from _repeated(answer, asked)
    yield from _unasked(answer, asked)


def _wrong(answer: Answer, id: str, path: str, text: tuple[str, str], found: str = "", expected: str = "") -> Fault:
    return Fault(id, path, Text(*text), found, expected, answer.exchange, cause=f"{text[1]} {path.partition('[')[0]}")


def _statements(answer: Answer, asked: Asked) -> Iterator[Fault]:
    bundle, id = answer.bundle, asked.bundle_requirement
    stated, wanted = node_of(bundle, "meta").get("profile"), bundle_profiles(answer, asked)
    if not isinstance(stated, list) or len(stated) != 1 or stated[0] not in wanted:
        text = "le Bundle ne dit pas son profil", "the Bundle does not state its profile"
        yield _wrong(answer, id, "Bundle.meta.profile", text, str(stated or "—"), " / ".join(wanted))
    if bundle.get("type") != "searchset":
        text = "le type du Bundle est faux", "the type of the Bundle is wrong"
        yield _wrong(answer, "R01-14", "Bundle.type", text, str(bundle.get("type")), "searchset")
    for name, value in bundle.items():
        if value in (None, "", [], {}):
            text = f"Bundle.{name} est vide : il ne doit pas être envoyé", f"Bundle.{name} is empty"
            yield _wrong(answer, id, f"Bundle.{name}", text, repr(value))


def _total(answer: Answer, asked: Asked) -> Iterator[Fault]:
    slots, schedules = len(answer.slots), len(list(answer.of("Schedule")))
    admitted = {slots, schedules} if asked.flow == "SOS" else {slots}
    if answer.total not in admitted:
        text = "total n'est pas le nombre de créneaux", "total is not the number of slots"
        yield _wrong(
            answer, asked.bundle_requirement, "Bundle.total", text, str(answer.bundle.get("total")), str(slots)
        )


def _links(answer: Answer, asked: Asked) -> Iterator[Fault]:
    links = [link for _, link in nodes_of(answer.bundle, "link", "")]
    own = next((text_of(link, "url") for link in links if link.get("relation") == "self"), None)
    if own is None:
        text = "le lien self manque", "the link self is missing"
        yield _wrong(answer, "R01-L", "Bundle.link", text, "—", "self")
    elif _pairs(own.partition("?")[2]) != _pairs(asked.query):
        text = "le lien self ne répète pas la requête", "the link self does not repeat the query"
        yield _wrong(answer, "R01-L", "Bundle.link", text, own, asked.query)
    others = [text_of(link, "relation") for link in links if link.get("relation") != "self"]
    if others and asked.flow != "INT_R01" and bundle_profiles(answer, asked) != (nos.BUNDLE_PROFILE,):
        text = "plus d'un lien (ces recherches ne se paginent pas)", "more than one link (these are not paged)"
        yield _wrong(answer, asked.bundle_requirement, "Bundle.link", text, ", ".join(others), "self")


def _pairs(query: str) -> Counter[tuple[str, str]]:
    return Counter((name, value.replace(", ", ",")) for name, value in parse_qsl(query, keep_blank_values=True))


def _entries(answer: Answer, asked: Asked) -> Iterator[Fault]:
    id, matched = asked.bundle_requirement, "Schedule" if asked.flow == "SOS" else "Slot"
    for path, entry in nodes_of(answer.bundle, "entry", "Bundle"):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            yield _wrong(answer, id, f"{path}.resource", ("entry sans ressource", "an entry without a resource"))
            continue
        url, own = text_of(entry, "fullUrl"), key_of(resource)
        if not url:
            yield _wrong(answer, id, f"{path}.fullUrl", ("fullUrl manque", "fullUrl is missing"), "—", f"…/{own}")
        elif not url.endswith(f"/{own}") and not url.startswith("urn:"):
            text = "fullUrl n'est pas celle de la ressource", "fullUrl is not that of the resource"
            yield _wrong(answer, id, f"{path}.fullUrl", text, url, f"…/{own}")
        mode = "match" if resource.get("resourceType") == matched else "include"
        found = text_of(node_of(entry, "search"), "mode")
        if found != mode:
            text = ("search.mode manque", "search.mode is missing") if not found else (
                "search.mode est faux", "search.mode is wrong",
            )  # fmt: skip
            yield _wrong(answer, id, f"{path}.search.mode", text, found or "—", mode)


def _repeated(answer: Answer, asked: Asked) -> Iterator[Fault]:
    seen: set[str] = set()
    for _, resource in answer.resources:
        own = key_of(resource)
        if own in seen and "/" in own:
            text = "la même ressource vient deux fois", "the same resource comes twice"
            yield _wrong(answer, asked.bundle_requirement, own, text)
        seen.add(own)


def _unasked(answer: Answer, asked: Asked) -> Iterator[Fault]:
    id = "SOS-1" if asked.flow == "SOS" else "R01-30"
    matched = "Schedule" if asked.flow == "SOS" else "Slot"
    for _, resource in answer.resources:
        kind = str(resource.get("resourceType"))
        if kind not in asked.types and kind not in (matched, "OperationOutcome"):
            text = f"{kind} : personne ne l'a demandé", f"{kind}: nobody asked for it"
            yield Fault(
                id, key_of(resource), Text(*text), kind, ", ".join(sorted({matched, *asked.types})), answer.exchange
            )

"""Slot searches as query strings: parsing, as an editor does, and writing, as the SAS core does. Pure.

`GET Slot` (INT_R01, INT_R04) and `GET Schedule` (SOS Médecins), guide « Recherche de créneaux ». Parsing is tolerant:
any order, percent-encoded or not (names, pipes, commas, colons), a space after a comma, an offset whose `+` arrived as
a space, dates with or without offset (then Europe/Paris) and milliseconds, partial dates (`ge2026-11`). It is strict
where the guide asks for 400: RequestError(400) with one Issue per mistake, `expression` = `http.<parameter>`.

Parameters and includes that an editor does not offer (`offers`) are refused too, all of them at once, unless the caller
prefers `handling=lenient` (FHIR R4, 3.1.1.2): they are then ignored and left out of `text`, and so of the link `self`,
which according to R4 lists what was processed. A modifier, a prefix or a value that is not supported is an error in
both cases, because leaving it out would widen the search.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote_plus

import msgspec

from sandbox.fhir.queries.canonical import MOST_ACTORS, read_by_parts
from sandbox.fhir.queries.offers import (
    ACTOR,
    ASSOCIATIONS,
    HAS,
    INCLUDE,
    PRACTITIONERS,
    REVINCLUDE,
    SCHEDULE,
    SCHEDULE_OFFER,
    SERVICE,
    SERVICE_ORGANIZATION,
    SITE,
    SITE_ORGANIZATION,
    Offer,
    slot_offer,
)
from sandbox.kernel.bounded import make_room
from sandbox.kernel.clock import fhir_instant, parse_period
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_STRUCTURE, prefixed_person, prefixed_structure

__all__ = [
    "ACTOR", "MOST_ACTORS", "PAGE", "SCHEDULE", "SERVICE", "SERVICE_ORGANIZATION", "SITE",
    "SITE_ORGANIZATION", "ScheduleQuery", "SlotQuery", "parse_schedule_query", "parse_slot_query", "schedule_query",
    "self_text", "slot_query", "window_end", "written_ids",
]  # fmt: skip

PAGE = 1000  # the number that the SAS core asks for, and the most that one page of an answer holds


class SlotQuery(msgspec.Struct, frozen=True, gc=False):
    """A search of practitioners' slots. `practitioners`: prefixed ids, each once, in the order asked.

    `includes`: names of what to send beside the slots (constants of this module); `count`: page size asked for;
    `after`: slot id after which the page starts (our own `_after`, which `next` links carry); `text`: the query string
    as received, without what was ignored, in a form suitable for the link `self`.
    """

    practitioners: tuple[str, ...]
    start: datetime
    end: datetime
    includes: frozenset[str]
    count: int | None
    after: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ScheduleQuery:
    """A search of SOS Médecins sites. `sirets`: prefixed, each once, in the order asked; the other fields as in
    SlotQuery."""

    sirets: tuple[str, ...]
    start: datetime
    end: datetime
    includes: frozenset[str]
    text: str


QUERIES_KEPT = 1024  # number of queries whose parts other than practitioners and times are cached
# What accepted queries ask for besides practitioners and times, by (editor with CPTS, parts of the query).
_frames: dict[tuple[bool, str, str, str], SlotQuery] = {}


def parse_slot_query(raw_query: str, *, cpts: bool = True, lenient: bool = False) -> SlotQuery:
    """The query string (or form) of `GET Slot`; `cpts`: whether the editor offers what INT_R04 adds.

    Raises RequestError 400 with everything that is wrong.
    """
    parts = None if lenient else read_by_parts(raw_query)
    known = _frames.get((cpts, *parts.frame)) if parts is not None else None
    if parts is not None and known is not None:
        return SlotQuery(parts.ids, parts.start, parts.end, known.includes, known.count, known.after, raw_query)
    query = _any_slot_query(raw_query, cpts=cpts, lenient=lenient)
    if parts is not None and query.text == raw_query:
        make_room(_frames, QUERIES_KEPT)
        _frames[cpts, *parts.frame] = query
    return query


def _any_slot_query(raw_query: str, *, cpts: bool, lenient: bool) -> SlotQuery:
    form = _Form(raw_query, slot_offer(cpts), lenient)
    start, end = form.window(("start",), "start")
    form.status(("status",), "status")
    practitioners = form.tokens(PRACTITIONERS, SYSTEM_PERSON, prefixed_person)
    includes = form.includes(INCLUDE, form.offer.by_include)
    count, after = form.count(), form.values("_after")
    text = form.finish()
    return SlotQuery(practitioners, start, end, includes, count, after[-1] if after else None, text)


def parse_schedule_query(raw_query: str, *, lenient: bool = False) -> ScheduleQuery:
    """The query string (or form) of `GET Schedule`; `start` and `status` also plain, as the guide's table writes them.

    Raises RequestError 400 with everything that is wrong.
    """
    form = _Form(raw_query, SCHEDULE_OFFER, lenient)
    start, end = form.window((HAS + "start", "start"), HAS + "start")
    form.status((HAS + "status", "status"), HAS + "status")
    sirets = form.tokens(ASSOCIATIONS, SYSTEM_STRUCTURE, prefixed_structure)
    includes = form.includes(INCLUDE, SCHEDULE_OFFER.by_include)
    includes |= form.includes(REVINCLUDE, SCHEDULE_OFFER.by_revinclude)
    form.count()  # checked, but these answers have a single page: their profile has no `next`
    return ScheduleQuery(sirets, start, end, includes, form.finish())


def written_ids(raw_query: str) -> dict[str, str]:
    """The identifiers of a search: prefixed form -> as written in the query, without system."""
    form = _Form(raw_query, SCHEDULE_OFFER)
    people = form.values(PRACTITIONERS)
    prefixed = prefixed_person if people else prefixed_structure
    tokens = (
        token.rpartition("|")[2].strip() for text in people or form.values(ASSOCIATIONS) for token in text.split(",")
    )
    return {prefixed(token): token for token in tokens if token}


def window_end(raw_query: str) -> datetime:
    """The last instant of the window of a parsed query of either kind."""
    return _Form(raw_query, SCHEDULE_OFFER).window((HAS + "start", "start"), "start")[1]


def slot_query(ids: Iterable[str], start: datetime, end: datetime, *, cpts: bool) -> str:
    """The query that the SAS core sends after `Slot?`: at most 25 practitioners; `cpts` for the includes of INT_R04."""
    pairs = [("_include", SCHEDULE), ("_include:iterate", ACTOR)]
    if cpts:
        pairs += [("_include", SERVICE), ("_include:iterate", SERVICE_ORGANIZATION)]
    tokens = ",".join(f"{SYSTEM_PERSON}|{prefixed_person(each)}" for each in ids)
    pairs += [("status", "free"), *_bounds("start", start, end), (PRACTITIONERS, tokens), ("_count", str(PAGE))]
    return _encode(pairs)


def schedule_query(sirets: Iterable[str], start: datetime, end: datetime) -> str:
    """The query that the SAS core sends after `Schedule?`: at most 10 associations."""
    tokens = ",".join(f"{SYSTEM_STRUCTURE}|{prefixed_structure(each)}" for each in sirets)
    return _encode(
        [
            ("_revinclude", SCHEDULE),
            ("_include", SITE),
            ("_include:iterate", SITE_ORGANIZATION),
            *_bounds(HAS + "start", start, end),
            (HAS + "status", "free"),
            (ASSOCIATIONS, tokens),
            ("_count", str(PAGE)),
        ]
    )


@lru_cache(maxsize=256)
def _bounds(name: str, start: datetime, end: datetime) -> list[tuple[str, str]]:
    return [(name, f"ge{fhir_instant(start)}"), (name, f"le{fhir_instant(end)}")]


def _encode(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={_quoted(value)}" for name, value in pairs)


@lru_cache(maxsize=512)
def _quoted(value: str) -> str:
    return quote(value, safe=":,.-")


_SPACE_PLUS = re.compile(r"(?<=[,=])\+|(?<=%2[Cc])\+")  # the space that may follow a comma
_URL_SAFE = "%/:?@!$'()*,;=&|~-._[]"  # characters that a query may contain unencoded; the rest is percent-encoded
_FIT = (string.ascii_letters + string.digits + _URL_SAFE).encode()


def self_text(raw_query: str) -> str:
    """The query as the link `self` repeats it: a `+` as `%2B`, unless it stands for the space after a comma."""
    if "+" in raw_query:
        raw_query = _SPACE_PLUS.sub("%20", raw_query).replace("+", "%2B")
    fit = raw_query.isascii() and not raw_query.encode().translate(None, _FIT)
    return raw_query if fit else quote(raw_query, safe=_URL_SAFE)


MOST_MISTAKES = 50  # mistakes reported for one query


@dataclass(slots=True)
class _Form:
    """The decoded parameters of one request, and what is wrong with them so far."""

    raw: str
    offer: Offer
    lenient: bool = False
    issues: list[Issue] = field(default_factory=list)
    ignored: set[tuple[str, str]] = field(default_factory=set)
    _values: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.raw.split("&"):
            name, value = _pair(part)
            if (unfit := unfit_text(name, value)) is not None:
                self._note(unfit)
                name = _UNFIT.sub("", name)
            if name and value and not value.isspace():
                self._values.setdefault(name, []).append(value)

    def values(self, *names: str) -> list[str]:
        """All values of these parameters that are not empty."""
        found: list[str] = []
        for name in names:
            if name in self._values:
                found += self._values[name]
        return found

    def wrong(self, name: str, code: str, detail: str) -> None:
        """Note a mistake."""
        self._note(Issue(code, detail, f"http.{name}"))

    def _note(self, issue: Issue) -> None:
        """Keep an issue; only the first MOST_MISTAKES are reported."""
        if len(self.issues) < MOST_MISTAKES:
            self.issues.append(issue)
        elif len(self.issues) == MOST_MISTAKES:
            self.issues.append(Issue("too-costly", f"more than {MOST_MISTAKES} mistakes: the others are not told"))

    def finish(self) -> str:
        """The processed query, in a form suitable for the link `self`. Raises RequestError 400 if anything was
        wrong."""
        strange = self._values.keys() - self.offer.names
        if strange:
            self._judge(sorted(strange))
        if self.issues:
            raise RequestError(400, *self.issues)
        return self_text(self._processed() if self.ignored else self.raw)

    def _judge(self, strange: Iterable[str]) -> None:
        """Check for parameters that are not offered; an offered parameter with an unsupported modifier is never
        ignored."""
        stated = ", ".join(sorted(self.offer.names))
        for name in strange:
            plain, _, modifier = name.partition(":")
            if modifier and plain in self.offer.names:
                self.wrong(name, "not-supported", f"'{plain}' has no modifier '{modifier}' here")
            elif self.lenient:
                self.ignored.update((name, value) for value in self._values[name])
            else:
                self.wrong(name, "not-supported", f"'{name}' is not supported here (expected only: {stated})")

    def _processed(self) -> str:
        parts = (part for part in self.raw.split("&") if part)
        return "&".join(part for part in parts if _pair(part) not in self.ignored)

    def window(self, names: tuple[str, ...], shown: str) -> tuple[datetime, datetime]:
        """The two bounds: exactly one `ge` and one `le`."""
        found: dict[str, datetime] = {}
        for text in self.values(*names):
            prefix, value = text.strip()[:2].lower(), text.strip()[2:]
            if prefix not in ("ge", "le"):
                self.wrong(shown, "not-supported", f"'{text}': expected {shown}=ge<dateTime> or {shown}=le<dateTime>")
            elif prefix in found:
                self.wrong(shown, "invalid", f"{shown}={prefix}… is given more than once")
            else:
                found[prefix] = self._instant(shown, prefix, value)
        for prefix in ("ge", "le") if len(found) < 2 else ():
            if prefix not in found and not any(issue.expression == f"http.{shown}" for issue in self.issues):
                self.wrong(shown, "required", f"{shown}={prefix}<dateTime> is mandatory")
        return found.get("ge", _NEVER), found.get("le", _NEVER)

    def _instant(self, shown: str, prefix: str, value: str) -> datetime:
        try:
            first, last = parse_period(value)
            instant = first if prefix == "ge" else last
            instant.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            self.wrong(shown, "value", str(error) or f"'{value}' is not a dateTime")
            return _NEVER
        return instant

    def status(self, names: tuple[str, ...], shown: str) -> None:
        """`free`, the only status that the guide searches."""
        values = self.values(*names)
        if not values:
            self.wrong(shown, "required", f"{shown}=free is mandatory")
        for value in values:
            if value.strip() != "free":
                self.wrong(shown, "not-supported", f"'{value}': only the status free is supported")

    def tokens(self, name: str, system: str, prefixed: Callable[[str], str]) -> tuple[str, ...]:
        """Values of a token list `<system>|<value>,…`, prefixed; values of another system find nothing, so they are
        dropped."""
        lists = self.values(name)
        if len(lists) > 1:
            self.wrong(name, "invalid", f"{name} is given more than once")
        if len(lists) == 1 and (plain := _plain_tokens(lists[0], f"{system}|")):
            found = dict.fromkeys(map(prefixed, plain))
        else:
            found = self._any_tokens(name, lists, system, prefixed)
        if len(found) > MOST_ACTORS:
            self.wrong(name, "too-costly", f"{len(found)} identifiers (at most {MOST_ACTORS})")
        return tuple(found)

    def _any_tokens(self, name: str, lists: list[str], system: str, prefixed: Callable[[str], str]) -> dict[str, None]:
        tokens = [token for text in lists for token in map(str.strip, text.split(",")) if token]
        if not tokens:
            self.wrong(name, "required", f"{name}=<system>|<value> is mandatory")
        found: dict[str, None] = {}
        for token in tokens:
            before, pipe, after = token.rpartition("|")
            if not after.strip():
                self.wrong(name, "value", f"'{token}' has no value (expected <system>|<value>)")
            elif not pipe or before == system:
                found[prefixed(after.strip())] = None
        return found

    def includes(self, names: tuple[str, ...], offered: Mapping[str, str]) -> frozenset[str]:
        """The includes asked for, with any modifier and in any case."""
        found = set()
        for name in names:
            for value in self.values(name):
                include = offered.get(value.strip().lower())
                if include is not None:
                    found.add(include)
                elif self.lenient:
                    self.ignored.add((name, value))
                else:
                    expected = ", ".join(offered.values())
                    self.wrong(name, "not-supported", f"'{value}' is not supported here (expected: {expected})")
        return frozenset(found)

    def count(self) -> int | None:
        """Page size; None when absent."""
        values = self.values("_count")
        if not values:
            return None
        text = values[-1].strip()
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            self.wrong("_count", "value", f"'{text}' is no page size (expected a whole number, 0 or more)")
            return None
        return int(text)


_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")


def unfit_text(name: str, value: str) -> Issue | None:
    """The problem with the characters of a parameter: control characters, or octets that are not UTF-8."""
    found = _UNFIT.search(name) or _UNFIT.search(value)
    if found is None:
        return None
    what = "is not UTF-8" if found[0] == "\ufffd" else f"holds the control character U+{ord(found[0]):04X}"
    plain = _UNFIT.sub("?", name)
    return Issue("value", f"the parameter '{plain}' {what}", f"http.{plain}")


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return _decoded(name), _decoded(value)


def _plain_tokens(text: str, mark: str) -> list[str]:
    """The values of a list whose tokens all begin with `mark` and contain no space; else none."""
    count = text.count(",") + 1
    if " " in text or text.count("|") != count or f",{text}".count(f",{mark}") != count or not text.isprintable():
        return []
    values = text.replace(mark, "").split(",")
    return values if all(values) else []


def _decoded(text: str) -> str:
    """`unquote_plus`, but much faster when only the characters of tokens and instants are encoded."""
    if "+" in text:
        return unquote_plus(text)
    if "%" in text:
        plain = text.replace("%7C", "|").replace("%3A", ":").replace("%2B", "+").replace("%2C", ",")
        return unquote_plus(text) if "%" in plain else plain
    return text


_NEVER = datetime.min.replace(tzinfo=UTC)  # placeholder next to an issue: never leaves this module

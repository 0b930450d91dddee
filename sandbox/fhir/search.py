"""Slot searches as query strings, both ways: what an editor reads, what the SAS core sends. Pure.

`GET Slot` (INT_R01, INT_R04) and `GET Schedule` (SOS Médecins), guide « Recherche de créneaux ». Liberal in reading:
any order, percent-encoded or not (names, pipes, commas, colons), a space after a comma, an offset whose `+` arrived
as a space, dates with or without offset (then Europe/Paris) and milliseconds. Strict where the guide asks for 400:
RequestError(400) with one Issue per mistake, `expression` = `http.<parameter>`. Parameters that the guide does not
know are ignored, as FHIR's lenient handling has it; an unknown value of a known one is an error.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, unquote_plus

from sandbox.kernel.clock import fhir_instant, parse_datetime
from sandbox.kernel.errors import Issue, RequestError
from sandbox.kernel.identifiers import SYSTEM_PERSON, SYSTEM_STRUCTURE, prefixed_person, prefixed_structure

MOST_ACTORS = 25  # practitioners, or associations (⚠ the guide's text says 10 of those, its table 25)
SENT_ASSOCIATIONS = 10
PAGE = 1000  # what the SAS core asks for, and the most that an answer's page holds

SCHEDULE, ACTOR = "Slot:schedule", "Schedule:actor"
SERVICE, SERVICE_ORGANIZATION = "Slot:service-type-reference", "HealthcareService:organization"
SITE, SITE_ORGANIZATION = "Schedule:actor:Location", "Location:organization"

_PRACTITIONERS = "schedule.actor:Practitioner.identifier"
_ASSOCIATIONS = "actor:Location.organization.identifier"
_HAS = "_has:Slot:schedule:"
_FORMATS = ("json", "application/json", "application/fhir+json", "application/json+fhir", "text/json")
_SLOT_INCLUDES = {name.lower(): name for name in (SCHEDULE, ACTOR, SERVICE, SERVICE_ORGANIZATION)}
_SCHEDULE_INCLUDES = {"schedule:actor": SITE, SITE.lower(): SITE, SITE_ORGANIZATION.lower(): SITE_ORGANIZATION}
_REVINCLUDES = {SCHEDULE.lower(): SCHEDULE}


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A search of practitioners' slots. `practitioners`: prefixed ids, each once, in the order asked.

    `includes`: names of what to send beside the slots (constants of this module); `count`: page size asked for;
    `after`: slot id that the page starts after (our own `_after`, as `next` links carry it); `text`: the query string
    as asked, fit for the link `self`.
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
    """A search of SOS Médecins sites. `sirets`: prefixed, each once, in the order asked; the rest as in SlotQuery."""

    sirets: tuple[str, ...]
    start: datetime
    end: datetime
    includes: frozenset[str]
    text: str


def parse_slot_query(raw_query: str) -> SlotQuery:
    """The query string (or form) of `GET Slot`. Raises RequestError 400 with everything that is wrong."""
    form = _Form(raw_query)
    start, end = form.window(("start",), "start")
    form.status(("status",), "status")
    practitioners = form.tokens(_PRACTITIONERS, SYSTEM_PERSON, prefixed_person)
    includes = form.includes(("_include", "_include:iterate", "_include:recurse"), _SLOT_INCLUDES)
    form.unsupported("_revinclude", "_revinclude:iterate")
    count, after = form.count(), form.values("_after")
    form.format()
    form.finish()
    return SlotQuery(practitioners, start, end, includes, count, after[-1] if after else None, self_text(raw_query))


def parse_schedule_query(raw_query: str) -> ScheduleQuery:
    """The query string (or form) of `GET Schedule`; `start` and `status` also plain, as the guide's table writes them.

    Raises RequestError 400 with everything that is wrong.
    """
    form = _Form(raw_query)
    start, end = form.window((_HAS + "start", "start"), _HAS + "start")
    form.status((_HAS + "status", "status"), _HAS + "status")
    sirets = form.tokens(_ASSOCIATIONS, SYSTEM_STRUCTURE, prefixed_structure)
    includes = form.includes(("_include", "_include:iterate", "_include:recurse"), _SCHEDULE_INCLUDES)
    includes |= form.includes(("_revinclude", "_revinclude:iterate"), _REVINCLUDES)
    form.count()  # checked, but these answers have one page: their profile has no `next`
    form.format()
    form.finish()
    return ScheduleQuery(sirets, start, end, includes, self_text(raw_query))


def written_ids(raw_query: str) -> dict[str, str]:
    """The identifiers that a search asks about: prefixed -> as they are written in it, without their system."""
    form = _Form(raw_query)
    people = form.values(_PRACTITIONERS)
    prefixed = prefixed_person if people else prefixed_structure
    tokens = (
        token.rpartition("|")[2].strip() for text in people or form.values(_ASSOCIATIONS) for token in text.split(",")
    )
    return {prefixed(token): token for token in tokens if token}


def window_end(raw_query: str) -> datetime:
    """The last instant of the window of a query that was parsed, whichever of the two searches it is."""
    return _Form(raw_query).window((_HAS + "start", "start"), "start")[1]


def slot_query(ids: Iterable[str], start: datetime, end: datetime, *, cpts: bool) -> str:
    """What the SAS core sends after `Slot?`: at most 25 practitioners; `cpts` for the includes of INT_R04."""
    pairs = [("_include", SCHEDULE), ("_include:iterate", ACTOR)]
    if cpts:
        pairs += [("_include", SERVICE), ("_include:iterate", SERVICE_ORGANIZATION)]
    tokens = ",".join(f"{SYSTEM_PERSON}|{prefixed_person(each)}" for each in ids)
    pairs += [("status", "free"), *_bounds("start", start, end), (_PRACTITIONERS, tokens), ("_count", str(PAGE))]
    return _encode(pairs)


def schedule_query(sirets: Iterable[str], start: datetime, end: datetime) -> str:
    """What the SAS core sends after `Schedule?`: at most 10 associations."""
    tokens = ",".join(f"{SYSTEM_STRUCTURE}|{prefixed_structure(each)}" for each in sirets)
    return _encode(
        [
            ("_revinclude", SCHEDULE),
            ("_include", SITE),
            ("_include:iterate", SITE_ORGANIZATION),
            *_bounds(_HAS + "start", start, end),
            (_HAS + "status", "free"),
            (_ASSOCIATIONS, tokens),
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
_URL_SAFE = "%/:?@!$'()*,;=&|~-._[]"  # what a query may hold as it came; the rest is percent-encoded
_FIT = (string.ascii_letters + string.digits + _URL_SAFE).encode()


def self_text(raw_query: str) -> str:
    """The query as the link `self` repeats it: a `+` as `%2B`, unless it stands for the space after a comma."""
    if "+" in raw_query:
        raw_query = _SPACE_PLUS.sub("%20", raw_query).replace("+", "%2B")
    fit = raw_query.isascii() and not raw_query.encode().translate(None, _FIT)
    return raw_query if fit else quote(raw_query, safe=_URL_SAFE)


@dataclass(slots=True)
class _Form:
    """The decoded parameters of one request, and what is wrong with them so far."""

    raw: str
    issues: list[Issue] = field(default_factory=list)
    _values: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.raw.split("&"):
            name, _, value = part.partition("=")
            name, value = _decoded(name), _decoded(value)
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
        self.issues.append(Issue(code, detail, f"http.{name}"))

    def finish(self) -> None:
        """Raise RequestError 400 if anything was wrong."""
        if self.issues:
            raise RequestError(400, *self.issues)

    def window(self, names: tuple[str, ...], shown: str) -> tuple[datetime, datetime]:
        """The two bounds: exactly one `ge` and one `le`."""
        found: dict[str, datetime] = {}
        for text in self.values(*names):
            prefix, value = text.strip()[:2].lower(), text.strip()[2:]
            if prefix not in ("ge", "le"):
                self.wrong(shown, "not-supported", f"'{text}': only the prefixes ge and le are supported")
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
            instant = parse_datetime(value)
            if prefix == "le":
                instant += _precision(value)
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
        """Values of a token list `<system>|<value>,…`, prefixed; of another system: found nowhere, so dropped."""
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
            if not pipe or before == system:
                found[prefixed(after.strip())] = None
        return found

    def includes(self, names: tuple[str, ...], known: Mapping[str, str]) -> frozenset[str]:
        """The includes asked for, whichever modifier they came with."""
        found = set()
        for name in names:
            for value in self.values(name):
                include = known.get(value.strip().lower())
                if include is None:
                    self.wrong(name, "not-supported", f"'{value}' is not supported")
                else:
                    found.add(include)
        return frozenset(found)

    def unsupported(self, *names: str) -> None:
        """Known parameters none of whose values is supported here."""
        for name in names:
            for value in self.values(name):
                self.wrong(name, "not-supported", f"'{value}' is not supported")

    def count(self) -> int | None:
        """Page size; None when absent."""
        values = self.values("_count")
        if not values:
            return None
        text = values[-1].strip()
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            self.wrong("_count", "value", f"'{text}' is no page size")
            return None
        return int(text)

    def format(self) -> None:
        """`_format`: JSON in any of its spellings."""
        for value in self.values("_format"):
            bare = value.partition(";")[0].strip().lower().replace("fhir json", "fhir+json")
            if bare.replace("json fhir", "json+fhir") not in _FORMATS:
                self.wrong("_format", "not-supported", f"'{value}': only JSON is supported")


def _plain_tokens(text: str, mark: str) -> list[str]:
    """The values of a list whose tokens all begin with `mark`, without any space; else none."""
    count = text.count(",") + 1
    if " " in text or text.count("|") != count or f",{text}".count(f",{mark}") != count or not text.isprintable():
        return []
    return text.replace(mark, "").split(",")


def _decoded(text: str) -> str:
    """`unquote_plus`, in a fraction of its time where only the signs of tokens and instants are encoded."""
    if "+" in text:
        return unquote_plus(text)
    if "%" in text:
        plain = text.replace("%7C", "|").replace("%3A", ":").replace("%2B", "+").replace("%2C", ",")
        return unquote_plus(text) if "%" in plain else plain
    return text


_NEVER = datetime.min.replace(tzinfo=UTC)  # placeholder beside an issue: never leaves this module


def _precision(text: str) -> timedelta:
    """How much longer than its first instant a partial date lasts: `le2026-11-22` is until the end of that day."""
    time = text.strip().upper().partition("T")[2]
    if not time:
        return timedelta(days=1, microseconds=-1)
    return timedelta() if time[5:6] == ":" else timedelta(minutes=1, microseconds=-1)

"""From what a regulator asks to what is asked of whom: criteria, lots, queries per editor. Pure.

The guide's rules: practitioners in lots of 25, today, tomorrow and the day after by default, SOS associations of
the area at most 10 at a time; INT_R04's form of the search for editors that also serve CPTS slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TypeVar
from zoneinfo import ZoneInfo

from sandbox.fhir.search import schedule_query, slot_query
from sandbox.kernel.clock import PARIS, parse_datetime
from sandbox.kernel.errors import malformed
from sandbox.kernel.flows import Flow
from sandbox.kernel.model import Editor, SosAssociation, Town
from sandbox.population.agenda import zone_of
from sandbox.population.geocoding import geocode
from sandbox.sas.directory import GENERAL_MEDICINE, Area, Candidate, Directory, area_of

T = TypeVar("T")

LOT = 25
ASSOCIATIONS_PER_QUERY = 10
CARDS_PER_PAGE = 5
DAYS = 3
MOST_DAYS = 31
MOST_PAGES = 40
DEFAULT_SPECIALTY = "SM54"


@dataclass(frozen=True, slots=True)
class Criteria:
    """One search. `start`, `end` aware; `point` (lat, lon) when the place is an address: then nearest first.

    `shuffle` seeds the order otherwise: the same search shows the same order on every page. `page` from 1.
    """

    specialty: str
    town: Town
    start: datetime
    end: datetime
    point: tuple[float, float] | None = None
    shuffle: str = ""
    page: int = 1

    @property
    def area(self) -> Area:
        """Around the address when there is one, else around the town; the radius is the département's."""
        area = area_of(self.town)
        if self.point is None:
            return area
        return Area(*self.point, area.radius_km, area.enlargement_km)

    @property
    def with_sos(self) -> bool:
        """SOS Médecins practises general medicine only."""
        return self.specialty in GENERAL_MEDICINE

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the town: « today » is a day there."""
        return zone_of(self.town.insee)

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the window, local."""
        first = self.start.astimezone(self.zone).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(self.zone).date()
        return tuple(first + timedelta(days=index) for index in range(max(1, (last - first).days + 1)))


@dataclass(frozen=True, slots=True)
class EditorQuery:
    """One request to one editor. `path` under its FHIR base, query string included; `asked` ids it may answer for."""

    editor: Editor
    flow: Flow
    path: str
    asked: frozenset[str]


def read_criteria(
    values: Mapping[str, str], directory: Directory, specialties: Mapping[str, str], now: datetime
) -> Criteria:
    """Criteria from query parameters, names as in the SAS API (`specialty insee town from to lat lon page`).

    `inseecode`, `city`, `streetnumber` and `streetname` are understood too (the names of INT_L01). `specialties`: label
    by R38 code; the parameter may be a code, `<system>|<code>` or a label, and is general medicine when absent.
    Raises RequestError 400 with `http.<parameter>` for what cannot be understood.
    """
    insee = _first(values, "insee", "inseecode")
    name = _first(values, "town", "city")
    town = directory.town(insee, name)
    if town is None:
        told = insee or name
        expected = "expected `insee` (5 characters) or `town` (a name) of a town of the directory"
        raise malformed(
            f"no town '{told}': {expected}" if told else f"no town given: {expected}",
            "http.insee" if insee else "http.town",
        )
    start, end = _window(values, now, zone_of(town.insee))
    return Criteria(
        specialty=_specialty(values.get("specialty", ""), specialties),
        town=town,
        start=start,
        end=end,
        point=_point(values, town),
        shuffle=values.get("shuffle", now.astimezone(PARIS).date().isoformat()),
        page=_page(values.get("page", "")),
    )


def _first(values: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := values.get(name, "").strip())), "")


def _specialty(text: str, specialties: Mapping[str, str]) -> str:
    wanted = text.strip().rpartition("|")[2]
    if not wanted:
        return DEFAULT_SPECIALTY
    if wanted.upper() in specialties:
        return wanted.upper()
    for code, label in specialties.items():
        if label.casefold() == wanted.casefold():
            return code
    raise malformed(f"specialty '{text}' is unknown: expected a code of TRE_R38 such as SM54", "http.specialty")


def _window(values: Mapping[str, str], now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """`from` and `to`: dates (whole days of the zone) or dateTimes; never before now, at most 31 days."""
    start = max(now, _instant(values, "from", zone, end_of_day=False) or now)
    end = _instant(values, "to", zone, end_of_day=True)
    if end is None:
        end = _midnight(start.astimezone(zone).date() + timedelta(days=DAYS), zone)
    if end <= start:
        raise malformed("the window is empty: `to` must be after `from` and after now", "http.to")
    if end - start > timedelta(days=MOST_DAYS):
        raise malformed(f"the window is too wide: at most {MOST_DAYS} days", "http.to")
    return start, end


def _instant(values: Mapping[str, str], name: str, zone: ZoneInfo, *, end_of_day: bool) -> datetime | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    try:
        instant = parse_datetime(text, zone)
    except ValueError as error:
        raise malformed(str(error), f"http.{name}") from None
    if end_of_day and len(text) == len("2026-01-01"):
        return _midnight(instant.date() + timedelta(days=1), zone)
    return instant


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _point(values: Mapping[str, str], town: Town) -> tuple[float, float] | None:
    if "lat" not in values and "lon" not in values:
        street = values.get("streetname", "").strip()
        return geocode(town, values.get("streetnumber", ""), street) if street else None
    try:
        lat, lon = float(values["lat"]), float(values["lon"])
    except (KeyError, ValueError):
        raise malformed("`lat` and `lon` must both be decimal degrees", "http.lat") from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise malformed("`lat` is from -90 to 90, `lon` from -180 to 180", "http.lat")
    return lat, lon


def _page(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PAGES:
        raise malformed(f"page '{text}' is not a number from 1 to {MOST_PAGES}", "http.page")
    return int(text)


def rank(id: str, distance_km: float, criteria: Criteria) -> tuple[float, bytes]:
    """Sort key: nearest first when the place is an address; else shuffled, so that nobody is always first."""
    if criteria.point is not None:
        return distance_km, id.encode()
    seed = criteria.shuffle.encode()[:64]
    return 0.0, hashlib.blake2b(id.encode(), key=seed, digest_size=8).digest()


def ordered(candidates: Sequence[Candidate], criteria: Criteria) -> list[Candidate]:
    """The candidates in the order in which they are asked and shown."""
    return sorted(candidates, key=lambda candidate: rank(candidate.id, candidate.distance_km, criteria))


def lots(items: Sequence[T], size: int = LOT) -> Iterator[list[T]]:
    """Consecutive lists of at most `size`."""
    waiting = iter(items)
    while lot := list(islice(waiting, size)):
        yield lot


def practitioner_queries(
    lot: Sequence[Candidate], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """One query per editor that has practitioners of the lot."""
    by_editor: dict[str, list[str]] = {}
    for candidate in lot:
        by_editor.setdefault(candidate.practitioner.editor, []).append(candidate.id)
    return [_slot_query(editors[slug], ids, criteria) for slug, ids in by_editor.items()]


def _slot_query(editor: Editor, ids: list[str], criteria: Criteria) -> EditorQuery:
    cpts = editor.speaks(Flow.INT_R04)
    query = slot_query(ids, criteria.start, criteria.end, cpts=cpts)
    return EditorQuery(editor, Flow.INT_R04 if cpts else Flow.INT_R01, f"Slot?{query}", frozenset(ids))


def association_queries(
    associations: Sequence[SosAssociation], editors: Mapping[str, Editor], criteria: Criteria
) -> list[EditorQuery]:
    """Queries for the SOS associations of the area, per editor at most 10 SIRET each."""
    by_editor: dict[str, list[str]] = {}
    for association in associations:
        by_editor.setdefault(association.editor, []).append(association.siret)
    return [
        EditorQuery(
            editors[slug],
            Flow.SOS,
            f"Schedule?{schedule_query(some, criteria.start, criteria.end)}",
            frozenset(some),
        )
        for slug, sirets in by_editor.items()
        for some in lots(sirets, ASSOCIATIONS_PER_QUERY)
    ]

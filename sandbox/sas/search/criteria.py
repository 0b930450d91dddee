"""The criteria of a search, read from query parameters and checked. Pure.

The defaults are the guide's: today, tomorrow and the day after; nearest first when the place is an address, shuffled
otherwise; general medicine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sandbox.fhir import nos
from sandbox.kernel.clock import PARIS, parse_datetime
from sandbox.kernel.errors import malformed
from sandbox.kernel.model import Town
from sandbox.kernel.text.numbers import decimal_number, whole_number
from sandbox.kernel.text.words import folded
from sandbox.population.agendas.agenda import zone_of
from sandbox.sas.directory.areas import Area, area_of
from sandbox.sas.directory.directory import Directory
from sandbox.sas.directory.place_names import Contradiction
from sandbox.sas.directory.places import ADDRESS, Locality
from sandbox.sas.directory.specialties import GENERAL_MEDICINE

DAYS = 3
MOST_DAYS = 31
MOST_PAGES = 40
LARGEST_RADIUS_KM = 200.0
DEFAULT_SPECIALTY = "SM54"

DISTANCE, SHUFFLED = "distance", "shuffled"
WITH, WITHOUT = "with", "without"
KINDS = ("cpts", "sos", "cds", "msp")
TYPES = ("AMB", "HH", "VR")
_REPEATABLE = frozenset({"visibility", "type", "kind"})


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a search; an empty one filters nothing.

    `visibilities` R314 codes and `types` v3-ActCode codes: a slot has one of them; `booking` `with` or `without`;
    `within_km` of the centre; `kinds` of cards: `cpts`, `sos`, `cds`, `msp`.
    """

    visibilities: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    booking: str = ""
    within_km: float | None = None
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Criteria:
    """What one search looks for. `specialty`: an R38 code, or the words that practitioners without one have; `start`,
    `end` of the window, aware.

    `order`: `distance` or `shuffled`; `shuffle` is the seed of the latter, so that all pages have the same order.
    `reason`: only slots for it; `preferred`: prefixed national id of the doctor whose card comes first; `radius_km`
    replaces the département's. `page` from 1.
    """

    specialty: str
    place: Locality
    start: datetime
    end: datetime
    order: str = SHUFFLED
    shuffle: str = ""
    page: int = 1
    reason: str = ""
    preferred: str | None = None
    radius_km: float | None = None
    filters: Filters = field(default_factory=Filters)

    @property
    def town(self) -> Town:
        """The town of the place."""
        return self.place.town

    @property
    def area(self) -> Area:
        """The area around the place, with `radius_km` where it is given, else with the radius of the département."""
        area = self.place.area
        return area if self.radius_km is None else replace(area, radius_km=self.radius_km)

    @property
    def with_sos(self) -> bool:
        """True for general medicine, because SOS Médecins does not practise other specialties."""
        return self.specialty in GENERAL_MEDICINE

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the town; days of the search are days in this zone."""
        return zone_of(self.town.insee)

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the window, in `zone`."""
        first = self.start.astimezone(self.zone).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(self.zone).date()
        return tuple(first + timedelta(days=index) for index in range(max(1, (last - first).days + 1)))


def flattened(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query parameters in the form that `read_criteria` expects: repeated filters are joined by commas; of any other
    parameter the last value is used."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in _REPEATABLE and name in values else value
    return values


def read_criteria(
    values: Mapping[str, str], directory: Directory, specialties: Mapping[str, str], now: datetime
) -> Criteria:
    """Criteria from query parameters, names as in the SAS API (docs/integrateurs.md).

    The place: `place` (free text), or `insee` / `town`, or `inseecode` / `city` / `streetname` / `streetnumber` (the
    names of INT_L01), or `lat` and `lon` beside one of them. `specialties`: label by R38 code; the parameter may be a
    code, `<system>|<code>`, a label or the words of a practitioner without code; general medicine when absent.
    Raises RequestError 400 with `http.<parameter>` for what cannot be understood.
    """
    place = _place(values, directory)
    start, end = _window(values, now, zone_of(place.town.insee))
    order = _one_of(values, "order", (DISTANCE, SHUFFLED))
    return Criteria(
        specialty=_specialty(values.get("specialty", ""), directory, specialties),
        place=place,
        start=start,
        end=end,
        order=order or (DISTANCE if place.kind == ADDRESS else SHUFFLED),
        shuffle=values.get("shuffle", now.astimezone(PARIS).date().isoformat()),
        page=_page(values.get("page", "")),
        reason=values.get("reason", "").strip(),
        preferred=_preferred(values, directory),
        radius_km=_km(values, "radius"),
        filters=Filters(
            visibilities=_some_of(values, "visibility", nos.VISIBILITIES),
            types=_some_of(values, "type", TYPES),
            booking=_one_of(values, "booking", (WITH, WITHOUT)),
            within_km=_km(values, "within"),
            kinds=_some_of(values, "kind", KINDS),
        ),
    )


def _first(values: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := values.get(name, "").strip())), "")


def _place(values: Mapping[str, str], directory: Directory) -> Locality:
    text = _first(values, "place")
    found = directory.places.locality(text) if text else _named(values, directory)
    if found is None:
        raise malformed(f"no place '{text}': expected a town, a postal code, an address or a département", "http.place")
    point = _point(values)
    return found if point is None else Locality(ADDRESS, found.label, found.town, area_of(found.town, point), point)


def _named(values: Mapping[str, str], directory: Directory) -> Locality:
    insee, name = _first(values, "insee", "inseecode"), _first(values, "town", "city")
    try:
        town = directory.town(insee, name)
    except Contradiction as error:
        raise Contradiction(error.detail, error.french, "http.town") from None
    if town is None:
        given = insee or name
        expected = "expected `insee` (5 characters) or `town` (a name) of a town of the directory"
        raise malformed(
            f"no town '{given}': {expected}" if given else f"no town given: {expected}",
            "http.insee" if insee else "http.town",
        )
    street = _first(values, "streetname")
    number = "".join(char for char in _first(values, "streetnumber") if char in "0123456789")
    if number and not street:
        raise malformed("a `streetnumber` needs its `streetname`", "http.streetnumber")
    place = directory.places.locality_of(town, street, number)
    return place if insee else replace(place, others=directory.places.others(name))


def _specialty(text: str, directory: Directory, specialties: Mapping[str, str]) -> str:
    wanted = text.strip().rpartition("|")[2]
    if not wanted:
        return DEFAULT_SPECIALTY
    if wanted.upper() in specialties:
        return wanted.upper()
    for code, label in specialties.items():
        if folded(label) == folded(wanted):
            return code
    found = directory.specialty_text(wanted)
    if found is None:
        raise malformed(f"specialty '{text}' is unknown: expected a code of TRE_R38 such as SM54", "http.specialty")
    return found


def _preferred(values: Mapping[str, str], directory: Directory) -> str | None:
    text = _first(values, "preferred")
    person = directory.practitioner(text) if text else None
    if text and person is None:
        raise malformed(f"no practitioner '{text}': expected a national identifier", "http.preferred")
    return person.id if person is not None else None


def _window(values: Mapping[str, str], now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The window from `from` and `to`: dates (whole days of the zone) or dateTimes; never before now, at most 31
    days."""
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


def _point(values: Mapping[str, str]) -> tuple[float, float] | None:
    if "lat" not in values and "lon" not in values:
        return None
    lat, lon = (decimal_number(values.get(name, "").strip()) for name in ("lat", "lon"))
    if lat is None or lon is None:
        raise malformed("`lat` and `lon` must both be decimal degrees", "http.lat")
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise malformed("`lat` is from -90 to 90, `lon` from -180 to 180", "http.lat")
    return lat, lon


def _km(values: Mapping[str, str], name: str) -> float | None:
    text = _first(values, name).replace(",", ".")
    if not text:
        return None
    distance = decimal_number(text) or 0.0
    if not 0 < distance <= LARGEST_RADIUS_KM:
        raise malformed(f"`{name}` is in kilometres, over 0, at most {LARGEST_RADIUS_KM:g}", f"http.{name}")
    return distance


def _one_of(values: Mapping[str, str], name: str, known: Collection[str]) -> str:
    text = _first(values, name)
    if text and text not in known:
        raise malformed(f"`{name}` '{text}' is unknown: expected {' or '.join(known)}", f"http.{name}")
    return text


def _some_of(values: Mapping[str, str], name: str, known: Collection[str]) -> frozenset[str]:
    words = [word for each in values.get(name, "").split(",") if (word := each.strip())]
    if unknown := [word for word in words if word not in known]:
        raise malformed(f"`{name}` '{unknown[0]}' is unknown: expected {', '.join(known)}", f"http.{name}")
    return frozenset(words)


def _page(text: str) -> int:
    if not text:
        return 1
    page = whole_number(text)
    if page is None or not 1 <= page <= MOST_PAGES:
        raise malformed(f"page '{text}' is not a number from 1 to {MOST_PAGES}", "http.page")
    return page

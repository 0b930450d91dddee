from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import chain

import pytest

from sandbox.fhir.queries.search import parse_schedule_query, parse_slot_query
from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import Flow
from sandbox.population.geocoding import geocode
from sandbox.population.people import Population
from sandbox.sas.directory.areas import Area
from sandbox.sas.directory.directory import Candidate, Directory
from sandbox.sas.directory.specialties import SPECIALTIES
from sandbox.sas.search.criteria import Criteria, read_criteria
from sandbox.sas.search.editor_queries import ASSOCIATIONS_PER_QUERY, association_queries, practitioner_queries
from sandbox.sas.search.lots import LOT, lots, ordered

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=PARIS)


def criteria(directory: Directory, **values: str) -> Criteria:
    return read_criteria(
        {"town": "Bordeaux", **{k.rstrip("_"): v for k, v in values.items()}}, directory, SPECIALTIES, NOW
    )


def test_place_is_an_address_when_a_street_is_named(directory: Directory) -> None:
    at_home = criteria(directory, streetnumber="12", streetname="cours de l'Exemple")
    town = directory.town("33063")
    assert town is not None
    assert at_home.place.point == geocode(town, "12", "cours de l'Exemple")
    assert at_home.area.lat != town.lat
    assert criteria(directory, streetname="rue du Modèle", lat="44.8", lon="-0.5").place.point == (44.8, -0.5)


def test_default_is_general_medicine_today_and_the_two_days_after(directory: Directory) -> None:
    made = criteria(directory)
    assert made.specialty == "SM54"
    assert (made.start, made.end) == (NOW, datetime(2026, 11, 25, tzinfo=PARIS))
    assert made.days == (date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24))


def test_dates_are_whole_local_days_and_never_begin_before_now(directory: Directory) -> None:
    made = criteria(directory, from_="2026-11-22", to="2026-11-22")
    assert (made.start, made.end) == (NOW, datetime(2026, 11, 23, tzinfo=PARIS))
    later = criteria(directory, from_="2026-11-24")
    assert (later.start, later.end) == (datetime(2026, 11, 24, tzinfo=PARIS), datetime(2026, 11, 27, tzinfo=PARIS))


def test_instants_are_understood(directory: Directory) -> None:
    made = criteria(directory, from_="2026-11-22T14:00:00+01:00", to="2026-11-22T16:00:00Z")
    assert made.end - made.start == timedelta(hours=3)


def test_window_crosses_the_change_of_clocks_by_local_days(directory: Directory) -> None:
    before = datetime(2026, 10, 24, 8, tzinfo=PARIS)
    made = read_criteria({"town": "Lyon"}, directory, SPECIALTIES, before)
    assert made.end.isoformat() == "2026-10-27T00:00:00+01:00"
    assert len(made.days) == 3


def test_overseas_today_is_the_day_there(national: Directory) -> None:
    late = datetime(2026, 11, 22, 22, tzinfo=PARIS)  # one o'clock in the morning in La Réunion
    made = read_criteria({"insee": "97411"}, national, SPECIALTIES, late)
    assert made.zone.key == "Indian/Reunion"
    assert made.days == (date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25))
    assert made.end.isoformat() == "2026-11-26T00:00:00+04:00"
    west = read_criteria({"insee": "97209", "to": "2026-11-22"}, national, SPECIALTIES, late)
    assert west.days == (date(2026, 11, 22),)
    assert west.end.isoformat() == "2026-11-23T00:00:00-04:00"


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, "http.town"),
        ({"town": "Trifouillis"}, "http.town"),
        ({"insee": "00000"}, "http.insee"),
        ({"town": "Bordeaux", "specialty": "SM99"}, "http.specialty"),
        ({"town": "Bordeaux", "from": "demain"}, "http.from"),
        ({"town": "Bordeaux", "to": "2026-13-01"}, "http.to"),
        ({"town": "Bordeaux", "to": "2026-11-21"}, "http.to"),
        ({"town": "Bordeaux", "from": "2026-12-01", "to": "2027-02-01"}, "http.to"),
        ({"town": "Bordeaux", "page": "0"}, "http.page"),
        ({"town": "Bordeaux", "page": "deux"}, "http.page"),
        ({"town": "Bordeaux", "lat": "44.8"}, "http.lat"),
        ({"town": "Bordeaux", "lat": "north", "lon": "0"}, "http.lat"),
        ({"town": "Bordeaux", "lat": "91", "lon": "0"}, "http.lat"),
        ({"town": "Bordeaux", "lat": "nan", "lon": "0"}, "http.lat"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(
    directory: Directory, values: dict[str, str], where: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        read_criteria(values, directory, SPECIALTIES, NOW)
    assert (refusal.value.status, refusal.value.issues[0].expression) == (400, where)


@pytest.mark.parametrize(
    "text", ["SM04", "sm04", "urn:oid:1.2.250.1.71.4.2.5|SM04", "cardiologie et maladies vasculaires"]
)
def test_specialty_by_code_token_or_label(directory: Directory, text: str) -> None:
    made = criteria(directory, specialty=text)
    assert made.specialty == "SM04"
    assert not made.with_sos


def test_the_contextual_calls_names_are_understood_too(directory: Directory) -> None:
    made = read_criteria({"inseecode": "33063", "city": "Lyon"}, directory, SPECIALTIES, NOW)
    assert made.town.name == "Bordeaux"


def test_an_address_is_the_centre_with_the_towns_radius(directory: Directory) -> None:
    area = criteria(directory, lat="44.8", lon="-0.6").area
    assert (area.lat, area.lon, area.radius_km) == (44.8, -0.6, 10.0)


def found(directory: Directory, made: Criteria) -> list[Candidate]:
    return directory.candidates(made.specialty, made.area)


def test_by_address_the_nearest_comes_first(directory: Directory) -> None:
    made = criteria(directory, lat="44.8", lon="-0.6")
    distances = [candidate.distance_km for candidate in ordered(found(directory, made), made)]
    assert distances == sorted(distances)


def test_otherwise_the_order_is_shuffled_by_its_seed_and_stays_the_same(directory: Directory) -> None:
    made, other = criteria(directory, shuffle="a"), criteria(directory, shuffle="b")
    candidates = found(directory, made)
    once = ordered(candidates, made)
    assert once == ordered(list(reversed(candidates)), made)
    assert once != ordered(candidates, other)
    assert sorted(once, key=id) == sorted(candidates, key=id)


@pytest.mark.parametrize("count", [0, 1, 25, 26, 51])
def test_lots_are_of_25_and_lose_nobody(count: int) -> None:
    cut = list(lots(range(count)))
    assert list(chain.from_iterable(cut)) == list(range(count))
    assert all(len(lot) == LOT for lot in cut[:-1])
    assert all(0 < len(lot) <= LOT for lot in cut)


def test_one_query_per_editor_of_the_lot_in_the_form_it_speaks(directory: Directory, population: Population) -> None:
    made = criteria(directory)
    lot = next(lots(ordered(found(directory, made), made)))
    queries = practitioner_queries(lot, population.editors, made)
    assert {query.editor.slug for query in queries} == {candidate.practitioner.editor for candidate in lot}
    assert len(queries) == 2
    for query in queries:
        path, _, raw = query.path.partition("?")
        parsed = parse_slot_query(raw)
        assert path == "Slot"
        assert set(parsed.practitioners) == query.asked
        assert query.asked == {c.practitioner.id for c in lot if c.practitioner.editor == query.editor.slug}
        assert (parsed.start, parsed.end) == (made.start, made.end)
        assert query.flow is (Flow.INT_R04 if query.editor.speaks(Flow.INT_R04) else Flow.INT_R01)


def test_associations_are_asked_at_most_ten_at_a_time(directory: Directory, population: Population) -> None:
    made = criteria(directory)
    associations = directory.associations(Area(46.5, 2.0, 700.0, 1.0))
    many = (associations * 12)[:23]
    queries = association_queries(many, population.editors, made)
    assert len(queries) == 3
    for query in queries:
        path, _, raw = query.path.partition("?")
        assert path == "Schedule"
        assert set(parse_schedule_query(raw).sirets) == query.asked
        assert len(query.asked) <= ASSOCIATIONS_PER_QUERY
        assert query.flow is Flow.SOS

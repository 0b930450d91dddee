"""The drawn map: positions of marks and names, none of which hides another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.model import Town
from sandbox.sas.console.map import APART, MOST_TOWNS, SIZE, MapPoint, drawing
from sandbox.sas.directory.areas import KM_PER_DEGREE, Area

BORDEAUX = Area(44.84, -0.58, 10.0, 5.0)


def town(name: str, lat: float, lon: float) -> Town:
    return Town("33000", name, "33000", "33", lat, lon)


def spot(lat: float, lon: float, number: int = 1) -> MapPoint:
    return MapPoint(f"8{number}", "Amélie DUVALLON", lat, lon, number, slots=number)


def test_north_is_up_east_is_right_and_the_radius_is_the_ring() -> None:
    north = BORDEAUX.lat + 10 / KM_PER_DEGREE
    east = BORDEAUX.lon + 10 / KM_PER_DEGREE / math.cos(math.radians(BORDEAUX.lat))
    drawn = drawing(BORDEAUX, [spot(north, BORDEAUX.lon, 1), spot(BORDEAUX.lat, east, 2)], [])
    up, right = drawn.free
    assert (up.x, up.y) == (SIZE / 2, SIZE / 2 - drawn.ring)
    assert (right.x, right.y) == (SIZE / 2 + drawn.ring, SIZE / 2)
    assert up.home is right.home is None


@pytest.mark.parametrize(("radius", "bar"), [(5.0, 2), (10.0, 5), (30.0, 10), (50.0, 20), (0.6, 0.5)])
def test_the_scale_bar_stands_for_a_round_distance(radius: float, bar: float) -> None:
    drawn = drawing(Area(44.84, -0.58, radius, 5.0), [], [])
    assert drawn.bar_km == bar
    assert drawn.bar == pytest.approx(drawn.ring * bar / radius, abs=0.1)


def test_practitioners_without_slots_are_drawn_apart_and_those_far_outside_are_not() -> None:
    without = MapPoint("82", "Yann KERBRIEUC", 44.85, -0.57)
    drawn = drawing(BORDEAUX, [spot(44.84, -0.58), without, MapPoint("83", "Loin", 48.1, -1.6)], [])
    assert [mark.spot.card for mark in drawn.free] == ["81"]
    assert [mark.spot for mark in drawn.others] == [without]


def test_a_card_outside_the_map_has_its_mark_at_the_edge_in_its_direction() -> None:
    far_north, far_east = spot(48.8, -0.58, 1), spot(44.84, 6.9, 2)
    up, right, here = drawing(BORDEAUX, [far_north, far_east, spot(44.84, -0.58, 3)], []).free
    assert (up.x, up.y) == (SIZE / 2, 14)
    assert (right.x, right.y) == (SIZE - 14, SIZE / 2)
    assert [up.away, right.away, here.away] == [True, True, False]
    assert up.home is None


@given(
    st.lists(
        st.tuples(st.floats(44.80, 44.88), st.floats(-0.62, -0.54)).map(lambda at: spot(*at)),
        min_size=2,
        max_size=12,
    )
)
def test_numbered_marks_never_hide_one_another(spots: list[MapPoint]) -> None:
    marks = drawing(BORDEAUX, spots, []).free
    assert len(marks) == len(spots)
    for index, one in enumerate(marks):
        for two in marks[:index]:
            assert math.dist((one.x, one.y), (two.x, two.y)) >= APART - 0.2


def test_a_mark_that_moved_shows_where_its_place_is() -> None:
    first, second = drawing(BORDEAUX, [spot(44.84, -0.58, 1), spot(44.84, -0.58, 2)], []).free
    assert first.home is None
    assert second.home == (first.x, first.y)


def test_without_room_marks_stay_at_their_places() -> None:
    marks = drawing(BORDEAUX, [spot(44.84, -0.58, number) for number in range(1, 80)], []).free
    assert len(marks) == 79
    assert (marks[0].x, marks[0].y) == (marks[-1].x, marks[-1].y) == (SIZE / 2, SIZE / 2)


def test_the_largest_towns_are_named_where_there_is_room() -> None:
    towns = [town("Bordeaux", 44.84, -0.58), *[town("Un-si-long-nom-de-commune", 44.84, -0.58)] * 8]
    towns.append(town("Rennes", 48.11, -1.68))
    names = [label.name for label in drawing(BORDEAUX, [], towns).towns]
    assert names[0] == "Bordeaux"
    assert 1 < len(names) < 8
    assert "Rennes" not in names
    many = [town(f"V{number}", 44.77 + number * 0.008, -0.58) for number in range(20)]
    assert len(drawing(BORDEAUX, [], many).towns) == MOST_TOWNS


def test_a_name_near_the_edge_is_written_to_the_left() -> None:
    (label,) = drawing(BORDEAUX, [], [town("Artigues-près-Bordeaux", 44.84, -0.47)]).towns
    assert label.anchor == "end"
    assert label.x < label.dot[0]


def test_a_name_does_not_run_into_the_cross_of_the_centre() -> None:
    (label,) = drawing(BORDEAUX, [], [town("Bordeaux", 44.84, -0.58)]).towns
    assert label.x - label.dot[0] == 10.0
    (label,) = drawing(BORDEAUX, [], [town("Ailleurs", 44.87, -0.58)]).towns
    assert label.x - label.dot[0] == 4.0


def test_names_do_not_stand_under_marks() -> None:
    (label,) = drawing(BORDEAUX, [spot(44.84, -0.57)], [town("Bordeaux", 44.84, -0.58)]).towns
    assert label.anchor == "end"
    beside = [spot(44.84, -0.58 + away) for away in (-0.025, 0.025)]
    (label,) = drawing(BORDEAUX, beside, [town("Bordeaux", 44.84, -0.58)]).towns
    assert (label.anchor, label.y < label.dot[1]) == ("middle", True)
    (label,) = drawing(BORDEAUX, [*beside, spot(44.85, -0.58)], [town("Bordeaux", 44.84, -0.58)]).towns
    assert (label.anchor, label.y > label.dot[1]) == ("middle", True)
    (label,) = drawing(BORDEAUX, [spot(44.84, -0.58)], [town("Bordeaux", 44.84, -0.58)]).towns
    assert (label.anchor, label.x - label.dot[0]) == ("start", 13)
    around = [*beside, *(spot(44.84 + away, -0.58) for away in (-0.014, -0.007, 0.007, 0.014))]
    assert drawing(BORDEAUX, around, [town("Bordeaux", 44.84, -0.58)]).towns == ()

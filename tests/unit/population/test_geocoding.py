"""The coordinates of an address: always the same, near its neighbours, within the town."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.model import Town
from sandbox.population.geocoding import geocode
from sandbox.population.procedural import SPREAD

BORDEAUX = Town("33063", "Bordeaux", "33000", "33", 44.8378, -0.5792)
RENNES = Town("35238", "Rennes", "35000", "35", 48.1147, -1.6794)


@given(st.text(max_size=12), st.text(max_size=60))
def test_any_address_lies_in_its_town_and_stays_there(number, street):
    lat, lon = geocode(BORDEAUX, number, street)
    assert (lat, lon) == geocode(BORDEAUX, number, street)
    assert abs(lat - BORDEAUX.lat) <= SPREAD
    assert abs(lon - BORDEAUX.lon) <= SPREAD


def test_it_is_the_same_however_it_is_typed():
    expected = geocode(BORDEAUX, "12", "Cours de l'Épée")
    assert geocode(BORDEAUX, " 12 bis", "cours  de l’epee".replace("’", "'")) == expected
    assert geocode(BORDEAUX, "12", "COURS DE L EPEE") == expected


def test_streets_towns_and_numbers_are_apart_and_neighbours_are_near():
    here = geocode(BORDEAUX, "12", "rue de l'Exemple")
    assert here != geocode(BORDEAUX, "12", "rue du Modèle")
    assert here != geocode(RENNES, "12", "rue de l'Exemple")
    next_door, far = geocode(BORDEAUX, "14", "rue de l'Exemple"), geocode(BORDEAUX, "214", "rue de l'Exemple")
    assert next_door != here
    assert abs(next_door[0] - here[0]) + abs(next_door[1] - here[1]) < 0.0001
    assert abs(far[0] - here[0]) + abs(far[1] - here[1]) > 0.001
    assert geocode(BORDEAUX, "999999", "rue de l'Exemple") == geocode(BORDEAUX, "400", "rue de l'Exemple")


def test_without_a_street_it_is_the_centre():
    assert geocode(BORDEAUX, "12", " - ") == (BORDEAUX.lat, BORDEAUX.lon)

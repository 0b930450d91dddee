"""The doctors of SOS associations: who they are, and who is on duty when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from sandbox.config import Settings
from sandbox.kernel.clock import PARIS
from sandbox.kernel.identifiers import L02_RPPS, has_luhn
from sandbox.population.duty import INVENTED, doctors_of, on_duty
from sandbox.population.load import load_population
from sandbox.population.people import Population


@pytest.fixture(scope="module")
def population() -> Population:
    return load_population(Settings(preset="minimal"))


def test_the_doctors_of_an_association_take_turns(population: Population):
    sos = population.sos["399900300000018"]
    days = [datetime(2026, 11, 23, hour, 0, tzinfo=PARIS) + timedelta(days=day) for day in range(3) for hour in (8, 20)]
    here = [on_duty(sos, sos.sites[0].id, start).id for start in days]
    assert set(here) == {doctor.id for doctor in sos.doctors}
    assert all(one != other for one, other in pairwise(here))
    there = [on_duty(sos, sos.sites[1].id, start).id for start in days]
    assert all(one != other for one, other in zip(here, there, strict=True))
    night = [on_duty(sos, sos.sites[0].id, datetime(2026, 11, 24, hour, 0, tzinfo=PARIS)).id for hour in (0, 7)]
    assert night == [here[1]] * 2  # the shift that began on Monday at 20:00
    assert on_duty(sos, "elsewhere", days[0]).id == here[0]


def test_a_doctor_of_an_association_is_found_by_id_but_is_no_candidate(population: Population):
    sos = population.sos["399900300000018"]
    doctor = sos.doctors[0]
    for id in (doctor.id, doctor.id[1:]):
        assert population.doctor(id) == doctor
        assert population.association_of(id) is sos
    assert population.practitioner(doctor.id) is None
    assert doctor not in list(population.practitioners())
    with_agenda = next(iter(population.practitioners()))
    assert population.doctor(with_agenda.id) is with_agenda
    assert population.association_of(with_agenda.id) is None
    assert population.doctor("899999999999") is None


def test_an_association_without_doctors_gets_some_who_are_always_the_same(population: Population):
    sos = replace(population.sos["399900300000034"], doctors=())
    invented = doctors_of(sos)
    assert len({doctor.id for doctor in invented}) == INVENTED
    assert all(L02_RPPS.fullmatch(doctor.id) and has_luhn(doctor.id[1:]) for doctor in invented)
    assert doctors_of(replace(sos)) == invented
    other = replace(sos, siret="399900300000018")
    assert not {doctor.id for doctor in doctors_of(other)} & {doctor.id for doctor in invented}


def test_all_doctors_of_the_country_are_different_people():
    france = load_population(Settings(preset="national", scope="france", practitioners=10))
    ids = [doctor.id for sos in france.sos.values() for doctor in doctors_of(sos)]
    assert len(ids) == len(set(ids))
    assert all(france.practitioner(id) is None for id in ids)

"""What is typed is read in the zone of the place, or refused with the cause, the place and a French sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sandbox.kernel.clock import PARIS
from sandbox.kernel.model import Practitioner
from sandbox.population.people import Population
from sandbox.sas.agenda.drafts import ClosureDraft, SlotDraft
from sandbox.sas.agenda.refusals import Cause, Refusal
from sandbox.sas.agenda.series import Kind, Series
from tests.unit.sas.agenda.agendas import MONDAY

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)
START = datetime(2026, 11, 24, 9, 0, tzinfo=PARIS)


@pytest.fixture
def person(population: Population) -> Practitioner:
    found = population.practitioner("819800000135")
    assert found is not None
    return found


def slot(**changes: Any) -> SlotDraft:
    return SlotDraft(**{"start": START, "end": START + timedelta(minutes=20), **changes})


def test_a_slot_is_read_at_the_only_place(person: Practitioner) -> None:
    typed = slot(visibilities=("CPTS", "PUBLIC"), reasons=(" Fièvre  élevée ", ""), max_patients=2, type="VR")
    kind = Kind("marcilhac-pessac", ("PUBLIC", "CPTS"), "VR", ("Fièvre élevée",), 2)
    assert typed.series(person, NOW) == Series("", MONDAY + 1, MONDAY + 1, 540, 20, kind)


def test_instants_are_read_in_the_zone_of_the_place(person: Practitioner) -> None:
    start = START.astimezone(UTC)
    typed = slot(start=start, end=start + timedelta(hours=1))
    assert typed.series(person, NOW).start == 540
    far = replace(person, places=(replace(person.places[0], insee="97105"),))
    assert slot().series(far, NOW).start == 240


def test_a_slot_may_cross_midnight(person: Practitioner) -> None:
    late = START.replace(hour=23, minute=45)
    made = slot(start=late, end=late + timedelta(minutes=30)).series(person, NOW)
    assert (made.first, made.start, made.length) == (MONDAY + 1, 1425, 30)


def test_a_series_ends_on_its_last_weekday(person: Practitioner) -> None:
    made = slot(until=date(2026, 12, 10)).series(person, NOW)
    assert (made.first, made.last) == (MONDAY + 1, MONDAY + 15)


TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("changes", "cause", "where"),
    [
        ({"end": START}, Cause.END, "end"),
        ({"end": START - timedelta(minutes=5)}, Cause.END, "end"),
        ({"start": NOW, "end": NOW + timedelta(minutes=5)}, Cause.PAST, "start"),
        ({"start": NOW - timedelta(days=1)}, Cause.PAST, "start"),
        ({"end": START + timedelta(hours=12, minutes=1)}, Cause.LENGTH, "end"),
        ({"start": START + timedelta(seconds=30)}, Cause.LENGTH, "start"),
        ({"end": START + timedelta(minutes=20, microseconds=1)}, Cause.LENGTH, "end"),
        ({"start": NOW + timedelta(days=732), "end": NOW + timedelta(days=732, hours=1)}, Cause.UNTIL, "start"),
        ({"place": "ailleurs"}, Cause.PLACE, "place"),
        ({"visibilities": ()}, Cause.VISIBILITY, "visibility"),
        ({"visibilities": ("PUBLIC", "SECRET")}, Cause.VISIBILITY, "visibility"),
        ({"type": "EMER"}, Cause.TYPE, "type"),
        ({"max_patients": 0}, Cause.PATIENTS, "max_patients"),
        ({"max_patients": 51}, Cause.PATIENTS, "max_patients"),
        ({"reasons": ("x" * 101,)}, Cause.REASONS, "reasons"),
        ({"reasons": tuple(f"{number}" for number in range(11))}, Cause.REASONS, "reasons"),
        ({"until": date(2026, 11, 24)}, Cause.UNTIL, "weekly.until"),
        ({"until": date(2028, 12, 31)}, Cause.UNTIL, "weekly.until"),
    ],
)
def test_what_no_rule_admits_is_refused(
    person: Practitioner, changes: dict[str, Any], cause: Cause, where: str
) -> None:
    with pytest.raises(Refusal) as refused:
        slot(**changes).series(person, NOW)
    (issue,) = refused.value.issues
    assert (refused.value.status, refused.value.cause, issue.expression) == (422, cause, where)
    assert refused.value.french[0].isupper()
    assert refused.value.french.endswith(".")


def test_within_the_hour_that_exists_twice_the_end_must_be_later_on_the_clock(person: Practitioner) -> None:
    start, end = TWICE.astimezone(UTC), TWICE.replace(minute=10, fold=1).astimezone(UTC)
    assert start < end
    with pytest.raises(Refusal) as refused:
        SlotDraft(start=start, end=end).series(person, datetime(2026, 10, 20, tzinfo=PARIS))
    assert refused.value.cause is Cause.END


def test_who_has_two_places_says_which(population: Population) -> None:
    person = population.practitioner("819800000127")
    assert person is not None
    with pytest.raises(Refusal) as refused:
        slot().series(person, NOW)
    assert "rouveyran-bordeaux, rouveyran-talence" in str(refused.value)
    assert slot(place="rouveyran-talence").series(person, NOW).kind.place == "rouveyran-talence"


def test_a_slot_for_cpts_needs_a_cpts(population: Population) -> None:
    person = population.practitioner("819800000143")
    assert person is not None
    with pytest.raises(Refusal) as refused:
        slot(visibilities=("CPTS",)).series(person, NOW)
    assert refused.value.cause is Cause.VISIBILITY


def closure(**changes: Any) -> ClosureDraft:
    return ClosureDraft(**{"start": NOW, "end": NOW + timedelta(days=3), "label": " Congés ", **changes})


def test_a_closed_period_is_read(person: Practitioner) -> None:
    made = closure(place="marcilhac-pessac").closure(person, NOW)
    assert (made.start, made.end) == (int(NOW.timestamp()), int((NOW + timedelta(days=3)).timestamp()))
    assert (made.label, made.place) == ("Congés", "marcilhac-pessac")
    assert closure().closure(person, NOW).place == ""


@pytest.mark.parametrize(
    ("changes", "cause", "where"),
    [
        ({"end": NOW}, Cause.END, "end"),
        ({"start": NOW - timedelta(days=2), "end": NOW}, Cause.PAST, "end"),
        ({"end": NOW + timedelta(days=800)}, Cause.UNTIL, "end"),
        ({"start": NOW + timedelta(days=800), "end": NOW + timedelta(days=801)}, Cause.UNTIL, "end"),
        ({"label": "x" * 101}, Cause.LABEL, "label"),
        ({"place": "ailleurs"}, Cause.PLACE, "place"),
    ],
)
def test_what_no_rule_admits_of_a_closed_period_is_refused(
    person: Practitioner, changes: dict[str, Any], cause: Cause, where: str
) -> None:
    with pytest.raises(Refusal) as refused:
        closure(**changes).closure(person, NOW)
    (issue,) = refused.value.issues
    assert (refused.value.status, refused.value.cause, issue.expression) == (422, cause, where)

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.clock import PARIS
from sandbox.kernel.errors import RequestError, TransitionError
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.population.people import Population
from sandbox.sas.orientations.lifecycle import (
    TERMINAL,
    Decision,
    Reception,
    appointment_id,
    category_of,
    decide,
    first_version,
    is_correction,
)
from sandbox.sas.orientations.records import AppointmentRecord, decode, encode

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=PARIS)
START = NOW + timedelta(hours=3)
PENDING, BOOKED, FULFILLED, NOSHOW, CANCELLED = AppointmentStatus
statuses = st.sampled_from(list(AppointmentStatus))


def appointment(**changes: object) -> Appointment:
    values: dict[str, object] = {
        "identifier": Identifier("urn:oid:1.2.3", "4f0e0f70"),
        "operator": Identifier("urn:oid:1.2.250.1.71.4.2.1", "3456780581/11242343", "IDNPS"),
        "status": BOOKED,
        "start": START,
        "end": START + timedelta(minutes=15),
        "practitioner": "810000000000",
    }
    return Appointment(**{**values, **changes})  # type: ignore[arg-type]


def record(now: datetime = NOW, **changes: object) -> AppointmentRecord:
    return first_version(appointment(**changes), Reception(id="id", editor="agenda", at=now))


ALLOWED = {
    (PENDING, BOOKED),
    (PENDING, CANCELLED),
    (BOOKED, FULFILLED),
    (BOOKED, NOSHOW),
    (BOOKED, CANCELLED),
}


def test_an_editor_that_serves_associations_only_makes_sos_orientations() -> None:
    assert category_of(appointment(), None, sos_editor=True) == "SOS"
    assert category_of(appointment(category=OrientationCategory.MSP), None, sos_editor=True) == "MSP"
    assert category_of(appointment(), None) == "PS"


def test_a_practitioner_of_one_structure_only_makes_orientations_of_its_kind(population: Population) -> None:
    found = {
        person.places[0].group.kind: person
        for person in population.practitioners()
        if not person.cpts and len(person.places) == 1 and person.places[0].group is not None
    }
    assert set(found) == {"MSP", "CDS"}
    for kind, person in found.items():
        assert category_of(appointment(), person) == kind
        assert category_of(appointment(sos=True), person) == "SOS"


def test_category_and_organization_agree_whatever_the_sender_says(population: Population) -> None:
    said: list[dict[str, object]] = [{"category": each} for each in OrientationCategory]
    said += [{}, {"sos": True}, {"marketplace": True}]
    for person in population.practitioners():
        association = population.association_of(person.id)
        reception = Reception("id", "agenda", NOW, person, association.siret if association else None)
        for values in said:
            made = first_version(appointment(practitioner=person.id, **values), reception)
            cpts, groups = set(person.cpts), {place.group.finess for place in person.places if place.group}
            fitting = {
                "PS": {place.structure for place in person.places} - cpts,
                "CPTS": cpts,
                "MSP": groups,
                "CDS": groups,
                "SOS": set(),
                "PDM": cpts | {place.structure for place in person.places},
            }
            assert made.organization is None or made.organization in fitting[made.category]
            structure = population.structure(made.organization) if made.organization else None
            if made.category in ("MSP", "CDS") and structure is not None:
                assert structure.kind == made.category


@pytest.mark.parametrize("present", list(AppointmentStatus))
@pytest.mark.parametrize("wanted", list(AppointmentStatus))
def test_automaton_is_that_of_the_guide(present: AppointmentStatus, wanted: AppointmentStatus) -> None:
    if present in TERMINAL:
        assert is_correction(present, wanted)
    elif present is wanted or (present, wanted) in ALLOWED:
        assert not is_correction(present, wanted)
    else:
        with pytest.raises(TransitionError, match=f"{present} cannot become {wanted}"):
            is_correction(present, wanted)


def test_first_request_creates_version_one() -> None:
    decision = decide(None, record(), update=False)
    assert (decision.created, decision.changed, decision.record.version) == (True, True, 1)


@pytest.mark.parametrize("status", list(AppointmentStatus))
def test_an_unknown_appointment_is_created_in_any_status_by_put(status: AppointmentStatus) -> None:
    assert decide(None, record(status=status), update=True).created


@pytest.mark.parametrize("update", [True, False])
def test_the_same_content_again_makes_no_version(update: bool) -> None:
    present = record()
    again = record(now=NOW + timedelta(minutes=5), start=START.astimezone(tz=None))
    decision = decide(present, again, update=update)
    assert (decision.record, decision.created, decision.changed) == (present, False, False)


def test_other_content_by_post_is_a_conflict() -> None:
    with pytest.raises(RequestError, match="PUT") as refusal:
        decide(record(), record(status=CANCELLED), update=False)
    assert (refusal.value.status, refusal.value.issues[0].code) == (409, "conflict")


def test_other_content_by_put_is_the_next_version() -> None:
    decision = decide(record(), record(status=FULFILLED, now=NOW + timedelta(hours=4)), update=True)
    assert (decision.created, decision.changed) == (False, True)
    assert decision.record.version == 2
    assert decision.record.status is FULFILLED
    assert decision.record.received == NOW + timedelta(hours=4)
    assert not decision.record.flagged


def test_a_step_that_the_automaton_lacks_is_refused_with_its_path() -> None:
    with pytest.raises(RequestError) as refusal:
        decide(record(), record(status=PENDING), update=True)
    assert refusal.value.status == 422
    assert refusal.value.issues[0].expression == "Appointment.status"


def test_a_correction_of_a_terminal_status_is_flagged_for_good() -> None:
    corrected = decide(record(status=NOSHOW), record(status=FULFILLED), update=True).record
    assert corrected.flagged
    assert decide(corrected, record(status=BOOKED), update=True).record.flagged


def test_created_falls_back_to_the_first_reception_and_stays() -> None:
    present = record()
    changed = decide(present, record(status=CANCELLED, now=NOW + timedelta(days=1)), update=True).record
    assert present.created == changed.created == NOW
    told = decide(changed, record(status=CANCELLED, created=NOW - timedelta(1)), update=True).record
    assert told.created == NOW - timedelta(1)


def attempt(present: AppointmentRecord | None, new: AppointmentRecord, update: bool) -> Decision | None:
    try:
        return decide(present, new, update=update)
    except RequestError:
        return None


@given(st.lists(st.tuples(statuses, st.booleans(), st.integers(0, 3)), min_size=1, max_size=12))
def test_versions_count_the_accepted_changes_and_nothing_else(
    requests: list[tuple[AppointmentStatus, bool, int]],
) -> None:
    present: AppointmentRecord | None = None
    accepted = 0
    for status, update, shift in requests:
        new = record(status=status, start=START - timedelta(minutes=shift))
        decision = attempt(present, new, update)
        if decision is None:
            assert present is not None
            continue
        accepted += decision.changed
        present = decision.record
        assert present.version == accepted
        assert present.appointment() == new.appointment()
        assert decode(encode(present)) == present
    assert present is not None


def test_the_extension_decides_the_category_then_the_profile_then_participation(population: Population) -> None:
    in_cpts = next(person for person in population.practitioners() if person.cpts)
    alone = next(person for person in population.practitioners() if not person.cpts)
    assert category_of(appointment(category=OrientationCategory.MSP, sos=False), in_cpts) == "MSP"
    assert category_of(appointment(sos=True), None) == "SOS"
    assert category_of(appointment(), in_cpts) == "CPTS"
    assert category_of(appointment(), alone) == "PS"
    assert category_of(appointment(), None) == "PS"


def test_the_sas_cores_id_is_its_own_stable_and_depends_on_the_pair() -> None:
    one, other = Identifier("urn:oid:1.2.3", "x"), Identifier("urn:oid:1.2.4", "x")
    assert appointment_id(one) == appointment_id(Identifier("urn:oid:1.2.3", "x", "whatever"))
    assert len({appointment_id(one), appointment_id(other), "x"}) == 3


def test_a_row_is_one_json_object_that_keeps_offsets() -> None:
    row = encode(record())
    assert msgspec.json.decode(row)["start"] == "2026-11-22T13:30:00+01:00"
    assert decode(row).start.utcoffset() == timedelta(hours=1)

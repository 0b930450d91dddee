"""INT_L02: what is sent, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.net.context import Context
from sandbox.sas.orientations.l02.emitter import L02
from sandbox.store.protocol import Store
from tests.actors.sas.l02.messages import RECORD, book, changed, content
from tests.support.hub_peer import FakeHubPeer
from tests.support.two_territories import ANA, CPTS, DOCTOR, OLD_DOCTOR, SAMU, SAS, SOS, UNTITLED, exchanges


async def test_a_booking_becomes_one_creation_for_the_samu_of_the_regulators_territory(
    l02: L02, store: Store, hub: FakeHubPeer
) -> None:
    key = await book(l02, store)
    (message,) = await hub.messages(1)
    assert (message.distribution_id, message.sender, message.recipient) == (key, SAS, SAMU)
    assert message.expires - message.sent == timedelta(days=1)
    assert message.appointment == {
        "appointmentId": RECORD.id,
        "method": "CreateAppointment",
        "created": "2026-11-22T10:00:00+01:00",
        "start": "2026-11-22T14:00:00+01:00",
        "end": "2026-11-22T14:15:00+01:00",
        "status": "booked",
        "orientationCategory": "PS",
        "practitioner": {
            "rppsId": DOCTOR.id,
            "lastName": "Marchal",
            "firstName": "Inès",
            "specialityCode": "SM54",
            "specialityUrl": "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale",
            "professionCode": "10",
            "professionUrl": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante",
        },
        "regulator": {
            "regulatorId": "3330000001/42",
            "regulatorName": "Dorval",
            "regulatorFirstname": "Luc",
            "regulatorEmail": "luc@example.org",
        },
    }


def test_a_later_version_is_an_update_that_carries_everything() -> None:
    carried = content(changed(version=2, status=AppointmentStatus.CANCELLED), creates=False).appointment
    assert (carried["method"], carried["status"]) == ("UpdateAppointment", "cancelled")
    assert carried.keys() == content().appointment.keys()


def test_the_technical_id_of_a_regulator_never_travels() -> None:
    carried = content(changed(regulator=ANA.identifier))
    assert "regulatorId" not in carried.appointment["regulator"]
    assert carried.recipient == "fr.health.samu350"


def test_a_specialty_without_code_is_left_out() -> None:
    practitioner = content(changed(practitioner=UNTITLED.id)).appointment["practitioner"]
    assert practitioner.keys() == {"rppsId", "lastName", "firstName", "professionCode", "professionUrl"}


@pytest.mark.parametrize("practitioner", [OLD_DOCTOR.id, "810000000099"])
async def test_a_practitioner_whom_the_model_does_not_admit_is_left_out_and_journalled(
    l02: L02, context: Context, store: Store, hub: FakeHubPeer, practitioner: str
) -> None:
    key = await book(l02, store, changed(practitioner=practitioner))
    (message,) = await hub.messages(1)
    assert message.appointment is not None
    assert "practitioner" not in message.appointment
    notes = [exchange.note for exchange in exchanges(context) if exchange.ref == key]
    assert any(f"practitioner {practitioner} left out" in note for note in notes)


@pytest.mark.parametrize(("identifier", "name"), [(CPTS.finess, CPTS.name), (SOS.siret, SOS.name)])
def test_a_structure_with_a_name_is_carried(identifier: str, name: str) -> None:
    carried = content(changed(organization=identifier, practitioner=None))
    assert carried.appointment["organization"] == {"organizationId": identifier, "name": name}
    assert carried.omitted == ()


def test_a_structure_without_a_name_is_left_out_and_said() -> None:
    carried = content(changed(organization="1999999999"))
    assert "organization" not in carried.appointment
    assert carried.omitted == ("organization 1999999999 left out: its name is not known",)


def test_an_unknown_regulator_has_no_territory_to_tell(l02: L02) -> None:
    with pytest.raises(RequestError):
        l02.due(changed(regulator=Identifier("urn:x", "nobody")))
    with pytest.raises(RequestError):
        content(changed(territory="SAS-99"))


def test_changes_go_where_the_creation_went_when_the_regulator_has_moved() -> None:
    assert content(changed(territory="SAS-35")).recipient == "fr.health.samu350"


def test_dates_keep_their_own_offset_and_lose_decimals() -> None:
    start = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC)
    carried = content(changed(start=start)).appointment
    assert carried["start"] == "2026-07-01T12:00:00+00:00"

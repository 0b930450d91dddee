"""Whatever date INT_R03 takes can be shown on every page, and be told to the LRM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import orjson
from hypothesis import given
from hypothesis import strategies as st

from sandbox.edxl.validation import instant
from sandbox.fhir.appointment import render_appointment
from sandbox.kernel.clock import EARLIEST, PARIS, l02_datetime, within_calendar
from sandbox.kernel.errors import RequestError
from sandbox.kernel.flows import AppointmentStatus
from sandbox.kernel.identifiers import Identifier
from sandbox.kernel.model import Appointment
from sandbox.web.filters import french_datetime, short_date, short_time
from tests.support.appointments import parse_appointment

ZONES = [PARIS, *map(ZoneInfo, ("Indian/Reunion", "Pacific/Tahiti", "Pacific/Noumea", "America/Miquelon"))]
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TEMPLATE = orjson.loads(
    render_appointment(
        Appointment(
            identifier=Identifier("urn:oid:1.2.250.1.999.1", "b6e39355-8a61-4556-b340-36f7b95fec6a"),
            operator=Identifier("urn:oid:1.2.250.1.71.4.2.1", "810000000019", "IDNPS"),
            status=AppointmentStatus.BOOKED,
            start=datetime(2026, 11, 23, 10, tzinfo=PARIS),
            end=datetime(2026, 11, 23, 11, tzinfo=PARIS),
            practitioner="810000000050",
        )
    )
)


@given(st.datetimes(timezones=OFFSETS))
def test_what_is_accepted_can_be_shown_and_told(start: datetime) -> None:
    document = {
        **TEMPLATE,
        "created": start.isoformat(timespec="seconds"),
        "start": start.isoformat(timespec="seconds"),
    }
    document["end"] = "2099-12-31T23:59:59+00:00"
    try:
        appointment = parse_appointment(orjson.dumps(document))
    except RequestError:
        assert not EARLIEST <= start < datetime(2099, 12, 31, 23, 59, tzinfo=UTC)
        return
    assert appointment.created is not None
    for each in (appointment.start, appointment.created):
        within_calendar(instant(l02_datetime(each)))
        for zone in ZONES:
            shown = french_datetime(each, zone), short_date(each, zone), short_time(each, zone)
            assert all(shown)

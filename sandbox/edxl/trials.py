"""Trial messages for developers of an LRM, case by case, without the rest of the ecosystem.

create           a creation, to be acknowledged
update           a creation, then an update of it (the appointment is moved by half an hour)
cancel           a creation, then its cancellation (an update whose status is `cancelled`)
unknown-update   an update of an appointment that was never created: it is taken as a creation
duplicate        the same message twice, as after a lost connection: acknowledged twice, taken once
conflict         a second creation of the same appointment: error 409
invalid          a message against the model: the hub itself refuses it with 300, the LRM never sees it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sandbox.edxl import build
from sandbox.edxl.codes import HubCode
from sandbox.kernel.clock import l02_datetime

LIFE = timedelta(hours=1)

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrialMessage:
    """One message of a trial. `expected`: code of the error that must answer it, 0 for an acknowledgement."""

    distribution_id: str
    body: bytes
    title: str
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Correspondents:
    """The client ids of sender and recipient, the present time (aware), and the source of fresh identifiers."""

    sender: str
    recipient: str
    now: datetime
    new_id: Callable[[], str]


def trial(case: str, between: Correspondents) -> tuple[TrialMessage, ...]:
    """The messages of a case, in the order in which they are sent. Raises KeyError for an unknown one."""
    return _CASES[case](between)


def message(between: Correspondents, content: Content, title: str, expected: int = 0) -> TrialMessage:
    """A message about an appointment (`content`: RS-SAS-RDV) that lives for an hour, with an id of its own."""
    key = build.new_distribution_id(between.sender, between.new_id())
    address = build.Address(key, between.sender, between.recipient, between.now, between.now + LIFE)
    return TrialMessage(key, build.report(address, content), title, expected)


def appointment(between: Correspondents, **values: Any) -> dict[str, Any]:
    """The creation of a made-up appointment (RS-SAS-RDV) in two hours' time, with other `values`."""
    start = between.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    return {
        "appointmentId": between.new_id(),
        "method": "CreateAppointment",
        "created": l02_datetime(between.now),
        "start": l02_datetime(start),
        "end": l02_datetime(start + timedelta(minutes=15)),
        "status": "booked",
        "orientationCategory": "PS",
        "practitioner": {"rppsId": "810000000001", "lastName": "ESSAI", "firstName": "Camille"},
        "organization": {"organizationId": "1990000001", "name": "Cabinet d'essai"},
        "regulator": {
            "regulatorName": "ESSAI",
            "regulatorFirstname": "Dominique",
            "regulatorEmail": "dominique.essai@sas.invalid",
        },
        **values,
    }


def moved(content: Content) -> dict[str, Any]:
    """The update that puts an appointment off by half an hour."""

    def later(name: str) -> str:
        return l02_datetime(datetime.fromisoformat(content[name]) + timedelta(minutes=30))

    return {**content, "method": "UpdateAppointment", "start": later("start"), "end": later("end")}


def _create(between: Correspondents) -> tuple[TrialMessage, ...]:
    return (message(between, appointment(between), "création"),)


def _update(between: Correspondents) -> tuple[TrialMessage, ...]:
    content = appointment(between)
    return message(between, content, "création"), message(between, moved(content), "mise à jour")


def _cancel(between: Correspondents) -> tuple[TrialMessage, ...]:
    content = appointment(between)
    cancelled = {**content, "method": "UpdateAppointment", "status": "cancelled"}
    return message(between, content, "création"), message(between, cancelled, "annulation")


def _unknown_update(between: Correspondents) -> tuple[TrialMessage, ...]:
    return (message(between, moved(appointment(between)), "mise à jour d'un rendez-vous inconnu"),)


def _duplicate(between: Correspondents) -> tuple[TrialMessage, ...]:
    return _create(between) * 2


def _conflict(between: Correspondents) -> tuple[TrialMessage, ...]:
    content = appointment(between)
    again = message(between, content, "seconde création", int(HubCode.CONFLICT))
    return message(between, content, "création"), again


def _invalid(between: Correspondents) -> tuple[TrialMessage, ...]:
    content = appointment(between, status="unheard-of")
    return (message(between, content, "message invalide", int(HubCode.INVALID_MESSAGE)),)


_CASES: Mapping[str, Callable[[Correspondents], tuple[TrialMessage, ...]]] = MappingProxyType(
    {
        "create": _create,
        "update": _update,
        "cancel": _cancel,
        "unknown-update": _unknown_update,
        "duplicate": _duplicate,
        "conflict": _conflict,
        "invalid": _invalid,
    }
)
CASES = tuple(_CASES)

"""The pure pieces of the LRM: what a behaviour means for a message, suggestions, the day in numbers, the link."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from sandbox.edxl.build import Address, report
from sandbox.edxl.message import read
from sandbox.kernel.clock import PARIS
from sandbox.lrm.console.contextual import search_link
from sandbox.lrm.console.drawing import STATUSES, WIDTH, draw
from sandbox.lrm.console.suggestions import suggestions
from sandbox.lrm.ledger.records import Call, CaseFile, Change, Operator, Orientation
from sandbox.lrm.ledger.tally import Tally
from sandbox.lrm.messages.handler import kind_of

NOW = datetime(2026, 11, 22, 10, tzinfo=PARIS)
CALL = Call(
    caller="le patient",
    phone="+33639980000",
    family="Petit",
    given="Louise",
    age=40,
    line="12 rue des Lilas",
    postal_code="33000",
    city="Bordeaux",
    insee="33063",
    reason="toux",
)
ANA = Operator("Sorel", "Ana", "ana@example.org")


def appointment(**values: Any) -> dict[str, Any]:
    return {
        "appointmentId": "a",
        "method": "CreateAppointment",
        "created": "2026-11-22T10:00:00+01:00",
        "start": "2026-11-22T14:00:00+01:00",
        "status": "booked",
        "regulator": {"regulatorName": "Sorel", "regulatorFirstname": "Ana", "regulatorEmail": "Ana@example.org"},
        **values,
    }


def orientation(key: str = "a", at: str = "2026-11-22T10:00:00+01:00", **values: Any) -> Orientation:
    content = appointment(appointmentId=key, **values)
    return Orientation(key, content, "sas", (Change(at, "d", "CreateAppointment", content["status"]),))


# ---- behaviours


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "create"),
        ({"method": "UpdateAppointment"}, "update"),
        ({"method": "UpdateAppointment", "status": "cancelled"}, "cancel"),
    ],
)
def test_kind_of_a_message(values: dict[str, Any], kind: str) -> None:
    assert kind_of(read(report(Address("s_1", "s", "r", NOW, NOW), appointment(**values)))) == kind


# ---- suggestions


def file(number: str, opened: str = "2026-11-22T09:50:00+01:00", **values: Any) -> CaseFile:
    return CaseFile(number, opened, CALL, **values)


def test_the_likely_case_file_comes_first_and_says_why() -> None:
    doctor = {"rppsId": "810000000001", "lastName": "M", "firstName": "I", "specialityCode": "SM54"}
    likely = file("2", operator=ANA, searched="2026-11-22T09:55:00+01:00")
    found = suggestions(orientation(practitioner=doctor), [file("1"), likely, file("3", operator=ANA)], "Gironde")
    assert [each.case_file.number for each in found] == ["2", "3", "1"]
    assert found[0].reasons == (
        "même régulateur (Ana Sorel)",
        "recherche lancée depuis ce dossier 5 min avant le rendez-vous",
        "même spécialité",
        "même territoire (Gironde)",
    )
    assert "appel reçu 10 min avant la prise du rendez-vous" in found[2].reasons


def test_an_old_call_of_somebody_else_and_a_served_one_are_not_suggested() -> None:
    old = file("1", opened="2026-11-22T07:00:00+01:00")
    later = file("2", opened="2026-11-22T10:30:00+01:00")
    served = file("3", operator=ANA, orientations=("b",), opened="2026-11-22T07:00:00+01:00")
    assert suggestions(orientation(), [old, later, served, file("4")], "Gironde") == []


# ---- the day


def test_each_orientation_is_counted_once_on_the_day_on_which_it_first_came() -> None:
    tally = Tally()
    first = orientation("a", orientationCategory="PS")
    tally.put(first)
    tally.put(orientation("b", orientationCategory="CPTS", status="pending"))
    tally.put(orientation("c", at="2026-11-21T10:00:00+01:00"))
    moved = Orientation("a", {**first.appointment, "status": "noshow"}, "sas", first.history)
    tally.put(moved)
    tally.put(moved)
    assert tally.of_day(date(2026, 11, 22)) == {("PS", "noshow"): 1, ("CPTS", "pending"): 1}
    assert tally.of_day(date(2026, 11, 21)) == {("", "booked"): 1}
    assert tally.of_day(date(2026, 11, 23)) == {}


def test_bars_are_on_one_scale_and_stay_within_the_drawing() -> None:
    drawing = draw(Counter({("PS", "booked"): 6, ("PS", "cancelled"): 2, ("SOS", "noshow"): 4, ("", "booked"): 1}))
    assert (drawing.total, [bar.label for bar in drawing.bars]) == (
        13,
        ["Professionnel de santé", "SOS Médecins", "Sans catégorie"],
    )
    assert dict(drawing.by_status) == {"pending": 0, "booked": 7, "fulfilled": 0, "noshow": 4, "cancelled": 2}
    widths = [sum(part.width for part in bar.segments) for bar in drawing.bars]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert max(widths) < WIDTH
    booked, cancelled = drawing.bars[0].segments
    assert (booked.status, cancelled.status) == (STATUSES[1], STATUSES[4])
    assert cancelled.x == pytest.approx(booked.width)
    assert drawing.bars[1].bar > drawing.bars[0].bar
    assert drawing.height > drawing.bars[-1].bar


def test_a_day_without_orientations_is_an_empty_drawing() -> None:
    drawing = draw(Counter())
    assert (drawing.bars, drawing.total, drawing.height) == ((), 0, 1)


# ---- the contextual call


def asked(call: Call) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(search_link("http://sas/sas/recherche", "urn:oid:1.2", call)).query))


def test_the_link_tells_everything_that_the_flow_has_room_for_and_nothing_of_the_patient() -> None:
    import msgspec

    assert asked(msgspec.structs.replace(CALL, doctor="810000000001", specialty="SM40")) == {
        "origin": "urn:oid:1.2",
        "specialty": "urn:oid:1.2.250.1.71.4.2.5|SM40",
        "practitioner": "urn:oid:1.2.250.1.71.4.2.1|810000000001",
        "streetnumber": "12",
        "streetname": "rue des Lilas",
        "inseecode": "33063",
        "city": "Bordeaux",
    }
    named = msgspec.structs.replace(CALL, doctor="Dr Marchal", line="place de l'Église", specialty="")
    assert asked(named) == {
        "origin": "urn:oid:1.2",
        "practitioner": "Dr Marchal",
        "streetname": "place de l'Église",
        "inseecode": "33063",
        "city": "Bordeaux",
    }
    assert "practitioner" not in asked(CALL)

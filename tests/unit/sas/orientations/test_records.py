from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from sandbox.kernel.clock import PARIS
from sandbox.kernel.flows import AppointmentStatus, OrientationCategory
from sandbox.kernel.identifiers import Identifier
from sandbox.sas.directory.origins import Origin
from sandbox.sas.orientations.records import AppointmentRecord, decode, encode

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=PARIS)
RECORD = AppointmentRecord(
    id="id",
    version=1,
    editor="agenda-azur",
    sender=Identifier("urn:oid:1.2.3", "4f0e0f70"),
    regulator=Identifier("urn:oid:1.2.250.1.71.4.2.1", "3456780581/11242343", "IDNPS"),
    status=AppointmentStatus.BOOKED,
    start=NOW,
    end=NOW + timedelta(minutes=15),
    created=NOW,
    category=OrientationCategory.PS,
    received=NOW,
)


def test_a_row_without_an_origin_is_an_editors() -> None:
    assert b"origin" not in encode(RECORD)
    assert decode(encode(RECORD)).origin is Origin.EDITOR


@pytest.mark.parametrize("origin", [Origin.SAS_AGENDA, Origin.EXTRA, Origin.MARKETPLACE, Origin.STRUCTURE])
def test_any_other_origin_is_kept(origin: Origin) -> None:
    made_here = msgspec.structs.replace(RECORD, origin=origin, editor="")
    assert decode(encode(made_here)) == made_here


@pytest.mark.parametrize(
    ("origin", "owner", "allowed"),
    [
        (Origin.EDITOR, "agenda-azur", True),
        (Origin.EDITOR, "", True),
        (Origin.EDITOR, "rdv-commune", False),
        (Origin.SAS_AGENDA, "", False),
    ],
)
def test_an_editor_may_change_what_it_sent(origin: Origin, owner: str, allowed: bool) -> None:
    assert msgspec.structs.replace(RECORD, origin=origin, editor=owner).may_be_changed_by("agenda-azur") is allowed

"""An agenda as a row of the store: some 35 octets for a single slot, because what slots share is written once. Pure."""

from __future__ import annotations

import msgspec

from sandbox.kernel.model import Practitioner
from sandbox.sas.agenda.agenda import Agenda, Closure
from sandbox.sas.agenda.series import FOREVER, WEEK, Kind, Series
from sandbox.sas.agenda.week import regions_of


class _Typed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A series; `kind`: number of its kind in the row; `weeks`: how many it lasts, 0 for ever; `skipped`: numbers of
    the weeks that are skipped."""

    id: str
    first: int
    start: int
    length: int
    kind: int
    weeks: int = 1
    skipped: tuple[int, ...] = ()


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a practitioner has typed."""

    serial: int
    kinds: tuple[Kind, ...] = ()
    series: tuple[_Typed, ...] = ()
    closures: tuple[Closure, ...] = ()


_decoder = msgspec.json.Decoder(Row)
_encoder = msgspec.json.Encoder()


def check(row: bytes) -> Row:
    """The content of a row. Raises msgspec.DecodeError when it is none."""
    return _decoder.decode(row)


def encode(agenda: Agenda) -> bytes:
    """The row of an agenda."""
    numbers: dict[Kind, int] = {}
    series = tuple(
        _Typed(
            each.id,
            each.first,
            each.start,
            each.length,
            numbers.setdefault(each.kind, len(numbers)),
            0 if each.last == FOREVER else 1 + (each.last - each.first) // WEEK,
            tuple((day - each.first) // WEEK for day in each.skipped),
        )
        for each in agenda.series
    )
    return _encoder.encode(Row(agenda.serial, tuple(numbers), series, agenda.closures))


def decode(row: bytes, person: Practitioner) -> Agenda:
    """The agenda of a row that `encode` wrote of this person's agenda."""
    held = _decoder.decode(row)
    series = tuple(_series(each, held.kinds[each.kind]) for each in held.series)
    return Agenda(person.id, regions_of(person), series, held.closures, held.serial)


def _series(typed: _Typed, kind: Kind) -> Series:
    last = typed.first + WEEK * (typed.weeks - 1) if typed.weeks else FOREVER
    skipped = tuple(typed.first + WEEK * week for week in typed.skipped)
    return Series(typed.id, typed.first, last, typed.start, typed.length, kind, skipped)

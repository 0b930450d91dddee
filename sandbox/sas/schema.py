"""The layout of the SAS core's store (`store.schema`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sandbox.sas.agenda import agendas, rows
from sandbox.sas.orientations import appointments, records, typed_booking
from sandbox.sas.orientations.l02 import emitter, message_table
from sandbox.sas.regulators import account_calls, accounts, psc_people
from sandbox.store.outbox import outbox_tables
from sandbox.store.protocol import Delete, Put
from sandbox.store.schema import Schema, Tables, require_known


def _l02_row(row: bytes) -> object:
    """At first, a row held one message; the present reader would not find any message in such a row."""
    if "messages" not in msgspec.json.decode(row, type=dict[str, msgspec.Raw]):
        raise ValueError("it holds one message, not all of an appointment")
    return row


READERS = {
    appointments.TABLE: records.decode,
    message_table.TABLE: _l02_row,
    account_calls.TABLE: msgspec.json.Decoder(account_calls.AccountState).decode,
    accounts.TABLE: msgspec.json.Decoder(accounts.Account).decode,
    agendas.TABLE: rows.check,
    typed_booking.PATIENTS: typed_booking.read_patient,
    accounts.HISTORY: msgspec.json.Decoder(accounts.Change).decode,
}
OUTBOXES = outbox_tables(emitter.OUTBOX) | outbox_tables(psc_people.OUTBOX)


def _unversioned(tables: Tables) -> Iterable[Put | Delete]:
    require_known(tables, READERS, OUTBOXES)
    return ()


SCHEMA = Schema(version=1, migrations={0: _unversioned})

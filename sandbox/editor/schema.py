"""The layout of an editor's store (`store.schema`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sandbox.editor.accounts import accounts, recovery
from sandbox.editor.appointments import booking, r03
from sandbox.editor.communities import requests
from sandbox.store.outbox import outbox_tables
from sandbox.store.protocol import Delete, Put
from sandbox.store.schema import Schema, Tables, require_known

READERS = {
    booking.TABLE: msgspec.json.Decoder(booking.Booking).decode,
    accounts.TABLE: msgspec.json.Decoder(accounts.AccountRecord).decode,
    recovery.TABLE: msgspec.json.Decoder(recovery.Reset).decode,
    requests.TABLE: msgspec.json.Decoder(requests.CommunityRequest).decode,
    r03.RESENT: msgspec.json.Decoder(r03.Resent).decode,
}


def _unversioned(tables: Tables) -> Iterable[Put | Delete]:
    require_known(tables, READERS, outbox_tables(r03.OUTBOX))
    return ()


SCHEMA = Schema(version=1, migrations={0: _unversioned})

"""The layout of an LRM's store (`store.schema`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sandbox.lrm import answers, ledger, records
from sandbox.store.outbox import outbox_tables
from sandbox.store.protocol import Delete, Put
from sandbox.store.schema import Schema, Tables, require_known

READERS = {
    ledger.ORIENTATIONS: records.orientation_decoder.decode,
    ledger.CASE_FILES: records.case_file_decoder.decode,
    ledger.NOTICES: records.notice_decoder.decode,
    ledger.RECEIVED: records.received_decoder.decode,
    answers.HELD: msgspec.json.Decoder(answers.HeldAnswer).decode,
}


def _unversioned(tables: Tables) -> Iterable[Put | Delete]:
    require_known(tables, READERS, outbox_tables(answers.OUTBOX))
    return ()


SCHEMA = Schema(version=1, migrations={0: _unversioned})

"""The layout of an LRM's store (`store.schema`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sandbox.lrm.ledger import case_files, message_history, orientations, records
from sandbox.lrm.messages import answers
from sandbox.store.outbox import outbox_tables
from sandbox.store.protocol import Delete, Put
from sandbox.store.schema import Schema, Tables, require_known

READERS = {
    orientations.ORIENTATIONS: records.orientation_decoder.decode,
    case_files.CASE_FILES: records.case_file_decoder.decode,
    message_history.NOTICES: records.notice_decoder.decode,
    message_history.RECEIVED: records.received_decoder.decode,
    answers.HELD: msgspec.json.Decoder(answers.HeldAnswer).decode,
}


def _unversioned(tables: Tables) -> Iterable[Put | Delete]:
    require_known(tables, READERS, outbox_tables(answers.OUTBOX))
    return ()


SCHEMA = Schema(version=1, migrations={0: _unversioned})

"""The case files (DRM) of one LRM. Methods that change something return the write, to be committed by the caller."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sandbox.kernel.errors import Issue, RequestError
from sandbox.lrm.ledger.records import Call, CaseFile, Entry, Operator, case_file_decoder, encode, noted
from sandbox.store.protocol import Put, Store

CASE_FILES = "case_files"
MOST_CASE_FILES = 20_000


class CaseFiles:
    """The case files of one LRM. `client_id`: the case file numbers begin with its last part."""

    def __init__(self, store: Store, client_id: str) -> None:
        self._store = store
        self._prefix = client_id.rpartition(".")[2].upper()

    def get(self, number: str) -> CaseFile | None:
        """One case file, None when it is unknown."""
        row = self._store.get(CASE_FILES, number)
        return case_file_decoder.decode(row) if row is not None else None

    def known(self, number: str) -> CaseFile:
        """One case file. Raises RequestError 404."""
        case_file = self.get(number)
        if case_file is None:
            raise RequestError(404, Issue("not-found", "Dossier inconnu."))
        return case_file

    def newest(self, most: int) -> list[CaseFile]:
        """The newest first, at most `most`."""
        rows = [row for _, row in self._store.items(CASE_FILES)]
        return [case_file_decoder.decode(row) for row in reversed(rows[-most:])]

    @property
    def count(self) -> int:
        """How many case files are stored."""
        return self._store.count(CASE_FILES)

    def next_number(self) -> int:
        """The number of the next case file. Raises RequestError 422 when there are too many."""
        count = self.count
        if count >= MOST_CASE_FILES:
            raise RequestError(
                422, Issue("too-costly", f"Il y a déjà {MOST_CASE_FILES} dossiers : réinitialisez le bac à sable.")
            )
        return count + 1

    def open(self, number: int, call: Call, now: datetime, operator: Operator | None = None) -> tuple[CaseFile, Put]:
        """A new case file for a call, and its write."""
        at = now.isoformat(timespec="seconds")
        name = f"{self._prefix}-{number:05}"
        by = f" par {operator.given} {operator.family}" if operator is not None else ""
        case_file = CaseFile(name, at, call, history=(Entry(at, f"Dossier ouvert{by}"),), operator=operator)
        return case_file, _put(case_file)

    def searched(self, number: str, now: datetime) -> Put:
        """The write that records that the SAS platform was called from a case file. Raises RequestError 404."""
        case_file = self.known(number)
        at = now.isoformat(timespec="seconds")
        noted_file = noted(case_file, Entry(at, "Recherche d'une offre de soins dans la plateforme SAS"))
        return _put(msgspec.structs.replace(noted_file, searched=at))

    def change_need(self, number: str, specialty: str, doctor: str, now: datetime) -> Put:
        """The write that changes what is searched for: specialty (TRE_R38 code), the patient's doctor (id or name;
        empty: none). Raises RequestError 404."""
        case_file = self.known(number)
        call = msgspec.structs.replace(case_file.call, specialty=specialty, doctor=doctor, doctor_name=doctor)
        entry = Entry(now.isoformat(timespec="seconds"), "Besoin de soins modifié")
        return _put(msgspec.structs.replace(noted(case_file, entry), call=call))

    def note(self, case_file: CaseFile, at: str, text: str, orientations: tuple[str, ...] | None = None) -> Put:
        """The write that adds a line to a case file's history, and sets its orientations unless they are None.
        `at`: ISO 8601."""
        file = noted(case_file, Entry(at, text))
        if orientations is not None:
            file = msgspec.structs.replace(file, orientations=orientations)
        return _put(file)


def _put(case_file: CaseFile) -> Put:
    return Put(CASE_FILES, case_file.number, encode(case_file))

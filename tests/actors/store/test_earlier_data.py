"""Data that earlier versions of the sandbox wrote: taken over whole, or refused in one line and left as they were.

`tests/data/earlier` holds data directories after the scenario `nominal` (three appointments, two of them changed
later), written by the sandboxes of those dates; `-killed`: ended by SIGKILL, so that nothing but logs is there.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from pathlib import Path

import pytest

from sandbox.data_stores import require_readable, stores_in
from sandbox.editor import schema as editor_schema
from sandbox.editor.appointments import booking as editor_booking
from sandbox.kernel.clock import Clock
from sandbox.kernel.errors import UsageError
from sandbox.lrm import schema as lrm_schema
from sandbox.lrm.ledger.case_files import CASE_FILES
from sandbox.lrm.ledger.orientations import ORIENTATIONS as LRM_ORIENTATIONS
from sandbox.sas import schema as sas_schema
from sandbox.sas.orientations import appointments
from sandbox.sas.orientations.l02.message_table import MessageTable
from sandbox.sas.orientations.records import decode
from sandbox.store.embedded.frames import read_header
from sandbox.store.embedded.tables import open_tables

EARLIER = Path(__file__).parents[2] / "data" / "earlier"
READABLE = ("2026-11-22T2350-killed", "2026-11-23T0133", "2026-11-23T0514-killed")
TOO_OLD = "2026-11-22T2144"
HUB_CLIENT = "fr.health.test.ptfsas"


def unpacked(name: str, directory: Path) -> Path:
    with zipfile.ZipFile(EARLIER / f"{name}.zip") as archive:
        archive.extractall(directory)
    return directory


def digests(directory: Path) -> dict[str, str]:
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", READABLE)
async def test_what_the_platform_knew_is_all_there(name: str, tmp_path: Path) -> None:
    data = unpacked(name, tmp_path)
    for _ in range(2):  # the second time, what was taken over
        store = open_tables(data / "sas", sas_schema.SCHEMA)
        states = [decode(row).status for _, row in store.items(appointments.TABLE)]
        assert sorted(map(str, states)) == ["booked", "cancelled", "fulfilled"]
        told = MessageTable(store, HUB_CLIENT, Clock(time.time)).statistics()["states"]
        assert told == {"due": 0, "published": 0, "acknowledged": 5, "refused": 0, "expired": 0}
        assert store.count("accounts") == 3
        await store.close()


@pytest.mark.parametrize("name", [*READABLE, TOO_OLD])
async def test_what_editors_and_lrm_knew_is_all_there(name: str, tmp_path: Path) -> None:
    data = unpacked(name, tmp_path)
    for slug in ("agenda-azur", "garde-plus", "rdv-commune"):
        store = open_tables(data / "editors" / slug, editor_schema.SCHEMA)
        assert (store.count(editor_booking.TABLE), store.count("accounts")) == (1, 1)
        await store.close()
    store = open_tables(data / "lrm" / "fr.health.samu330", lrm_schema.SCHEMA)
    assert (store.count(LRM_ORIENTATIONS), store.count(CASE_FILES)) == (3, 1)
    await store.close()


@pytest.mark.parametrize("name", READABLE)
async def test_logs_are_of_the_present_format_afterwards(name: str, tmp_path: Path) -> None:
    data = unpacked(name, tmp_path)
    require_readable(data)
    await open_tables(data / "sas", sas_schema.SCHEMA).close()
    with (data / "sas" / "log").open("rb") as file:
        header = read_header(file)
    assert (header.format, header.version) == (2, sas_schema.SCHEMA.version)


def test_what_cannot_be_read_is_refused_in_one_line_and_left_as_it_was(tmp_path: Path) -> None:
    data = unpacked(TOO_OLD, tmp_path)
    before = digests(data)
    with pytest.raises(
        UsageError, match=r"sas/log was written by an older sandbox .* choose another --data-dir"
    ) as caught:
        require_readable(data)
    assert "\n" not in str(caught.value)
    assert digests(data) == before


def test_data_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    newer = sas_schema.SCHEMA.version + 1
    schema = type(sas_schema.SCHEMA)(newer, {**sas_schema.SCHEMA.migrations, newer - 1: lambda tables: ()})
    open_tables(tmp_path / "sas", schema)._log.close_now()
    with pytest.raises(UsageError, match="written by a newer sandbox"):
        require_readable(tmp_path)


@pytest.mark.parametrize("name", [*READABLE, TOO_OLD])
def test_no_earlier_file_is_taken_for_a_damaged_one(name: str, tmp_path: Path) -> None:
    found = [(store, store.examine(False)) for store in stores_in(unpacked(name, tmp_path))]
    assert len(found) >= 8
    assert not [each.damages for _, each in found if each.damages]
    refused = [store.directory.name for store, each in found if each.refused]
    assert refused == (["sas"] if name == TOO_OLD else [])

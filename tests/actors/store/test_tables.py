"""The embedded store: commits, reopening, compaction, locks and failures."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB
from tinydb.table import Table

from sandbox.kernel.errors import StoreError, StoreLocked
from sandbox.store.embedded import snapshot, tables
from sandbox.store.embedded.frames import FILE_HEADER_SIZE
from sandbox.store.embedded.tables import TableStore, open_store, open_tables
from sandbox.store.protocol import Delete, Put
from tests.support.sandboxes import eventually

if TYPE_CHECKING:
    from conftest import Disk

Content = dict[str, dict[str, bytes]]


def content(store: TableStore) -> Content:
    return {name: dict(store.items(name)) for name in store.tables()}


async def reopened(directory: Path) -> Content:
    """What a store opened there holds, without leaving a trace."""
    store = open_tables(directory)
    found = content(store)
    await store._log.close()
    os.close(store._lock)
    return found


async def test_a_commit_is_seen_at_once_and_after_reopening(tmp_path: Path) -> None:
    store = open_store(tmp_path / "sas")
    waiter = store.commit(Put("people", "é", b'{"a":1}'), Put("people", "b", b"{}"), Put("outbox", "1", b"{}"))
    assert store.get("people", "é") == b'{"a":1}'
    assert store.count("people") == 2
    await waiter
    await store.commit(Delete("people", "b"), Delete("people", "unknown"), Delete("nowhere", "x"))
    await store.close()
    store = open_store(tmp_path / "sas")
    assert list(store.items("people")) == [("é", b'{"a":1}')]
    assert (store.get("people", "b"), store.get("nowhere", "x"), store.count("nowhere")) == (None, None, 0)
    await store.close()
    await store.close()


async def test_rows_are_listed_in_the_order_of_their_insertion_undisturbed_by_changes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for key in "cab":
        await store.commit(Put("t", key, b"{}"))
    listing = store.items("t")
    await store.commit(Put("t", "c", b'{"new":1}'), Delete("t", "a"), Put("t", "a", b"{}"))
    assert [key for key, _ in listing] == ["c", "a", "b"]
    assert [key for key, _ in store.items("t")] == ["c", "b", "a"]
    await store.close()
    store = open_store(tmp_path)
    assert [key for key, _ in store.items("t")] == ["c", "b", "a"]
    await store.close()


async def test_a_refused_row_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match="JSON object"):
        store.commit(Put("t", "good", b"{}"), Put("t", "bad", b"[]"))
    assert store.count("t") == 0
    await store.commit()
    await store.close()


def test_a_program_without_a_loop_commits_too(tmp_path: Path) -> None:
    store = open_tables(tmp_path)
    waiter = store.commit(Put("t", "k", b"{}"))
    store.table("u").insert({"a": 1})

    async def close() -> Content:
        await waiter
        await store.close()
        return await reopened(tmp_path)

    assert asyncio.run(close()) == {"t": {"k": b"{}"}, "u": {"1": b'{"a":1}'}}


operations = st.one_of(
    st.builds(Put, st.sampled_from("tu"), st.sampled_from("abc"), st.sampled_from([b"{}", b'{"a":1}', b'{"b":[2]}'])),
    st.builds(Delete, st.sampled_from("tu"), st.sampled_from("abc")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(operations, min_size=1, max_size=4), max_size=8), st.integers(0, 9), st.data())
def test_after_any_prefix_of_the_log_the_store_equals_a_number_of_whole_commits(
    tmp_path: Path, commits: list[list[Put | Delete]], compact_before: int, data: st.DataObject
) -> None:
    directory = tmp_path / "store"
    shutil.rmtree(directory, ignore_errors=True)

    async def run() -> tuple[list[Content], Content, Content]:
        store = open_tables(directory)
        states = [content(store)]
        for index, commit in enumerate(commits):
            if index == compact_before:
                await store.compact()
                states = [content(store)]
            await store.commit(*commit)
            states.append(content(store))
        await store._log.close()
        os.close(store._lock)
        whole = await reopened(directory)
        log = directory / "log"
        os.truncate(log, data.draw(st.integers(FILE_HEADER_SIZE, log.stat().st_size)))
        return states, whole, await reopened(directory)

    states, whole, cut = asyncio.run(run())
    assert whole == states[-1]
    assert cut in states


async def test_compaction_leaves_a_tinydb_file_and_an_empty_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_tables(tmp_path)
    for number in range(450):
        store.commit(Put("people", f"p-{number}", b'{"number":%d,"name":"Zo\xc3\xab"}' % number))
    await store.commit(Put("empty", "x", b"{}"), Delete("empty", "x"), Put("places", "1", b'{"town":"Bordeaux"}'))
    await store.close()
    plain = json.loads((tmp_path / "db.json").read_bytes())
    assert plain["people"]["p-7"] == {"number": 7, "name": "Zoë"}
    assert "empty" not in plain
    monkeypatch.setattr(Table, "document_id_class", str)
    with TinyDB(tmp_path / "db.json") as db:
        assert db.tables() == {"_store", "people", "places", "_checksums"}
        found = db.table("people").get(Query().number == 449)
        assert found is not None
        assert (found.doc_id, found["name"]) == ("p-449", "Zoë")
        assert len(db.table("people")) == 450
    assert (tmp_path / "log").stat().st_size == FILE_HEADER_SIZE
    store = open_tables(tmp_path)
    assert (store.count("people"), store.get("places", "1")) == (450, b'{"town":"Bordeaux"}')
    await store.close()


async def test_a_file_that_a_person_rewrote_with_tinydb_is_read(tmp_path: Path) -> None:
    with TinyDB(tmp_path / "db.json", indent=2) as db:
        db.table("people").insert({"name": "Ada", "tags": ["x"]})
    store = open_store(tmp_path)
    assert store.table("people").get(doc_id="1") == {"name": "Ada", "tags": ["x"]}
    await store.commit(Put("people", "2", b"{}"))
    await store.close()
    with TinyDB(tmp_path / "db.json") as db:
        assert db.table("people").get(doc_id=1) == {"name": "Ada", "tags": ["x"]}


async def test_a_log_that_outgrows_its_limit_is_compacted_while_commits_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LOG_LIMIT", 50_000)
    store = open_tables(tmp_path)
    for number in range(400):
        row = b'{"n":%d,"filling":"%s"}' % (number, b"x" * 500)
        await asyncio.gather(store.commit(Put("t", str(number % 10), row)), store.commit(Put("t", "last", row)))
    assert (tmp_path / "log").stat().st_size < 200_000
    assert (tmp_path / "db.json").exists()
    expected = content(store)
    await store.close()
    assert await reopened(tmp_path) == expected


async def test_a_crash_between_the_two_renames_of_a_compaction_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_tables(tmp_path / "live")
    await store.commit(Put("t", "a", b"{}"), Put("t", "b", b"{}"))
    await store.commit(Delete("t", "a"))
    await store.commit(Put("t", "a", b'{"again":1}'), Put("t", "c", b"{}"))
    rename = Path.replace

    def crash(path: Path, target: Path) -> Path:
        if target == tmp_path / "live" / "log":
            shutil.copytree(tmp_path / "live", tmp_path / "crashed")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", crash)
    compaction = asyncio.create_task(store.compact())
    await asyncio.sleep(0)
    await store.commit(Put("t", "later", b"{}"))
    await compaction
    expected = content(store)
    await store.close()
    monkeypatch.undo()
    crashed = open_tables(tmp_path / "crashed")
    assert content(crashed) == expected
    assert [key for key, _ in crashed.items("t")] == ["b", "a", "c", "later"]
    assert (tmp_path / "crashed" / "db.json").exists()
    await crashed.compact()
    await crashed.close()
    assert await reopened(tmp_path / "crashed") == expected


async def test_a_row_that_is_no_json_stops_compaction_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_tables(tmp_path)
    await store.commit(Put("t", "good", b'{"a":1}'), Put("t", "bad", b"{nonsense}"), Put("t", "utf", b'{"a":"\xff"}'))
    with pytest.raises(StoreError, match="the row t/bad is not JSON"):
        await store.compact()
    await store.commit(Put("t", "bad", b'{},"injected":{}'))
    with pytest.raises(StoreError, match="the row t/bad is not JSON"):
        await store.compact()
    await store.commit(Delete("t", "bad"))
    with pytest.raises(StoreError, match="the row t/utf is not JSON"):
        await store.compact()
    await store.close()
    assert await reopened(tmp_path) == {"t": {"good": b'{"a":1}', "utf": b'{"a":"\xff"}'}}
    assert sorted(os.listdir(tmp_path)) == ["lock", "log"]


async def test_a_compaction_that_fails_is_reported_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tables, "LOG_LIMIT", 1_000)
    store = open_tables(tmp_path)
    await store.commit(Put("t", "bad", b"{" + b"x" * 1_000 + b"}"))
    await eventually(lambda: "compaction is tried again later" in caplog.text)
    await store.commit(Put("t", "bad", b"{}"), Put("t", "more", b'{"a":"%s"}' % (b"x" * 1_000)))
    await eventually(lambda: (tmp_path / "log").stat().st_size < 1_000)
    await store.close()


@pytest.mark.parametrize(
    "octets", [b"{", b'{"t":[]}', b'{"t":{"k":1}}', b'{"_store":{"1":{}}}', b'{"_store":{"1":{"checkpoint":null}}}']
)
def test_a_snapshot_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "db.json").write_bytes(octets)
    with pytest.raises(StoreError, match=r"TinyDB file|no checkpoint"):
        open_store(tmp_path)
    (tmp_path / "db.json").unlink()
    asyncio.run(open_store(tmp_path).close())  # the lock was given back


def test_an_unreadable_snapshot_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "db.json").mkdir()
    with pytest.raises(StoreError, match="cannot read"):
        open_store(tmp_path)


def test_an_emptied_snapshot_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "db.json").touch()
    with pytest.raises(StoreError, match=r"db.json' is empty"):
        open_store(tmp_path)


async def test_the_directory_is_private_and_held_by_one(tmp_path: Path) -> None:
    store = open_store(tmp_path / "deep" / "sas")
    assert stat.S_IMODE((tmp_path / "deep" / "sas").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "deep" / "sas" / "log").stat().st_mode) == 0o600
    with pytest.raises(StoreLocked, match=f"in use by process {os.getpid()}"):
        open_store(tmp_path / "deep" / "sas")
    await store.close()
    await open_store(tmp_path / "deep" / "sas").close()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot use the directory"):
        open_store(tmp_path / "file" / "sas")


def test_an_unwritable_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sas").mkdir(mode=0o500)
    with ordinary_user(tmp_path), pytest.raises(StoreError, match="Permission denied"):
        open_store(tmp_path / "sas")


@contextlib.contextmanager
def ordinary_user(directory: Path) -> Iterator[None]:
    """Nothing is forbidden to root: drop its rights for a moment. `directory` and above are made passable."""
    if os.geteuid() != 0:
        yield
        return
    above = {folder: folder.stat().st_mode for folder in (directory, *directory.parents)}
    modes = {folder: mode for folder, mode in above.items() if not mode & 0o001}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


async def test_a_full_disk_fails_every_waiter_and_the_store_refuses_from_then_on(tmp_path: Path, disk: Disk) -> None:
    store = open_tables(tmp_path)
    await store.commit(Put("t", "kept", b"{}"))
    disk.full = True
    outcomes = await asyncio.gather(
        *(store.commit(Put("t", str(number), b"{}")) for number in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreError] * 5
    disk.full = False
    with pytest.raises(StoreError, match="No space left"):
        store.commit(Put("t", "late", b"{}"))
    assert store.get("t", "late") is None
    with pytest.raises(StoreError):
        await store.barrier()
    disk.full = True
    await store.close()
    assert await reopened(tmp_path) == {"t": {"kept": b"{}"}}


async def test_a_disk_that_is_full_at_close_costs_only_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_tables(tmp_path)
    await store.commit(Put("t", "kept", b"{}"))

    def full(*_: object) -> int:
        raise StoreError("No space left")

    monkeypatch.setattr(tables, "write_snapshot", full)
    await store.close()
    assert await reopened(tmp_path) == {"t": {"kept": b"{}"}}


async def test_closing_waits_for_the_compaction_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LOG_LIMIT", 100)
    store = open_tables(tmp_path)
    await store.commit(Put("t", "k", b'{"a":"%s"}' % (b"x" * 200)))
    await store.close()
    assert (tmp_path / "db.json").exists()
    assert (tmp_path / "log").stat().st_size == FILE_HEADER_SIZE
    assert (await reopened(tmp_path))["t"].keys() == {"k"}


async def test_a_snapshot_is_synchronised_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_OCTETS_AT_A_SYNC", 1_000)
    monkeypatch.setattr(snapshot, "_OCTETS_AT_ONCE", 500)
    rows = {str(number): b'{"a":"%s"}' % (b"x" * 300) for number in range(20)}
    size = snapshot.write_snapshot(tmp_path / "db.json", {"t": rows}, 3)
    assert size == len((tmp_path / "db.json").read_bytes())
    assert snapshot.read_snapshot(tmp_path / "db.json") == ({"t": rows}, 3, size)


def test_a_snapshot_that_does_not_fit_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot.write_snapshot(tmp_path / "db.json", {"t": {"k": b"{}"}}, 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        snapshot.write_snapshot(tmp_path / "db.json", {"t": {}}, 2)
    assert snapshot.read_snapshot(tmp_path / "db.json")[:2] == ({"t": {"k": b"{}"}}, 1)
    assert os.listdir(tmp_path) == ["db.json"]


def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreError, match="No locks available"):
        open_store(tmp_path)


async def test_a_row_in_memory_does_not_keep_its_encoders_buffer(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    encoded = orjson.dumps({"a": 1})
    await store.commit(Put("t", "k", encoded))
    assert store.get("t", "k") is not encoded
    await store.close()

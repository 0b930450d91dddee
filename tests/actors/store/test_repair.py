"""Damaged files of a store are detected when it is opened, with file and record, and repaired; only the damaged records
are lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.log import Log
from sandbox.store.embedded.repair import examine_log, examine_tables, repair_log, repair_tables
from sandbox.store.embedded.tables import PLAIN, TableStore, open_tables
from sandbox.store.protocol import Delete, Put
from sandbox.store.schema import Schema

Content = dict[str, dict[str, bytes]]


async def filled(directory: Path) -> None:
    """Twelve rows in db.json; in the log, three changed, one deleted, one new."""
    store = open_tables(directory)
    for number in range(12):
        await store.commit(Put("people", f"p{number}", b'{"number":%d}' % number))
    await store.compact()
    for number in range(3):
        await store.commit(Put("people", f"p{number}", b'{"number":%d}' % (100 + number)))
    await store.commit(Delete("people", "p3"), Put("places", "1", b'{"town":"Bordeaux"}'))
    await store._log.close()  # as after SIGKILL: no compaction at the end
    release(store)


def release(store: TableStore) -> None:
    import os

    os.close(store._lock)


async def content(directory: Path) -> Content:
    store = open_tables(directory)
    found = {name: dict(store.items(name)) for name in store.tables()}
    await store.close()
    return found


def flip(path: Path, what: bytes) -> None:
    octets = path.read_bytes()
    place = octets.index(what) + len(what) - 1
    path.write_bytes(octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :])


async def repaired(directory: Path, *, keep_changed: bool = False) -> Content:
    repair_tables(directory, examine_tables(directory, PLAIN, keep_changed=keep_changed))
    return await content(directory)


async def test_a_changed_octet_of_a_row_of_the_snapshot_costs_that_row(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = await content_of_copy(tmp_path)
    flip(tmp_path / "db.json", b'"number":7')
    with pytest.raises(StoreError, match=r"db.json' is damaged: row 'p7' of table 'people'"):
        open_tables(tmp_path)
    found = examine_tables(tmp_path, PLAIN)
    assert [each.where for each in found.damages] == [f"{tmp_path}/db.json : ligne 'p7' de la table 'people'"]
    del whole["people"]["p7"]
    assert await repaired(tmp_path) == whole


async def content_of_copy(directory: Path) -> Content:
    """What the store holds, without opening it: opening compacts when it closes."""
    found = examine_tables(directory, PLAIN)
    assert not found.damages
    return {name: dict(rows) for name, rows in found.tables.items() if rows}


async def test_rows_changed_by_hand_may_be_kept(tmp_path: Path) -> None:
    await filled(tmp_path)
    document = json.loads((tmp_path / "db.json").read_bytes())
    document["people"]["p7"]["number"] = 700
    (tmp_path / "db.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="and 11 more"):  # another layout of each row
        open_tables(tmp_path)
    rows = (await repaired(tmp_path, keep_changed=True))["people"]
    assert len(rows) == 11
    assert (json.loads(rows["p7"]), json.loads(rows["p1"])) == ({"number": 700}, {"number": 101})


async def test_broken_json_costs_the_lines_that_cannot_be_read(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = await content_of_copy(tmp_path)
    octets = (tmp_path / "db.json").read_bytes()
    (tmp_path / "db.json").write_bytes(octets.replace(b'"p7":{', b'"p7":x'))
    with pytest.raises(StoreError, match=r"db.json' is damaged"):
        open_tables(tmp_path)
    del whole["people"]["p7"]
    assert await repaired(tmp_path) == whole


async def test_a_damaged_record_of_the_log_costs_what_it_changed(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = await content_of_copy(tmp_path)
    flip(tmp_path / "log", b'"number":101')
    with pytest.raises(StoreError, match=r"log' is damaged: record 2, at octet \d+ of \d+"):
        open_tables(tmp_path)
    found = examine_tables(tmp_path, PLAIN)
    assert [each.where.partition(",")[0] for each in found.damages] == [f"{tmp_path}/log : enregistrement 2"]
    whole["people"]["p1"] = b'{"number":1}'
    assert await repaired(tmp_path) == whole


@pytest.mark.parametrize("name", ["log", "db.json"])
@pytest.mark.parametrize("how", ["emptied", "removed"])
async def test_a_lost_file_is_found_at_the_start_and_costs_what_it_held(tmp_path: Path, name: str, how: str) -> None:
    await filled(tmp_path)
    (tmp_path / name).unlink()
    if how == "emptied":
        (tmp_path / name).touch()
    with pytest.raises(StoreError, match=rf"{name}' is (empty|missing)"):
        open_tables(tmp_path)
    assert len(examine_tables(tmp_path, PLAIN).damages) >= 1
    found = await repaired(tmp_path)
    if name == "log":
        assert found == {"people": {f"p{number}": b'{"number":%d}' % number for number in range(12)}}
    else:
        changed = {f"p{number}": b'{"number":%d}' % (100 + number) for number in range(3)}
        assert found == {"people": changed, "places": {"1": b'{"town":"Bordeaux"}'}}


async def test_a_snapshot_of_another_time_does_not_pass(tmp_path: Path) -> None:
    await filled(tmp_path)
    older = (tmp_path / "db.json").read_bytes()
    store = open_tables(tmp_path)
    await store.compact()
    await store.close()
    (tmp_path / "db.json").write_bytes(older)
    with pytest.raises(StoreError, match="of checkpoint 1, the log beside it continues checkpoint"):
        open_tables(tmp_path)
    assert (await repaired(tmp_path))["people"]["p4"] == b'{"number":4}'


async def test_the_files_before_a_repair_are_kept(tmp_path: Path) -> None:
    await filled(tmp_path)
    flip(tmp_path / "log", b'"number":101')
    damaged = (tmp_path / "log").read_bytes()
    for number in (1, 2):
        kept = repair_tables(tmp_path, examine_tables(tmp_path, PLAIN))
        assert kept == tmp_path / f"before-repair-{number}"
    assert (tmp_path / "before-repair-1" / "log").read_bytes() == damaged
    assert not examine_tables(tmp_path, PLAIN).damages


async def test_an_unfinished_write_is_no_damage(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = await content_of_copy(tmp_path)
    with (tmp_path / "log").open("ab") as file:
        file.write(b"\xf5LOG half a frame")
    found = examine_tables(tmp_path, PLAIN)
    assert (found.damages, found.torn) == ([], 17)
    assert await content(tmp_path) == whole


def test_messages_of_a_damaged_hub_log_are_kept_but_for_the_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    log, _ = Log.open(path, version=1)
    for record in (b"first", b"second", b"third"):
        log.append_now(record)
    log.close_now()
    flip(path, b"second")
    found = examine_log(path, Schema())
    assert (found.records, len(found.damages)) == ([b"first", b"third"], 1)
    repair_log(path, found)
    log, records = Log.open(path, version=1)
    assert list(records) == [b"first", b"third"]
    log.close_now()


def test_a_store_that_was_not_begun_is_sound(tmp_path: Path) -> None:
    assert not examine_tables(tmp_path, PLAIN).damages
    assert not examine_log(tmp_path / "messages", PLAIN).damages

"""TinyDB's API over the store's rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tinydb import Query, TinyDB, where
from tinydb.operations import increment
from tinydb.table import Document

from sandbox.store.embedded.tables import TableStore, open_tables
from sandbox.store.embedded.tinydb_view import RowStorage
from sandbox.store.protocol import Delete, Put


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[TableStore]:
    the_store = open_tables(tmp_path)
    await the_store.commit(
        Put("people", "ada", b'{"name":"Ada","age":36}'), Put("people", "bob", b'{"name":"Bob", "age":20}')
    )
    yield the_store
    await the_store.close()


async def test_queries_see_the_committed_rows(store: TableStore) -> None:
    people = store.table("people")
    (found,) = people.search(Query().age > 30)
    assert (found.doc_id, found) == ("ada", {"name": "Ada", "age": 36})
    assert people.get(doc_id="bob") == {"name": "Bob", "age": 20}
    assert people.get(doc_id="eve") is None
    assert [document.doc_id for document in people.get(doc_ids=["bob"])] == ["bob"]
    assert people.get(where("name") == "Bob").doc_id == "bob"
    assert [document["name"] for document in people.all()] == ["Ada", "Bob"]
    assert (len(people), people.count(where("age") >= 20)) == (2, 2)
    assert people.contains(doc_id="ada")
    assert not people.contains(where("name") == "Eve")
    assert store.table("people") is people
    assert store.table("nothing").all() == []


async def test_a_query_is_not_answered_from_what_was_true_before(store: TableStore) -> None:
    people = store.table("people")
    adult = where("age") >= 18
    assert people.count(adult) == 2
    await store.commit(Delete("people", "bob"))
    assert people.count(adult) == 1


async def test_writes_through_tinydb_are_in_the_log(store: TableStore, tmp_path: Path) -> None:
    people = store.table("people")
    assert people.insert({"name": "Eve"}) == "1"
    assert people.insert(Document({"name": "Joe"}, doc_id="joe")) == "joe"  # type: ignore[arg-type]
    assert people.insert_multiple([{"n": 1}, {"n": 2}]) == ["2", "3"]
    assert people.update({"age": 37}, where("name") == "Ada") == ["ada"]
    assert people.update(increment("age"), doc_ids=["bob"]) == ["bob"]
    assert people.upsert({"name": "Joe", "age": 5}, where("name") == "Joe") == ["joe"]
    assert people.upsert(Document({"age": 6}, doc_id="joe")) == ["joe"]  # type: ignore[arg-type]
    assert people.upsert({"name": "New"}, where("name") == "New") == ["4"]
    assert people.remove(where("n") == 1) == ["2"]
    assert people.remove(doc_ids=["3", "unknown"]) == ["3"]
    await store.close()
    again = open_tables(tmp_path)
    assert {document.doc_id: dict(document) for document in again.table("people")} == {
        "ada": {"name": "Ada", "age": 37},
        "bob": {"name": "Bob", "age": 21},
        "1": {"name": "Eve"},
        "joe": {"name": "Joe", "age": 6},
        "4": {"name": "New"},
    }
    assert again.table("people").insert({}) == "5"
    await again.close()


async def test_an_unchanged_document_is_not_written_again(store: TableStore, tmp_path: Path) -> None:
    await store.barrier()
    size = (tmp_path / "log").stat().st_size
    store.table("people").update({"age": 20}, where("name") == "Bob")
    await store.barrier()
    assert (tmp_path / "log").stat().st_size == size
    assert store.get("people", "bob") == b'{"name":"Bob", "age":20}'


async def test_an_operation_that_fails_half_way_changes_nothing(store: TableStore) -> None:
    people = store.table("people")
    with pytest.raises(ValueError, match="already exists"):
        people.insert_multiple(
            [{"fine": 1}, Document({}, doc_id="ada")]  # type: ignore[arg-type]
        )
    assert store.count("people") == 2


async def test_a_number_that_somebody_else_took_is_not_given_again(store: TableStore) -> None:
    people = store.table("people")
    people.insert({})
    await store.commit(Put("people", "2", b'{"mine":true}'))
    assert people.insert({}) == "3"


async def test_truncate_and_dropping_go_through_the_log(store: TableStore) -> None:
    store.table("people").truncate()
    assert store.tables() == []


async def test_changes_within_one_operation_see_each_other(store: TableStore) -> None:
    seen: list[object] = []

    def updater(table: dict[str, dict[str, object]]) -> None:
        table["eve"] = {"age": 1}
        table["eve"]["age"] = 2
        del table["bob"]
        seen.extend([list(table), len(table), "eve" in table, "bob" in table, table["eve"]])
        for key in ("bob", "unknown"):
            with pytest.raises(KeyError):
                table[key]
            with pytest.raises(KeyError):
                del table[key]

    store.table("people")._update_table(updater)
    assert seen == [["ada", "eve"], 2, True, False, {"age": 2}]
    assert store.get("people", "eve") == b'{"age":2}'


async def test_tinydb_itself_can_stand_on_the_store(store: TableStore) -> None:
    db = TinyDB(store, store.tables, storage=RowStorage)
    assert db.tables() == {"people"}
    assert len(db.table("people")) == 2
    db.table("places").insert({"town": "Lille"})
    assert store.get("places", "1") == b'{"town":"Lille"}'
    assert store.get("people", "ada") == b'{"name":"Ada","age":36}'
    db.drop_table("people")
    assert store.tables() == ["places"]

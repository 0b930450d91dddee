"""A commit as a record and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.commits import checkpoint_number, decode, encode, encode_checkpoint
from sandbox.store.protocol import Delete, Put

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda name: name != "_store")
rows = st.binary(max_size=30).map(lambda octets: b"{" + octets + b"}")
writes = st.one_of(st.builds(Put, names, names, rows), st.builds(Delete, names, names))


@given(st.lists(writes, min_size=1, max_size=6))
def test_a_commit_survives_encoding(commit: list[Put | Delete]) -> None:
    record = b"".join(encode(commit))
    assert list(decode(record)) == commit
    assert checkpoint_number(record) is None


def test_a_checkpoint_is_told_from_a_commit() -> None:
    assert checkpoint_number(b"".join(encode_checkpoint(12))) == 12


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b"null", b'"{}"'])
def test_a_row_that_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not one JSON object"):
        encode([Put("people", "1", value)])


@pytest.mark.parametrize("write", [Put("", "1", b"{}"), Put("_store", "1", b"{}"), Delete("people", "k" * 70_000)])
def test_names_that_no_table_can_have_are_refused(write: Put | Delete) -> None:
    with pytest.raises(ValueError, match="no table can have"):
        encode([write])


def test_an_operation_of_a_newer_version_is_reported() -> None:
    with pytest.raises(StoreError, match="newer"):
        list(decode(b"".join(encode([Delete("t", "k")])).replace(b"D", b"Z", 1)))

"""The log's format and its recovery rules, on files in memory."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.errors import StoreError
from sandbox.store.frames import LENGTH, MARKER, file_header, frame, read_records, recover

SALT = 0x5EED


def pieces(records: list[bytes]) -> list[bytes]:
    return [piece for record in records for piece in (LENGTH.pack(len(record)), record)]


def log_of(*batches: list[bytes]) -> bytes:
    return file_header(SALT) + b"".join(frame(pieces(batch), SALT) for batch in batches)


def read(octets: bytes) -> list[bytes]:
    file = io.BytesIO(octets)
    return list(read_records(file, recover(file).end))


def test_what_was_framed_is_read_back_in_order() -> None:
    assert read(log_of([b"a", b""], [b"bcd"])) == [b"a", b"", b"bcd"]


def test_every_truncation_of_the_last_write_leaves_exactly_what_was_before_it() -> None:
    before = log_of([b"first"], [b"second", b"third"])
    whole = before + frame(pieces([b"last one", b"of two"]), SALT)
    for length in range(len(before), len(whole)):
        file = io.BytesIO(whole[:length])
        found = recover(file)
        assert found.torn == length - len(before)
        assert list(read_records(file, found.end)) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("length", range(16))
def test_a_file_cut_within_its_header_holds_nothing(length: int) -> None:
    found = recover(io.BytesIO(file_header(SALT)[:length]))
    assert (found.salt, found.end, found.torn) == (None, 0, length)


def test_any_changed_octet_of_the_last_write_drops_that_write() -> None:
    before = log_of([b"first"])
    whole = before + frame(pieces([b"the last"]), SALT)
    for place in range(len(before), len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        assert read(bytes(changed)) == [b"first"]


def test_any_changed_octet_before_the_last_write_is_reported_as_damage() -> None:
    whole = log_of([b"first"], [b"second"], [b"third"])
    for place in range(16, len(log_of([b"first"], [b"second"]))):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        with pytest.raises(StoreError, match="damaged at octet"):
            recover(io.BytesIO(bytes(changed)))


def test_zeros_that_a_power_cut_left_at_the_end_are_cut_off() -> None:
    assert read(log_of([b"first"]) + bytes(4096)) == [b"first"]


def test_a_frame_of_another_log_inside_a_torn_record_is_not_taken_for_ours() -> None:
    foreign = frame(pieces([b"foreign"]), SALT + 1)
    torn = frame(pieces([b"x" * 10 + foreign + MARKER]), SALT)
    assert read(log_of([b"first"]) + bytes(16) + torn[16:]) == [b"first"]


@pytest.mark.parametrize("octets", [b"PK\x03\x04", b"{}" * 40, b"SASLOG1\n" + bytes(8)])
def test_a_file_that_is_no_log_is_refused(octets: bytes) -> None:
    with pytest.raises(StoreError, match="not a log"):
        recover(io.BytesIO(octets))


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), max_size=6), st.data())
def test_any_prefix_holds_a_whole_number_of_batches(batches: list[list[bytes]], data: st.DataObject) -> None:
    whole = log_of(*batches)
    length = data.draw(st.integers(16, len(whole)))
    prefixes = [[record for batch in batches[:count] for record in batch] for count in range(len(batches) + 1)]
    assert read(whole[:length]) in prefixes

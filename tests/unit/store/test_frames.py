"""The log's format and its recovery rules, on files in memory."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kernel.errors import StoreError
from sandbox.store.embedded.frames import (
    FILE_HEADER_SIZE,
    MARKER,
    file_header,
    frame,
    head_of,
    read_records,
    recover,
    salvage,
)

SALT = 0x5EED


def pieces(records: list[bytes]) -> list[bytes]:
    return [piece for record in records for piece in (head_of(record), record)]


def log_of(*batches: list[bytes]) -> bytes:
    return file_header(SALT) + b"".join(frame(pieces(batch), SALT) for batch in batches)


def read(octets: bytes) -> list[bytes]:
    file = io.BytesIO(octets)
    return list(read_records(file, recover(file)))


def test_what_was_framed_is_read_back_in_order() -> None:
    assert read(log_of([b"a", b""], [b"bcd"])) == [b"a", b"", b"bcd"]


def test_every_truncation_of_the_last_write_leaves_exactly_what_was_before_it() -> None:
    before = log_of([b"first"], [b"second", b"third"])
    whole = before + frame(pieces([b"last one", b"of two"]), SALT)
    for length in range(len(before), len(whole)):
        file = io.BytesIO(whole[:length])
        found = recover(file)
        assert found.torn == length - len(before)
        assert list(read_records(file, found)) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("length", range(FILE_HEADER_SIZE))
def test_a_file_emptied_or_cut_within_its_header_is_damaged(length: int) -> None:
    with pytest.raises(StoreError, match="is empty" if length == 0 else "header is damaged"):
        recover(io.BytesIO(file_header(SALT)[:length]))


def test_a_header_says_version_and_checkpoint() -> None:
    header = recover(io.BytesIO(file_header(SALT, 3, 1 << 40))).header
    assert (header.format, header.version, header.checkpoint) == (2, 3, 1 << 40)


@pytest.mark.parametrize("place", range(FILE_HEADER_SIZE))
def test_any_changed_octet_of_the_header_is_damage(place: int) -> None:
    changed = bytearray(log_of([b"first"]))
    changed[place] ^= 0x40
    with pytest.raises(StoreError, match="header is damaged"):
        recover(io.BytesIO(bytes(changed)))


def test_any_changed_octet_of_the_last_write_drops_that_write() -> None:
    before = log_of([b"first"])
    whole = before + frame(pieces([b"the last"]), SALT)
    for place in range(len(before), len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        assert read(bytes(changed)) == [b"first"]


def test_any_changed_octet_before_the_last_write_is_reported_as_damage() -> None:
    whole = log_of([b"first"], [b"second"], [b"third"])
    for place in range(FILE_HEADER_SIZE, len(log_of([b"first"], [b"second"]))):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        number = 1 if place < len(log_of([b"first"])) else 2
        with pytest.raises(StoreError, match=f"damaged: record {number}, at octet"):
            recover(io.BytesIO(bytes(changed)))


def test_a_changed_octet_of_the_last_write_of_a_closed_log_is_damage() -> None:
    whole = log_of([b"first"], [b"last", b"of two"], [])
    for place in range(len(log_of([b"first"])), len(whole) - len(frame([], SALT))):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        with pytest.raises(StoreError, match=r"damaged: record [23]"):
            recover(io.BytesIO(bytes(changed)))


def test_of_a_damaged_file_everything_else_can_be_kept() -> None:
    batches = ([b"first"], [b"second", b"third", b"fourth"], [b"fifth"])
    whole, records = log_of(*batches), [record for batch in batches for record in batch]
    for place in range(FILE_HEADER_SIZE, len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        pieces = list(salvage(io.BytesIO(bytes(changed))))
        kept = [piece.octets for piece in pieces if piece.octets is not None]
        assert kept == [record for record in records if record in kept]  # in order, none invented
        lost = [piece for piece in pieces if piece.octets is None]
        assert len(lost) == 1
        assert lost[0].at <= place < lost[0].at + lost[0].size
        assert b"first" in kept or place < len(log_of(batches[0]))
        assert b"fifth" in kept or place >= len(log_of(*batches[:2]))


def test_files_of_the_first_format_are_read() -> None:
    def first(*batches: list[bytes]) -> bytes:
        head = b"SASLOG1\n" + struct.pack("<I", SALT)
        bodies = (b"".join(struct.pack("<I", len(one)) + one for one in batch) for batch in batches)
        return head + struct.pack("<I", zlib.crc32(head)) + b"".join(frame([body], SALT) for body in bodies)

    file = io.BytesIO(first([b"a", b""], [b"bcd"]))
    found = recover(file)
    assert (found.header.format, found.header.version, found.torn) == (1, 0, 0)
    assert list(read_records(file, found)) == [b"a", b"", b"bcd"]
    changed = bytearray(first([b"a"], [b"bcd"], [b"e"]))
    changed[-20] ^= 0x40
    kept = [piece.octets for piece in salvage(io.BytesIO(bytes(changed)))]
    assert kept == [b"a", b"bcd", None]
    changed[len(first([b"a"])) + 20] ^= 0x40
    assert [piece.octets for piece in salvage(io.BytesIO(bytes(changed)))] == [b"a", None, None]


def test_zeros_that_a_power_cut_left_at_the_end_are_cut_off() -> None:
    assert read(log_of([b"first"]) + bytes(4096)) == [b"first"]


def test_a_frame_of_another_log_inside_a_torn_record_is_not_taken_for_ours() -> None:
    foreign = frame(pieces([b"foreign"]), SALT + 1)
    torn = frame(pieces([b"x" * 10 + foreign + MARKER]), SALT)
    assert read(log_of([b"first"]) + bytes(16) + torn[16:]) == [b"first"]


@pytest.mark.parametrize("octets", [b"PK\x03\x04", b"{}" * 40, b"SASLOG1\n" + bytes(8), b"SASLOG2\n" + bytes(20)])
def test_a_file_that_is_no_log_is_refused(octets: bytes) -> None:
    with pytest.raises(StoreError, match="not a log"):
        recover(io.BytesIO(octets))


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), max_size=6), st.data())
def test_any_prefix_holds_a_whole_number_of_batches(batches: list[list[bytes]], data: st.DataObject) -> None:
    whole = log_of(*batches)
    length = data.draw(st.integers(FILE_HEADER_SIZE, len(whole)))
    prefixes = [[record for batch in batches[:count] for record in batch] for count in range(len(batches) + 1)]
    assert read(whole[:length]) in prefixes

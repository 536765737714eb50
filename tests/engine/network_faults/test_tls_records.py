"""Where a stream of bytes is within its TLS records."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_engine.network_faults.tls_records import HEADER, RecordPosition, bytes_until_half


def record(length: int) -> bytes:
    """Return a TLS record with a body of so many bytes."""
    return b"\x17\x03\x03" + length.to_bytes(2, "big") + b"x" * length


LENGTHS = st.lists(st.integers(0, 40), max_size=8)


def split(data: bytes, places: list[int]) -> list[bytes]:
    """Return data in parts that begin at these places."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[since:until] for since, until in pairwise(bounds)]


PLACES = st.lists(st.integers(0, 1_000), max_size=8)


@given(LENGTHS, PLACES)
def test_whole_records_end_between_two_records_however_they_are_split(lengths: list[int], places: list[int]) -> None:
    position = RecordPosition()
    for part in split(b"".join(map(record, lengths)), places):
        position = position.after(part)
    assert position == RecordPosition()


@given(LENGTHS, st.integers(1, 200), st.data())
def test_a_place_within_a_record_is_found(lengths: list[int], length: int, data: st.DataObject) -> None:
    inside = data.draw(st.integers(1, HEADER + length - 1))
    position = RecordPosition().after(b"".join(map(record, lengths)) + record(length)[:inside])
    assert position.passed == inside and position.is_tls


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK", b"\x17\x02\x00", b"\x00", b"\x7f\x03\x03\x00\x01"])
def test_other_data_is_not_tls(data: bytes) -> None:
    assert not RecordPosition().after(data).is_tls
    assert not RecordPosition().after(data).after(record(3)).is_tls


@given(LENGTHS, st.integers(0, 60), PLACES)
def test_the_next_record_ends_in_its_middle(before: list[int], length: int, places: list[int]) -> None:
    sent, position = b"", RecordPosition().after(b"".join(map(record, before)))
    stream = record(length) + record(7) if length else record(7)
    for part in split(stream, places):
        size = bytes_until_half(position, part, len(sent))
        taken = part if size is None else part[:size]
        sent, position = sent + taken, position.after(taken)
        if size is not None:
            break
    assert sent == stream[: HEADER + (length or 7) // 2]
    assert bytes_until_half(position, stream[len(sent) :], len(sent)) == 0


@given(st.integers(1, 60), st.data())
def test_a_record_that_began_before_is_sent_to_its_end(length: int, data: st.DataObject) -> None:
    begun = data.draw(st.integers(1, HEADER + length - 1))
    position = RecordPosition().after(record(length)[:begun])
    rest = record(length)[begun:] + record(10)
    assert bytes_until_half(position, rest, 0) == HEADER + length - begun + HEADER + 5

"""Change detection of a recording from the timestamps of its file and write-ahead log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fuseboard_storage.recording.change_detector import SETTLE_NANOSECONDS, TRUST_SECONDS, ChangeDetector

NOON = 1_800_000_000_000_000_000
"""A fixed time, nanoseconds since 1970."""


class Looker:
    """A file, its log and a change detector, with clocks that the test moves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name(path.name + "-wal")
        self.now = NOON
        self.seconds = 0.0
        self.write(path, b"")
        self.detector = ChangeDetector(path, lambda: self.now, lambda: self.seconds)

    def write(self, path: Path, data: bytes, at: int = NOON) -> None:
        path.write_bytes(data)
        os.utime(path, ns=(at, at))

    def settle(self) -> None:
        self.now += SETTLE_NANOSECONDS + 1
        self.detector.unchanged()

    def unchanged(self) -> bool:
        return self.detector.unchanged()


@pytest.fixture
def looker(tmp_path: Path) -> Looker:
    return Looker(tmp_path / "a.db")


def test_an_unchanged_file_is_reported_as_unchanged(looker: Looker) -> None:
    assert not looker.unchanged()
    looker.settle()
    assert looker.unchanged()
    assert looker.unchanged()


def test_a_log_that_is_created_grows_or_is_rewritten_is_a_change(looker: Looker) -> None:
    for data, at in ((b"1", 1), (b"12", 1), (b"21", 2), (b"1", 2)):
        looker.settle()
        assert looker.unchanged()
        looker.write(looker.log, data, NOON + at)
        assert not looker.unchanged()
    looker.settle()
    looker.log.unlink()
    assert not looker.unchanged()


def test_a_write_to_the_file_itself_is_a_change(looker: Looker) -> None:
    looker.settle()
    assert looker.unchanged()
    looker.write(looker.path, b"", NOON + 1)
    assert not looker.unchanged()


def test_a_timestamp_that_a_later_write_could_still_share_is_not_trusted(looker: Looker) -> None:
    looker.settle()
    written = looker.now + 5
    looker.now = written + 5
    looker.write(looker.log, b"first", written)
    assert not looker.unchanged()
    looker.write(looker.log, b"again", written)  # as long, and within the same tick of the file's clock
    looker.now += SETTLE_NANOSECONDS
    assert not looker.unchanged()
    assert looker.unchanged()


def test_a_change_is_assumed_once_the_trusted_time_is_over(looker: Looker) -> None:
    looker.settle()
    assert looker.unchanged()
    looker.seconds += TRUST_SECONDS
    assert not looker.unchanged()
    assert looker.unchanged()


def test_a_deleted_file_can_be_unchanged_too(looker: Looker) -> None:
    looker.settle()
    looker.path.unlink()
    assert not looker.unchanged()
    looker.settle()
    assert looker.unchanged()

"""A reader of a file to which engines write reads to the end at its start, and does not follow the writers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_storage.board.board import Entry
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.tables import events
from support.fake_engine import FakeEngine, answered


async def test_a_board_is_read_to_the_end_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    async with record(FakeEngine(), path) as recorder:
        await recorder.flushed()
        async with Recording.open(path) as recording:
            connection = sqlite3.connect(path, isolation_level=None)
            real = Recording.slice

            async def slice(self: Recording, after: int, limit: int, to: int = 2**63 - 1) -> list[Entry]:
                events.insert(connection, 1, [answered("meanwhile")] * 10)
                return await real(self, after, 5, to)

            monkeypatch.setattr(Recording, "slice", slice)
            newest = await recording.last_seq()
            assert (await recording.board()).seq == newest
            newest = await recording.last_seq()
            assert (await recording.board_at(at=2**62)).seq == newest
            connection.close()

"""Damaged keyframes: an earlier one is used in their place."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path

import pytest

from fuseboard_storage.maintenance.forget import forget
from fuseboard_storage.recorder.restore import _board
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import transaction
from fuseboard_storage.tables import events, instances, keyframes
from fuseboard_storage.tables.keyframes import KeyframeMaker
from support.fake_engine import NOON, answered

HUGE = zlib.compress(b" " * (keyframes.MAX_BYTES + 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording of 600 tasks, with keyframes after 200, 400 and 600, whose first five events are gone."""
    file = tmp_path / "a.db"
    with contextlib.closing(schema.connect(file)) as connection:
        maker = KeyframeMaker(connection, every=200)
        for _ in range(3):
            with transaction(connection):
                instance = instances.register(connection, "shop", "h", NOON)
                events.insert(connection, instance, [answered()] * 200)
            maker.step()
        assert [seq for (seq,) in connection.execute("SELECT seq FROM keyframes")] == [200, 400, 600]
        with transaction(connection):
            connection.execute("DELETE FROM event_log WHERE seq <= 5")
    return file


def damage(path: Path, *numbers: int, board: bytes = b"\0") -> None:
    with contextlib.closing(schema.connect(path)) as connection, transaction(connection):
        for number in numbers:
            connection.execute("UPDATE keyframes SET board = ? WHERE seq = ?", (board, number))


@pytest.mark.parametrize(
    "board", [b"\0", b"", zlib.compress(b"{}"), HUGE], ids=["no data", "empty", "no Board", "huge"]
)
@pytest.mark.parametrize(("numbers", "tasks"), [((600,), 600), ((400, 600), 600), ((200, 400, 600), 595)])
async def test_an_earlier_keyframe_is_used_in_place_of_damaged_ones(
    numbers: tuple[int, ...], tasks: int, board: bytes, path: Path
) -> None:
    damage(path, *numbers, board=board)
    async with Recording.open(path) as recording:
        assert (await recording.board()).tasks == tasks
        assert (await recording.board_at(at=2**62)).tasks == tasks
    with contextlib.closing(schema.connect(path)) as connection:
        assert _board(connection).tasks == tasks
        maker = KeyframeMaker(connection)
        while maker.fold():
            pass
        assert maker.folded == 600


async def test_a_keyframe_with_an_impossible_number_is_ignored(path: Path) -> None:
    with contextlib.closing(schema.connect(path)) as connection, transaction(connection):
        sql = "INSERT INTO keyframes(seq, at, format, board) VALUES (?, ?, ?, ?)"
        connection.execute(sql, (-(2**63), 2**61, keyframes.FORMAT, b"\0"))
    async with Recording.open(path) as recording:
        assert (await recording.board()).tasks == 600
        assert (await recording.board_at(at=2**62)).tasks == 600


def test_traces_are_removed_beside_a_keyframe_that_unfolds_to_more_than_the_memory(path: Path) -> None:
    damage(path, 600, board=HUGE)
    forget(path, task=answered().task)
    with contextlib.closing(schema.connect(path)) as connection:
        assert not connection.execute("SELECT 1 FROM keyframes WHERE length(board) = ?", (len(HUGE),)).fetchone()

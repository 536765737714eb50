"""Dead letters in a recording: across restarts, crashes and several processes, and changed by operators."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_engine.dead_letters.letter import LetterSelection, StoreUnavailable
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.dead_letters.queue import DeadLetters
from fuseboard_storage.board.board import Board
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from fuseboard_storage.tables import keyframes
from support.letters import LEASE, NOON, ROOM, letter, settled
from support.paths import PROGRAMS
from support.waiting import PATIENCE, until, until_async


class Adapter:
    """An adapter that fails until it is mended."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.works = False

    async def __call__(self, task: Any) -> Any:
        self.calls.append(task)
        if not self.works:
            raise ConnectionError("refused")
        return "done"


def application(**policy: Any) -> tuple[Engine, DeadLetters, Adapter]:
    engine = Engine(
        "checkout",
        dead_letters=DeadLetterPolicy(**{"automatic_retry": False, "poll": 0.05, **policy}),
        retry=RetryPolicy(max_attempts=1),
        breaker=BreakerPolicy(failure_threshold=None),
    )
    adapter = Adapter()
    engine.add_adapter("prefect", adapter)
    assert engine.dead_letters is not None
    return engine, engine.dead_letters, adapter


async def test_DQ03_letters_and_their_clearing_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, _, _ = application()
    async with record(engine, path):
        result = await engine.execute_with_fallback({"task_type": "ai", "id": "t1", "question": "why"})
    engine, queue, adapter = application()
    async with record(engine, path):
        (kept,) = await queue.find()
        assert (kept.id, kept.error, kept.task) == (result.dead_letter, "refused", "t1")
        adapter.works = True
        assert (await queue.retry(kept.id)).success
        assert adapter.calls == [{"task_type": "ai", "id": "t1", "question": "why"}]
        assert await queue.purge() == 1
    engine, queue, _ = application()
    async with record(engine, path):
        figures = await queue.statistics()
        assert (figures.size, figures.totals["enqueued"], figures.totals["retry_success"]) == (0, 1, 1)


async def test_letters_due_when_an_engine_ended_are_retried_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, _, _ = application()
    async with record(engine, path):
        await engine.execute_with_fallback({})
    async with SqliteDeadLetters.open(path, reading=False) as store:
        assert await store.claim(1, "checkout", "crashed", 0, 1), "a worker took it and ended without a word"
    engine, queue, adapter = application(automatic_retry=True)
    adapter.works = True
    async with SqliteDeadLetters.open(path, reading=False) as store:
        await store._worker.write(lambda c: c.execute("UPDATE dead_letters SET due_at = 1"), 2)
    async with record(engine, path):

        async def succeeded() -> bool:
            return (await queue.statistics()).by_status["succeeded"] == 1

        await until_async(succeeded)


async def test_a_letter_is_announced_only_once_it_is_on_disk(tmp_path: Path) -> None:
    engine, queue, _ = application()
    async with record(engine, tmp_path / "a.db"):
        for number in range(20):
            id = await queue.enqueue({"n": number})
            other = sqlite3.connect(f"file:{tmp_path / 'a.db'}?mode=ro", uri=True)
            assert other.execute("SELECT count(*) FROM dead_letters WHERE id = ?", (id,)).fetchone() == (1,)
            other.close()


async def test_an_operator_retries_through_the_mailbox_and_gets_the_outcome(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, _, adapter = application()
    async with record(engine, path), Recording.open(path) as recording:
        for number in range(3):
            await engine.execute_with_fallback({"n": number})
        adapter.works = True
        id = await recording.ask("dlq_retry", actor="ann@web-1", args={"ids": [1, 3]})

        async def over() -> bool:
            return (await recording.command(id)).over

        await until_async(over)
        status = await recording.command(id)
        assert (status.status, status.detail) == ("done", "2 dead letters retried: 2 succeeded")
        board = await recording.board()
        assert {name: count for name, count in board.dead_letters.items() if count} == {"pending": 1, "succeeded": 2}
        assert board.actions[0].actor == "ann@web-1"


async def test_an_operators_changes_without_an_engine_are_recorded_with_the_actor(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, _, _ = application()
    async with record(engine, path):
        for _ in range(4):
            await engine.execute_with_fallback({})
    now = time.time_ns() // 1000
    async with SqliteDeadLetters.open(path, reading=False) as store:
        await store.change("archive", LetterSelection(ids=(1, 2)), now, "ann")
        await store.change("discard", LetterSelection(ids=(3,)), now, "bob")
        await store.purge(LetterSelection(statuses=("archived",)), now, "cat")
        await store.change("discard", LetterSelection(ids=(99,)), now, "dan")
    async with Recording.open(path) as recording:
        board = await recording.board()
    assert [(action.actor, action.verb, action.detail) for action in board.actions] == [
        ("cat", "dlq_purge", "2 dead letters purged"),
        ("bob", "dlq_discard", "1 dead letter discarded"),
        ("ann", "dlq_archive", "2 dead letters archived"),
    ]
    assert {name: count for name, count in board.dead_letters.items() if count} == {"pending": 1, "discarded": 1}


async def test_the_board_keeps_letter_counts_in_keyframes_and_recounts_when_an_engine_starts(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    engine, _, _ = application()
    async with record(engine, path), Recording.open(path) as recording:
        await engine.execute_with_fallback({})
        await recording.board()
    async with Recording.open(path) as recording:
        board = await recording.board()
    assert keyframes.load(keyframes.dump(board)).dead_letters == board.dead_letters
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM dead_letters")  # as a crash between two commits might leave it
    connection.commit()
    connection.close()
    engine, _, _ = application()

    async def counted() -> Board:
        async with Recording.open(path) as recording:
            return await recording.board()

    async with record(engine, path):

        async def right() -> bool:
            return not any((await counted()).dead_letters.values())

        await until_async(right)


def test_DQ12_the_file_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def use() -> list[int]:
        store = SqliteDeadLetters(path)
        await store.add(letter(), ROOM)
        modes = [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()]
        await store.close()
        return modes

    assert asyncio.run(use()) == [0o600] * 3


async def test_DQ11_a_locked_file_refuses_a_letter_and_accepts_the_next_once_unlocked(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "a.db", busy_timeout=0.05)
    await store.add(letter(), ROOM)
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked") as caught:
        await store.add(letter(), ROOM)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    other.execute("ROLLBACK")
    other.close()
    assert (await store.statistics(NOON)).size == 1
    await store.add(letter(), ROOM)
    await store.close()
    with pytest.raises(StoreUnavailable, match="is closed"):
        await store.add(letter(), ROOM)


async def test_a_file_that_replaced_the_recording_is_used_at_once(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "a.db")
    await store.add(letter(), ROOM)
    (tmp_path / "a.db").rename(tmp_path / "old.db")
    await store.add(letter("new"), ROOM)
    await store.close()
    async with SqliteDeadLetters.open(tmp_path / "a.db") as read:
        assert [one.task for one in await read.find(LetterSelection(), NOON)] == ["new"]


async def test_letters_left_in_a_moved_file_are_reported_and_retried_by_its_next_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, old = tmp_path / "a.db", tmp_path / "old.db"
    engine, queue, _ = application()
    async with record(engine, path) as recorder:
        for _ in range(3):
            await engine.execute_with_fallback({})
        await queue.discard(LetterSelection(ids=(3,)))
        await recorder.flushed()
        path.rename(old)
        await engine.execute_with_fallback({})
        await recorder.flushed()
        assert len(await queue.find()) == 1
    assert "2 active dead letters stay in the old one." in caplog.text
    engine, queue, adapter = application()
    adapter.works = True
    async with record(engine, old):
        assert [retried.outcome for retried in await queue.retry_many()] == ["succeeded", "succeeded"]


async def test_reading_a_recording_older_than_dead_letters_finds_none_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        patch.setattr(schema, "VERSION", 1)
        schema.connect(path).close()
    before = path.read_bytes()
    async with SqliteDeadLetters.open(path) as store:
        assert await store.find(LetterSelection(), NOON) == []
        assert (await store.statistics(NOON)).size == 0
    assert path.read_bytes() == before


async def test_a_retry_is_not_counted_as_another_task_on_the_board(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine, queue, adapter = application()
    async with record(engine, path):
        await engine.execute_with_fallback({})
        await queue.retry(1)
        adapter.works = True
        await queue.retry(1)
        await engine.execute_with_fallback({})
    async with Recording.open(path) as recording:
        board = await recording.board()
    assert (board.tasks, board.tasks_ok) == (2, 1)
    assert sum(second.routed for row in board.chain_rows.values() for second in row.seconds) == 2
    assert [(entry.event.letter, entry.event.success) for entry in board.routes] == [
        (None, True),
        (1, True),
        (1, False),
        (None, False),
    ]
    (row,) = board.rows()
    assert (row.calls, row.successes) == (4, 2), "its calls are calls of the adapter like any other"


async def test_an_expired_lease_is_shown_on_the_board(tmp_path: Path) -> None:
    store = SqliteDeadLetters(tmp_path / "a.db")
    await store.add(letter(), ROOM)
    await store.claim(1, "checkout", "silent", NOON, NOON + LEASE)
    await store.claim(1, "checkout", "next", NOON + LEASE, NOON + 2 * LEASE)
    assert await store.settle(1, "next", settled(), NOON + LEASE)
    await store.close()
    async with Recording.open(tmp_path / "a.db") as recording:
        (entry,) = await recording.entries()
    assert (entry.event.before, entry.event.status) == ("retrying", "pending")


# ------------------------------------------------------------------ processes


def fill(path: Path, count: int) -> None:
    async def put() -> None:
        store = SqliteDeadLetters(path)
        for number in range(count):
            await store.add(letter(f"t{number}", payload=str(number), at=1), ROOM)
        await store.close()

    asyncio.run(put())


def statuses(path: Path) -> Counter[str]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = Counter(status for (status,) in connection.execute("SELECT status FROM dead_letters"))
    connection.close()
    return found


def start(path: Path, calls: Path, seconds: float, lease: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "dead_letter_engine.py"), path, calls, str(seconds), str(lease)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def runs(calls: Path) -> list[tuple[str, str]]:
    """Return the task and the process of each call that was noted."""
    return [(task, pid) for task, pid in (line.split() for line in calls.read_text().splitlines())]


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_R21_two_processes_never_run_a_letter_twice(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    workers = [start(path, calls, 0.02, 30) for _ in range(2)]
    for rounds in itertools.count(1):
        fill(path, 60)
        until(lambda total=60 * rounds: statuses(path)["succeeded"] == total)
        if len({pid for _, pid in runs(calls)}) == 2:  # a busy machine may starve one of them for a while
            break
    for worker in workers:
        end(worker)
    assert sorted(int(task) for task, _ in runs(calls)) == sorted([*range(60)] * rounds)


def test_R20_a_letter_of_a_killed_process_is_retried_when_its_lease_ends(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    fill(path, 1)
    first = start(path, calls, 60, 0.5)
    until(lambda: calls.exists() and calls.read_text())
    first.kill()
    first.communicate(timeout=PATIENCE)
    assert statuses(path) == {"retrying": 1}
    second = start(path, calls, 0, 30)
    until(lambda: statuses(path)["succeeded"] == 1)
    end(second)
    assert len(calls.read_text().splitlines()) == 2


def test_R20_an_engine_that_closes_normally_leaves_no_leased_letter(tmp_path: Path) -> None:
    path, calls = tmp_path / "a.db", tmp_path / "calls"
    fill(path, 1)
    worker = start(path, calls, 60, 30)
    until(lambda: calls.exists() and calls.read_text())
    end(worker)
    assert statuses(path) == {"pending": 1}


ENTERING = """
import asyncio, itertools, sys
from fuseboard_engine import DeadLetterPolicy, Engine
from fuseboard_storage import record

async def main():
    engine = Engine("checkout", dead_letters=DeadLetterPolicy(automatic_retry=False))
    async with record(engine, sys.argv[1]):
        for number in itertools.count(1):
            print(await engine.dead_letters.enqueue({"n": number}), flush=True)

asyncio.run(main())
"""


def test_a_letter_whose_id_was_returned_survives_a_kill_of_its_process(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    process = subprocess.Popen([sys.executable, "-c", ENTERING, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    known = [process.stdout.readline() for _ in range(500)]
    process.kill()
    known += process.stdout.readlines()  # `communicate` would lose what has been read ahead
    process.wait(timeout=PATIENCE)
    numbers = [int(line) for line in known if line.endswith("\n")]
    assert numbers == list(range(1, len(numbers) + 1))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    kept = [id for (id,) in connection.execute("SELECT id FROM dead_letters ORDER BY id")]
    connection.close()
    assert kept[: len(numbers)] == numbers
    assert len(kept) <= len(numbers) + 1


SYNC = """
import asyncio, sys, threading
from fuseboard_engine import Engine, RetryPolicy
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_storage import record
policy = DeadLetterPolicy(lease=600, poll=0.05, first_retry="at_once")
engine = Engine("checkout", dead_letters=policy, retry=RetryPolicy(max_attempts=1))
calls, retried = [], threading.Event()
@engine.adapter("a")
async def adapter(task):
    calls.append(task)
    if len(calls) == 1:
        raise ConnectionError("down")
    retried.set()
    await asyncio.sleep(600)
with {contexts}:
    engine.sync.execute_with_fallback("it")
    retried.wait(60)
"""


@pytest.mark.parametrize(
    "contexts",
    [
        "record(engine, sys.argv[1]), engine.sync",
        "engine.sync, record(engine, sys.argv[1])",
        "record(engine, sys.argv[1])",
    ],
)
def test_R20_a_sync_application_that_exits_normally_leaves_no_leased_letter(tmp_path: Path, contexts: str) -> None:
    path = tmp_path / "a.db"
    program = [sys.executable, "-c", SYNC.replace("{contexts}", contexts), str(path)]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert statuses(path) == {"pending": 1}

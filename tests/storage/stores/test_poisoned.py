"""A dead letter or a run that ends its process again and again is set aside, not started for the fourth time."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from fuseboard_engine.dead_letters.letter import Capacity, NewLetter, RetryOutcome
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.fake_engine import NOON

RUNNER = """
import asyncio, os, sys
from fuseboard_engine import Engine, Workflow
from fuseboard_storage import record

async def crash(inputs):
    if "mended" not in sys.argv:
        print("started", flush=True)
        os._exit(9)

async def main():
    engine = Engine("app")
    workflow = Workflow("nightly")
    workflow.add_node("crash", crash)
    engine.add_workflow(workflow)
    async with record(engine, sys.argv[1]):
        if sys.argv[2] == "first":
            await workflow.execute({}, run="r1")
        elif sys.argv[2] == "by-hand":
            print((await workflow.execute(resume="r1")).state)
        else:
            print(sorted(await engine.resume_left(failed=sys.argv[2] == "failed")))

asyncio.run(main())
"""


def run(path: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", RUNNER, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr


async def due_letter(path: Path) -> tuple[SqliteDeadLetters, int]:
    store = SqliteDeadLetters(path)
    letter = NewLetter(
        engine="app", task="t", task_type="order", form="task", payload="{}", category="transient",
        created_at=NOON, due_at=NOON,
    )  # fmt: skip
    return store, (await store.add(letter, Capacity(10, evict=False)))[0]


async def die(store: SqliteDeadLetters, at: int) -> bool:
    """Claim the letter and let the lease expire; return whether there was one to claim."""
    return await store.claim_due("app", "worker", at, at + 1) is not None


async def test_a_letter_whose_lease_expired_three_times_in_a_row_is_exhausted_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, id = await due_letter(tmp_path / "a.db")
    assert [await die(store, NOON + at) for at in (0, 10, 20)] == [True, True, True]
    with caplog.at_level(logging.WARNING, "fuseboard.recorder"):
        assert not await die(store, NOON + 30)
    letter = await store.get(id, NOON + 30)
    assert letter is not None
    assert (letter.status, letter.retries) == ("exhausted", 0)
    assert letter.detail.startswith("poisoned: ")
    assert f"Dead letter {id} in a.db is set aside: poisoned" in caplog.text
    assert await store.claim(id, "app", "an operator's", NOON + 40, NOON + 50) is not None
    await store.close()


async def test_a_finished_retry_resets_the_count_of_expired_leases(tmp_path: Path) -> None:
    store, id = await due_letter(tmp_path / "a.db")
    assert await die(store, NOON)
    assert await die(store, NOON + 10)
    assert await store.claim_due("app", "w", NOON + 20, NOON + 30) is not None
    failed = RetryOutcome(
        outcome="failed", status="pending", due_at=NOON, retries=1, deferrals=0, max_retries=9, detail="it failed"
    )
    assert await store.settle(id, "w", failed, NOON + 21)
    assert [await die(store, NOON + at) for at in (30, 40, 50, 60)] == [True, True, True, False]
    await store.close()


async def test_a_run_that_ended_its_process_three_times_is_only_resumed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    starts = [await asyncio.to_thread(run, path, how) for how in ("first", "left", "left")]
    assert starts == ["started"] * 3
    assert await asyncio.to_thread(run, path, "left") == "[]"
    assert await asyncio.to_thread(run, path, "failed") == "[]"
    assert await asyncio.to_thread(run, path, "by-hand", "mended") == "done"

"""Dead letters and saved runs that a console reads beyond the Board."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from fuseboard_engine import DeadLetterPolicy, Engine, LetterSelection, RetryPolicy, Workflow
from fuseboard_engine.events import DeadLetterChanged, DeadLettered
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters


async def down(task: Any) -> Any:
    raise ConnectionError("refused")


async def fine(task: Any) -> Any:
    return {"rows": [1, 2, 3]}


async def letters(path: Path, count: int = 2) -> None:
    """Record some dead letters; the first fails a retry, the second is archived."""
    policy = DeadLetterPolicy(automatic_retry=False)
    engine = Engine("checkout", dead_letters=policy, retry=RetryPolicy(max_attempts=1))
    engine.add_adapter("prefect", down)
    async with record(engine, path):
        for number in range(count):
            await engine.execute_with_fallback({"task_type": "order", "n": number})
        assert engine.dead_letters is not None
        await engine.dead_letters.retry(1, actor="ana")
    async with SqliteDeadLetters.open(path, reading=False) as store:
        await store.change("archive", LetterSelection(ids=(2,)), 1, "bo")


async def test_the_history_of_a_letter_contains_its_origin_and_every_change_with_its_actor(tmp_path: Path) -> None:
    await letters(tmp_path / "a.db")
    async with Recording.open(tmp_path / "a.db") as recording:
        first = [entry.event for entry in await recording.letter_changes(1, 0)]
        second = [entry.event for entry in await recording.letter_changes(2, 0)]
    assert isinstance(first[0], DeadLettered)
    reported = [(event.status, event.actor) for event in first if isinstance(event, DeadLetterChanged)]
    assert reported == [("retrying", "ana"), ("pending", "ana")]
    reported = [(event.status, event.actor) for event in second if isinstance(event, DeadLetterChanged)]
    assert reported == [("archived", "bo")]


async def test_the_history_of_a_letter_does_not_search_events_before_its_creation(tmp_path: Path) -> None:
    await letters(tmp_path / "a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    (last,) = connection.execute("SELECT max(seq) FROM events").fetchone()
    connection.execute("INSERT INTO keyframes(seq, at, format, board) VALUES (?, 5, 1, x'')", (last,))
    connection.commit()
    connection.close()
    async with Recording.open(tmp_path / "a.db") as recording:
        assert await recording.letter_changes(1, 6) == []
        assert await recording.letter_changes(1, 5)


async def test_a_recording_says_whether_it_has_a_dead_letter_table(tmp_path: Path) -> None:
    await letters(tmp_path / "a.db")
    (tmp_path / "empty.db").touch()
    for name, has_table in (("a.db", True), ("empty.db", False)):
        async with SqliteDeadLetters.open(tmp_path / name) as store:
            assert await store.has_table() is has_table


async def test_the_board_says_when_dead_letters_need_to_be_read_again(tmp_path: Path) -> None:
    await letters(tmp_path / "a.db")
    async with Recording.open(tmp_path / "a.db") as recording:
        board = await recording.board()
        before = board.dead_letters_version
        await letters(tmp_path / "a.db", count=1)
        for entry in await recording.entries(board.seq):
            board.apply(entry)
    assert board.dead_letters_version > before


async def runs(path: Path, *names: str) -> None:
    engine = Engine("app", retry=RetryPolicy(max_attempts=1))
    workflow = Workflow("nightly")
    workflow.add_node("fetch", fine)
    workflow.add_node("store", down)
    workflow.connect("fetch", "store")
    engine.add_workflow(workflow)
    async with record(engine, path):
        for name in names:
            await workflow.execute({"large": "x" * 1_000}, run=name)


async def test_runs_are_read_without_known_ones_and_without_large_values(tmp_path: Path) -> None:
    await runs(tmp_path / "a.db", "n1", "n2", "n3")
    async with Recording.open(tmp_path / "a.db") as recording:
        others = await recording.workflow_runs(without=["n2"])
        slim = await recording.workflow_runs(results=False)
        whole = await recording.workflow_runs(run="n1")
    assert [run.run for run in others] == ["n3", "n1"]
    assert {run.input for run in slim} == {"null"}
    assert {node.result for run in slim for node in run.nodes.values()} == {"null"}
    assert [node.state for node in slim[0].nodes.values()] == ["done", "failed"]
    assert whole[0].nodes["fetch"].result == '{"rows":[1,2,3]}'
    assert "xxx" in whole[0].input

"""Nothing of a forgotten task or person is left in any file, and everything else is."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fuseboard_engine.events import (
    AttemptFailed,
    CommandDone,
    DeadLettered,
    Event,
    NodeChanged,
    RouteFinished,
    ScenarioStep,
    WorkflowStarted,
)
from fuseboard_storage.board.board import Board
from fuseboard_storage.maintenance.forget import Forgotten, forget
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.recording.salvage import check
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables.keyframes import KeyframeMaker
from support.command_line import end_engine, fuseboard, start_engine
from support.fake_engine import NOON, answered, failed, opened

TASK = "order-zebra-4711"
PERSON = "ann.smith@example.com"
OTHER = "order-4712"


def history() -> list[Event]:
    """Return events of a task of a person, of another task of hers, and of others; some texts mention them."""
    context = {"user": PERSON, "shop": "north"}
    own = failed(TASK, at=NOON + 1, error=f"no stock for {TASK}")
    route = replace(answered(TASK, at=NOON + 2), context=context)
    others: list[Event] = [answered(OTHER, at=NOON + 3), failed(OTHER, at=NOON + 4, error="refused"), opened()]
    mention = failed(OTHER, at=NOON + 5, error=f"waits for {TASK} of {PERSON}")
    return [
        replace(own, context=context),
        replace(own, at=NOON + 2, context=context),
        route,
        replace(answered("hers-too", at=NOON + 2), context=context, degraded=True),
        DeadLettered(at=NOON + 2, letter=1, task=TASK, task_type="ai", category="c", error=f"boom {TASK}"),
        *others,
        mention,
        replace(mention, at=NOON + 6),
        WorkflowStarted(at=NOON + 7, run=TASK, workflow="nightly", name="Nightly", nodes=("a",), edges=()),
        NodeChanged(at=NOON + 8, run=TASK, workflow="nightly", node="a", state="failed", error=f"of {PERSON}"),
        CommandDone(at=NOON + 9, command=1, verb="reset", actor="eve", ok=True, detail=f"after {TASK} of {PERSON}"),
    ]


def record(path: Path) -> Path:
    with closing(schema.connect(path)) as file:
        file.execute("BEGIN")
        file.execute(
            "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('shop', 'h', 7, ?, 0)", (NOON,)
        )
        file.execute(
            """INSERT INTO commands(verb, adapter, args, actor, requested_at, expires_at, status, detail)
            VALUES ('resume', '', ?, ?, 0, 0, 'done', '')""",
            (f'{{"run":"{TASK}"}}', PERSON),
        )
        file.execute(
            """INSERT INTO workflow_runs(id, workflow, name, steps, definition, input, started_at, state, changed_at,
            error, owner) VALUES (?, 'w', 'n', '[]', '{}', ?, 0, 'done', 0, '', '')""",
            (TASK, f'"{PERSON}"'),
        )
        file.execute(
            """INSERT INTO workflow_nodes(run, node, state, at, result, answered, attempts, duration, error)
            VALUES (?, 'a', 'done', 0, ?, 'gpt', 1, 1.0, '')""",
            (TASK, f'"{PERSON} {TASK}"'),
        )
        for task, context in ((TASK, f'{{"user":"{PERSON}"}}'), (OTHER, None)):
            file.execute(
                """INSERT INTO dead_letters(engine, category, task, task_type, form, payload, context, route, rule,
                error_type, error, adapter, attempts, max_retries, created_at, changed_at)
                VALUES ('shop', 'c', ?, 't', 'json', '{"a":1}', ?, '[]', '', 'E', 'e', 'gpt', 1, 3, 0, 0)""",
                (task, context),
            )
        rows.insert(file, 1, history())
        file.execute("COMMIT")
        maker = KeyframeMaker(file, every=3)
        while maker.step():
            pass
        file.execute("UPDATE event_log SET task = task")  # leaves old versions of rows behind
        rows.insert(file, 1, [replace(answered(TASK), task=f"{TASK}")])
        file.execute("DELETE FROM event_log WHERE seq = (SELECT max(seq) FROM event_log)")
    return path


def traces_in(folder: Path, *texts: str) -> list[str]:
    """Return where one of the texts is found in the bytes of the files of a folder, and in unpacked keyframes."""
    import zlib

    found = [
        f"{text} in {file.name}" for file in folder.iterdir() for text in texts if text.encode() in file.read_bytes()
    ]
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            for (data,) in connection.execute("SELECT board FROM keyframes"):
                found += [f"{text} in a keyframe" for text in texts if text.encode() in zlib.decompress(data)]
    return found


def board_of(path: Path) -> Board:
    async def read() -> Board:
        async with Recording.open(path) as recording:
            return await recording.board()

    return asyncio.run(read())


def test_every_trace_of_a_task_is_removed(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    before = board_of(path)
    assert traces_in(tmp_path, TASK)
    found = forget(path, task=TASK, actor="eve", now=NOON + 10**9)
    assert traces_in(tmp_path, TASK) == []
    assert (found.events, found.dead_letters, found.workflow_runs, found.wal_emptied) == (4, 1, 1, True)
    assert found.mentions >= 5
    assert check(path) == []
    after = board_of(path)
    for counter in ("tasks", "tasks_ok", "tasks_degraded", "tasks_failed_over"):
        assert getattr(after, counter) == getattr(before, counter)
    assert {key: (row.calls, row.failures) for key, row in after.adapters.items()} == {
        key: (row.calls, row.failures) for key, row in before.adapters.items()
    }


def test_everything_else_is_left(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    forget(path, task=TASK, now=NOON + 10**9)

    async def read() -> list[Any]:
        async with Recording.open(path) as recording:
            return [entry.event async for entry in recording.stream_events()]

    events = asyncio.run(read())
    assert [e for e in events if getattr(e, "task", "") == OTHER][:2] == [
        answered(OTHER, at=NOON + 3),
        failed(OTHER, at=NOON + 4),
    ]
    mentions = [e.attempt.error for e in events if isinstance(e, AttemptFailed) and e.at in (NOON + 5, NOON + 6)]
    assert mentions == [f"waits for [removed] of {PERSON}"] * 2
    routes = [e for e in events if isinstance(e, RouteFinished)]
    assert [(e.task, e.context is None, e.adapter) for e in routes] == [
        ("", True, "agno"), ("hers-too", False, "agno"), (OTHER, True, "agno"),
    ]  # fmt: skip
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT task FROM dead_letters").fetchall() == [(OTHER,)]


def test_every_trace_of_a_person_is_removed(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    found = forget(path, context=("user", PERSON), now=NOON + 10**9)
    assert traces_in(tmp_path, PERSON, "hers-too") == []
    assert found.events == 5
    assert found.dead_letters == found.workflow_runs == 1
    assert "north" not in repr([entry.event for entry in board_of(path).routes])


def test_events_whose_task_is_in_their_body_only_are_found(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE event_log SET task = NULL WHERE body LIKE '%dead_lettered%'")  # as earlier versions did
    assert forget(path, context=("user", PERSON), now=NOON + 10**9).events == 5
    assert traces_in(tmp_path, PERSON, TASK) == []


def test_another_value_or_key_is_not_touched(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    for context in (("user", "ann"), ("shop", PERSON), ("shop", "south")):
        assert forget(path, context=context, dry_run=True).events == 0
    assert forget(path, task="order-zebra", dry_run=True).total == 0
    assert traces_in(tmp_path, TASK, PERSON)


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    before = path.read_bytes()
    dry = forget(path, task=TASK, dry_run=True, now=NOON + 10**9)
    assert path.read_bytes() == before
    assert dry == forget(path, task=TASK, now=NOON + 10**9)


def test_a_dry_run_reads_only_while_an_engine_writes(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as engine:
        engine.execute("BEGIN IMMEDIATE")
        assert forget(path, task=TASK, dry_run=True, now=NOON + 10**9).total
        engine.execute("ROLLBACK")


def test_it_is_recorded_that_something_was_removed_but_not_what(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    forget(path, task=TASK, actor="eve@desk", now=NOON + 10**9)
    action = board_of(path).actions[0]
    assert (action.verb, action.actor, action.ok) == ("forget", "eve@desk", True)
    shown = fuseboard("events", path, "--kind", "command_done", "--limit", "1").stdout
    assert "eve@desk: forget: done" in shown
    assert forget(path, task=TASK, now=NOON + 10**9) == Forgotten()
    assert board_of(path).actions[0] == action


def test_an_engine_that_runs_writes_nothing_of_it_again(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    with closing(schema.connect(path)) as engine:
        maker = KeyframeMaker(engine, every=3)  # its Board holds the task
        forget(path, task=TASK, now=NOON)
        rows.insert(engine, 1, [answered(str(number), at=NOON + 20) for number in range(6)])
        while maker.step():
            pass
        assert engine.execute("SELECT max(seq) FROM keyframes").fetchone()[0] > 14
        assert traces_in(tmp_path, TASK) == []
    assert traces_in(tmp_path, TASK) == []


def test_a_value_that_is_also_the_name_of_an_adapter_leaves_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(schema.connect(path)) as file:
        rows.insert(
            file, 1, [replace(answered("t", adapter="agno"), context={"model": "agno"}), answered("u", adapter="agno")]
        )
    assert forget(path, context=("model", "agno")).events == 1
    assert {row.name for row in board_of(path).rows()} == {"agno"}
    assert [entry.event.task for entry in board_of(path).routes] == ["u", ""]  # type: ignore[attr-defined]


def test_a_value_that_is_also_a_task_type_leaves_the_chain_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(schema.connect(path)) as file:
        route = replace(answered("t"), task_type="chat")
        rows.insert(file, 1, [replace(route, context={"channel": "chat"}), replace(route, task="u")])
    assert forget(path, context=("user", "chat")).total == 0  # no task has it
    assert forget(path, context=("channel", "chat")).events == 1
    assert {task_type for _, task_type in board_of(path).chain_rows} == {"chat"}


@pytest.mark.parametrize("name", ["agno", "shop", "route_finished"])
def test_a_task_named_as_an_adapter_an_engine_or_a_kind_leaves_that_name(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / "a.db")
    context = {"user": "bob"}
    with closing(schema.connect(path)) as file:
        rows.insert(file, 1, [replace(answered(name), adapter="agno", context=context)])
        maker = KeyframeMaker(file, every=1)
        while maker.step():
            pass
    before = board_of(path)
    assert "agno" in {row.name for row in before.rows()}
    assert forget(path, task="agno" if name == "shop" else "shop").total == 0  # there is no such task
    assert forget(path, context=("user", "bob")).events == 1
    after = board_of(path)
    assert {row.name for row in after.rows()} == {row.name for row in before.rows()}
    assert {row.name for row in after.instances.values()} == {row.name for row in before.instances.values()}
    assert forget(path, task=name).total == 0
    assert traces_in(tmp_path, "[removed]") == []


@pytest.mark.parametrize("text", ['quote"back\\slash', "ünïcödé-名前", "line\nbreak", "x" * 500])
def test_ids_of_any_text_are_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.db"
    with closing(schema.connect(path)) as file:
        rows.insert(
            file,
            1,
            [answered(text), failed("t", error=f"see {text} there"), ScenarioStep(at=1, scenario="s", text=text)],
        )
    found = forget(path, task=text)
    assert (found.events, found.mentions) == (1, 2)
    assert text not in repr(list(board_of(path).routes))


def test_the_command_says_what_it_removed(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db")
    for name in ("a.db.damaged-1", "a.db.version-9.bak"):
        (tmp_path / name).write_text("")
    dry = fuseboard("db", "forget", path, "--task-id", TASK, "--dry-run")
    assert dry.stdout.startswith("Would remove its traces: 4 events, 1 dead letter, 1 workflow run, ")
    done = fuseboard("db", "forget", path, "--task-id", TASK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Removed its traces: 4 events, ")
    assert "a.db.damaged-1 was not changed. If it is a copy of the recording, repeat this for it.\n" in done.stdout
    assert "a.db.version-9.bak was not changed. It is the copy of an earlier version. Delete it when" in done.stdout
    assert fuseboard("db", "forget", path, "--task-id", TASK).stdout.startswith("a.db has no trace of it.")
    assert "is not KEY=VALUE" in fuseboard("db", "forget", path, "--context", "user").stderr
    assert fuseboard("db", "forget", path).returncode == 2


def test_an_engine_may_write_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = start_engine(path)
    try:
        done = fuseboard("db", "forget", path, "--task-id", TASK)
        assert done.returncode == 0, done.stderr
    finally:
        end_engine(engine)
    assert check(path) == []
    assert [entry.verb for entry in board_of(path).actions] == []

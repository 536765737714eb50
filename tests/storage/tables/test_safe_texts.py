"""Secrets in recordings of versions that did not hide them: hidden in whatever reads them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fuseboard_engine.events import Event
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables.safe_texts import FREE_TEXTS, with_safe_texts
from support.any_events import KINDS, event_with, events
from support.dead_letter_files import put
from support.fake_engine import FakeEngine, failed
from support.older_recordings import SECRET, WITH_SECRETS, unpack
from support.waiting import PATIENCE

KEY = "sk-Zq7RtY88pLmN3vKx"


@given(events(st.text("abc ,.", max_size=20)))
@settings(max_examples=100, deadline=None)
def test_an_event_without_secrets_is_returned_itself(event: Event) -> None:
    assert with_safe_texts(event) is event


@pytest.mark.parametrize("kind", KINDS)
def test_the_free_texts_of_every_event_are_hidden(kind: type[Event]) -> None:
    safe = with_safe_texts(event_with(kind, f"refused: {KEY}"))
    fields = json.loads(msgspec.json.encode(safe))
    parts = [fields, fields.get("attempt") or {}]
    parts += fields["attempts"] if isinstance(fields.get("attempts"), list) else []
    for part in parts:
        for name in FREE_TEXTS:
            assert KEY not in str(part.get(name))
    assert type(safe) is kind


def older_recording(path: Path) -> Path:
    """Return a recording whose texts hold a key, as a version without redaction wrote them."""

    async def fill() -> None:
        engine = FakeEngine()
        async with record(engine, path) as recorder:
            engine.emit(failed("t1"))
            for kind in KINDS:
                if kind.__name__ in ("DeadLettered", "NodeChanged", "StreamRestarted", "ListenerFailed"):
                    engine.emit(event_with(kind, "t"))
            await recorder.flushed()

    asyncio.run(fill())
    put(path, {"error": "SECRET"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('UPDATE event_log SET body = replace(body, \'"error":"\', \'"error":"key SECRET \')')
        connection.execute("UPDATE dead_letters SET detail = 'SECRET'")
        for table, column in (("event_log", "body"), ("dead_letters", "error"), ("dead_letters", "detail")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, 'SECRET', ?)", (KEY,))
        connection.execute("DELETE FROM keyframes")
        connection.commit()
    return path


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "--json"], ["events", "--json"], ["events"], ["dlq", "list"], ["dlq", "list", "--json"]],
    ids=" ".join,
)
def test_no_command_shows_a_key_of_an_older_recording(words: list[str], tmp_path: Path) -> None:
    path = older_recording(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as connection:
        assert KEY in str(connection.execute("SELECT group_concat(body) FROM events").fetchone())
    command = [sys.executable, "-m", "fuseboard_console", words[0], str(path), *words[1:]]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert shown.returncode in (0, 1), shown.stderr
    assert KEY not in shown.stdout + shown.stderr
    assert "[hidden]" in shown.stdout or words == ["status"]


async def test_boards_and_failures_of_an_older_recording_hide_the_key(tmp_path: Path) -> None:
    path = await asyncio.to_thread(older_recording, tmp_path / "a.db")
    async with Recording.open(path) as recording:
        board = await recording.board()
        (failure,) = await recording.failures(10)
    assert KEY not in str([row.last_error for row in board.rows()]) + str(failure.event)
    assert KEY not in str([row.attempt for row in board.failures])


@pytest.mark.parametrize("version", WITH_SECRETS)
async def test_no_free_text_of_an_older_version_holds_a_secret_once_it_is_read(version: int, tmp_path: Path) -> None:
    async with Recording.open(unpack(version, tmp_path, "secrets")) as recording:
        entries, commands = await recording.entries(limit=10_000), await recording.commands(100)
        runs, reasons = await recording.workflow_runs(100), await recording.end_reasons()
    assert len({type(entry.event) for entry in entries}) > 25
    for entry in entries:
        fields = json.loads(msgspec.json.encode(entry.event))
        for part in (fields, fields.get("attempt") or {}):
            assert SECRET not in str([part.get(name) for name in FREE_TEXTS])
    assert SECRET not in str([(status.detail, status.actor) for status in commands])
    assert SECRET not in str([(run.error, [node.error for node in run.nodes.values()]) for run in runs])
    assert SECRET not in str(reasons)


def test_a_keyframe_of_an_older_version_is_loaded_without_secrets_in_its_free_texts() -> None:
    board = Board()
    for seq, kind in enumerate(KINDS, 1):
        board.apply(Entry(seq, 1, replace(event_with(kind, f"refused: {KEY}"), at=seq)))
    (failure,) = board.failures
    assert KEY in failure.attempt.error
    loaded = keyframes.load(keyframes.dump(board))
    rows = [*loaded.adapters.values(), *(row for left in loaded.left.values() for row in left.values())]
    texts = [(r.last_error, r.reason, r.detail, r.actor, r.held, r.health_detail) for r in rows]
    parts = [*(row.attempt for row in loaded.failures), *loaded.actions, *loaded.batches, loaded.restarted]
    parts += [entry.event for entry in loaded.routes]
    shown = [msgspec.structs.asdict(part) for part in parts if part is not None]
    assert KEY not in str(texts)
    assert KEY not in str([[part.get(name) for name in FREE_TEXTS] for part in shown])
    assert KEY not in str(
        [(run.error, [node.error for node in run.nodes.values()]) for run in loaded.workflows.values()]
    )


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    with closing(schema.connect(tmp_path / "a.db")) as file:
        rows.insert(file, 1, [failed("a")])
        (row,) = file.execute(rows.SELECT).fetchall()
    assert rows.entry_of(None, row).event == failed("a")

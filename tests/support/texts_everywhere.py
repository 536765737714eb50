"""A recording that holds one text in every place for a text, as an older version or a damaged disk may have left it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from fuseboard_engine.events import (
    AdapterAdded,
    AttemptFailed,
    CommandDone,
    EngineStarted,
    Event,
    HealthChecked,
    NodeChanged,
    RouteFinished,
    StateChanged,
    WorkflowFinished,
)
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables.event_templates import row_shapes
from support.any_events import KINDS, event_with

_OFTEN_SHOWN = (EngineStarted, AdapterAdded, StateChanged, HealthChecked, AttemptFailed, RouteFinished, CommandDone)
_UNREADABLE = "CAST(x'ff1b5b33316dc29b' AS TEXT)"  # not UTF-8, with an escape sequence


def record_texts(path: Path, texts: Sequence[str], long: str = "") -> Path:
    """Write a recording with each of these texts in every column, event and field that can hold it.

    `long` is in every column too, but in few kinds of events.
    """
    with closing(schema.connect(path)) as file:
        for text in texts:
            _record(file, text, KINDS)
        if long:
            _record(file, long, _OFTEN_SHOWN)
        file.execute(f"UPDATE commands SET detail = {_UNREADABLE}, actor = {_UNREADABLE} WHERE id = 1")
        file.execute(f"UPDATE dead_letters SET error = {_UNREADABLE}, task = {_UNREADABLE} WHERE id = 1")
        first = "SELECT min(id) FROM workflow_runs"
        file.execute(f"UPDATE workflow_runs SET error = {_UNREADABLE} WHERE id = ({first})")
        file.commit()
    return path


def _record(file: sqlite3.Connection, text: str, kinds: Sequence[type[Event]]) -> None:
    now = wall_clock()
    instance = _insert(
        file, "instances", name=text, host=text, pid=2**22 + 1, started_at=now, heartbeat_at=now, ended_at=now
    )
    for kind in kinds:
        event = replace(event_with(kind, text), at=now)
        _insert_event(file, instance, event)
        if type(event) is RouteFinished:
            attempt = replace(event.attempts[0], outcome="failure")
            _insert_event(file, instance, replace(event, success=False, degraded=False, attempts=(attempt,)))
        if isinstance(event, StateChanged):
            _insert_event(file, instance, replace(event, after="open"))
        if isinstance(event, NodeChanged | WorkflowFinished):
            _insert_event(file, instance, replace(event, state="failed"))
    _insert(
        file, "metrics", resolution=1, at=now // 1_000_000 * 1_000_000, instance=instance, adapter=text, calls=3,
        successes=1, failures=2, timeouts=0, rejections=0, latency=text, first_item=text,
    )  # fmt: skip
    for status in ("done", "failed"):
        _insert(
            file, "commands", verb=text, adapter=text, args=text, actor=text, instance=instance, requested_at=now,
            expires_at=now, status=status, taken_by=instance, taken_at=now, done_at=now, detail=text,
        )  # fmt: skip
    for payload in (json.dumps({"prompt": text, text: text}, ensure_ascii=False), text):
        _insert(
            file, "dead_letters", engine=text, status="exhausted", category=text, task=text, task_type=text, form=text,
            payload=payload, context=json.dumps({text: text}), route=json.dumps([text]), rule=text, error_type=text,
            error=text, adapter=text, attempts=1, max_retries=1, created_at=now, changed_at=now, detail=text,
            actor=text,
        )  # fmt: skip
    _insert(
        file, "workflow_runs", id=text, workflow=text, name=text, steps=json.dumps([text]),
        definition=json.dumps({text: text}), input=json.dumps(text), started_at=now, state="failed", changed_at=now,
        error=text, owner=text,
    )  # fmt: skip
    _insert(
        file, "workflow_nodes", run=text, node=text, state="failed", at=now, result=text, answered=text, attempts=1,
        duration=1.0, error=text, chain=json.dumps([text]),
    )  # fmt: skip


def _insert_event(file: sqlite3.Connection, instance: int, event: Event) -> None:
    kind, fields = row_shapes[type(event)]
    at, adapter, task = fields(event)
    template = _insert(
        file, "event_templates", kind=kind, adapter=adapter or "", notable=1, digest=0, body=None, used=0
    )  # fmt: skip
    body = msgspec.json.encode(event).decode()
    _insert(file, "event_log", instance=instance, at=at, task=task, template=template, body=body)


def _insert(file: sqlite3.Connection, table: str, **values: Any) -> int:
    sql = f"INSERT INTO {table}({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    return int(file.execute(sql, tuple(values.values())).lastrowid or 0)

"""Writes recorded events as JSON Lines, CSV or Parquet, with a few thousand of them in memory at a time."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import IO, Any, Final, Literal, NamedTuple

import msgspec

from fuseboard_engine.error_text.redaction import escape_controls, hide_secrets, hide_secrets_in
from fuseboard_engine.errors import MissingExtra
from fuseboard_engine.events import Attempt, Event, RouteFinished, StateChanged
from fuseboard_storage.board.rows import Entry
from fuseboard_storage.recording.event_query import Kind, Moment
from fuseboard_storage.recording.recording import Recording

Format = Literal["jsonl", "csv", "parquet"]

_BATCH: Final = 5_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(enc_hook=repr).encode
_HIDDEN: Final = re.compile(
    r"[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that a terminal executes, reorders or does not show, and that JSON need not escape."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet may take for a formula, also in full width."""


class ExportedRow(NamedTuple):
    """The columns of CSV and Parquet. None where a kind of event has no such value."""

    seq: int
    time: int
    """UTC microseconds; a UTC time in the file."""
    instance: int
    engine: str | None
    """The name of the engine."""
    kind: str
    adapter: str | None
    task: str | None
    task_type: str | None
    outcome: str | None
    """Of a route `success` or `failure`, of an attempt its outcome, of a change of state the new state."""
    duration: float | None
    """Seconds."""
    error_type: str | None
    error: str | None
    event: str
    """The whole event as JSON; times in it are UTC microseconds, durations seconds."""


_TEXTS: Final = ("engine", "adapter", "task", "task_type", "error_type", "error")


async def export_events(
    path: str | os.PathLike[str],
    stream: IO[bytes],
    format: Format = "jsonl",
    *,
    kinds: Kind | Iterable[Kind] = (),
    adapter: str | None = None,
    task: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> int:
    """Write the events of a recording that match, oldest first, and return their number.

    JSON Lines have one event a line, as `fuseboard events --json` prints it. CSV and Parquet have the columns of
    `ExportedRow`. Secrets in names, ids, contexts and other texts are hidden. In JSON Lines and CSV, characters that a
    terminal executes or reorders are escaped.

    Args:
        path: The recording.
        stream: A binary stream, which need not be seekable.
        format: `jsonl`, `csv`, or `parquet`, which needs the extra `parquet`.
        kinds: Only events of these kinds, as for `Recording.events`.
        adapter: Only events of this adapter.
        task: Only events of the task with this id.
        since: Only events from this time on.
        until: Only events before this time.

    Raises:
        RecordingError: The recording cannot be read.
        MissingExtra: `pyarrow` is not installed.
        OSError: The stream does not accept what is written.
    """
    if format == "parquet":
        pyarrow()
    async with Recording.open(path) as recording:
        entries = recording.stream_events(kinds=kinds, adapter=adapter, task=task, since=since, until=until)
        async with aclosing(entries):
            if format == "jsonl":
                return await _write_lines(entries, stream)
            engines = {row.id: row.name for row in await recording.instances()}
            write = _write_csv if format == "csv" else _write_parquet
            return await write(_batches(entries, engines), stream)


def pyarrow() -> Any:
    """Return the library `pyarrow`.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise MissingExtra("Parquet needs pyarrow: pip install 'fuseboard[parquet]'.") from error


async def _write_lines(entries: AsyncIterator[Entry], stream: IO[bytes]) -> int:
    count = 0
    async for seq, instance, event in entries:
        stream.write(b'{"seq":%d,"instance":%d,%b\n' % (seq, instance, event_json(event).encode()[1:]))
        count += 1
    return count


def event_json(event: Event) -> str:
    """Return an event as JSON, without secrets, and with escapes for what a terminal executes, reorders or hides."""
    encoded = _encode(event)
    text = encoded.decode()
    if hide_secrets(text) != text:
        text = _encode(hide_secrets_in(msgspec.json.decode(encoded))).decode()
    return _HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


async def _batches(entries: AsyncIterator[Entry], engines: dict[int, str]) -> AsyncIterator[list[ExportedRow]]:
    batch: list[ExportedRow] = []
    async for entry in entries:
        batch.append(exported_row(entry, engines))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def exported_row(entry: Entry, engines: dict[int, str]) -> ExportedRow:
    """Return the row of an entry. `engines` are the names by instance."""
    event: Any = entry.event
    attempt: Attempt | None = getattr(event, "attempt", None)
    outcome: str | None
    if type(event) is RouteFinished:
        outcome = "success" if event.success else "failure"
    elif type(event) is StateChanged:
        outcome = event.after
    else:
        outcome = None if attempt is None else attempt.outcome
    row = ExportedRow(
        entry.seq,
        event.at,
        entry.instance,
        engines.get(entry.instance),
        str(event.__struct_config__.tag),
        _text(event, attempt, "adapter"),
        _text(event, None, "task"),
        _text(event, None, "task_type"),
        outcome,
        getattr(event if attempt is None else attempt, "duration", None),
        _text(event, attempt, "error_type"),
        _text(event, attempt, "error"),
        event_json(event),
    )
    hidden: dict[str, Any] = {name: hide_secrets(text) for name in _TEXTS if (text := getattr(row, name)) is not None}
    return row._replace(**hidden)


def _text(event: Any, attempt: Attempt | None, name: str) -> str | None:
    found = getattr(event, name, None) or getattr(attempt, name, None)
    return found if isinstance(found, str) and found else None


async def _write_csv(batches: AsyncIterator[Sequence[ExportedRow]], stream: IO[bytes]) -> int:
    count = 0
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(ExportedRow._fields)
    async for batch in batches:
        writer.writerows([_safe_cells(row) for row in batch])
        count += len(batch)
        stream.write(text.getvalue().encode("utf-8", "backslashreplace"))
        text.seek(0)
        text.truncate()
    stream.write(text.getvalue().encode())
    return count


def _safe_cells(row: ExportedRow) -> list[str | int | float | None]:
    """Return a row's cells: texts with escapes for what a terminal executes or reorders.

    A text that a spreadsheet may take for a formula begins with an apostrophe.
    """
    cells = [
        cell if not isinstance(cell, str) else _escaped(f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell)
        for cell in row
    ]
    cells[1] = _utc_time(row.time)
    return cells


def _escaped(text: str) -> str:
    """Return a text with escapes for what a terminal executes, reorders or does not show."""
    return escape_controls(_HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


def _utc_time(at: int) -> str:
    """Return a time (UTC microseconds) as `2026-01-31T03:12:05.000250Z`; the number if no calendar has it."""
    try:
        found = _EPOCH + timedelta(microseconds=at)
    except OverflowError:
        return str(at)
    return found.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _write_parquet(batches: AsyncIterator[Sequence[ExportedRow]], stream: IO[bytes]) -> int:
    arrow = pyarrow()
    parquet: Any = import_module("pyarrow.parquet")
    text, whole = arrow.string(), arrow.int64()
    types = {
        "seq": whole,
        "time": arrow.timestamp("us", tz="UTC"),
        "instance": whole,
        "duration": arrow.float64(),
    }
    schema = arrow.schema([(name, types.get(name, text)) for name in ExportedRow._fields])
    count = 0
    with parquet.ParquetWriter(arrow.PythonFile(stream, mode="w"), schema) as writer:
        async for batch in batches:
            cells = zip(zip(*batch, strict=True), schema.types, strict=True)
            columns = [arrow.array(column, type_) for column, type_ in cells]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
            count += len(batch)
    return count

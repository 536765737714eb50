"""Exports hold every event that matches, in formats that other programs read."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fuseboard_engine.error_text.redaction import escape_controls
from fuseboard_engine.errors import MissingExtra
from fuseboard_engine.events import Event, ScenarioStep
from fuseboard_storage.maintenance.export import ExportedRow, export_events
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from support.any_events import KINDS, event_with
from support.command_line import fuseboard
from support.fake_engine import NOON, answered, failed, opened

EVENTS: list[Event] = [replace(answered("a"), duration=0.25), failed("b", error="refused"), opened()]


def record(path: Path, events: list[Event]) -> Path:
    with closing(schema.connect(path)) as file:
        file.execute(
            "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('shop', 'h', 7, ?, ?)",
            (NOON, NOON),
        )
        rows.insert(file, 1, events)
    return path


def exported(path: Path, format: str, **filters: Any) -> bytes:
    stream = io.BytesIO()
    asyncio.run(export_events(path, stream, format, **filters))  # type: ignore[arg-type]
    return stream.getvalue()


def cells(path: Path, **filters: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(path, "csv", **filters).decode(), newline="")))


def test_json_lines_are_those_of_the_command_events(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db", [*EVENTS, *(event_with(kind, "ü\n") for kind in KINDS)])
    lines = [json.loads(line) for line in exported(path, "jsonl").splitlines()]
    kinds = [word for kind in KINDS for word in ("--kind", str(kind.__struct_config__.tag))]
    printed = fuseboard("events", path, "--json", "--limit", "0", *kinds).stdout.splitlines()
    assert lines == [json.loads(line) for line in printed]
    assert len(lines) == len(KINDS) + 3


def test_csv_has_a_column_for_each_field(tmp_path: Path) -> None:
    route, failure, change = cells(record(tmp_path / "a.db", EVENTS))
    assert tuple(route) == ExportedRow._fields
    assert [route[name] for name in ("seq", "engine", "kind", "adapter", "task", "outcome", "duration", "error")] == [
        "1", "shop", "route_finished", "agno", "a", "success", "0.25", "",
    ]  # fmt: skip
    assert route["time"] == "2027-01-15T08:00:00.000000Z"
    assert (failure["error_type"], failure["error"], failure["outcome"]) == ("ConnectError", "refused", "failure")
    assert (change["adapter"], change["outcome"]) == ("prefect", "open")
    assert json.loads(change["event"])["before"] == "closed"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d"])
def test_no_cell_is_a_formula_in_a_spreadsheet(tmp_path: Path, start: str) -> None:
    evil = f'{start}HYPERLINK("http://x","y")'
    event = failed(evil, error=evil)
    event = replace(event, task_type=evil, attempt=replace(event.attempt, adapter=evil, error_type=evil))
    (found,) = cells(record(tmp_path / "a.db", [event]))
    for name in ("task", "task_type", "adapter", "error", "error_type"):
        assert found[name] == escape_controls(f"'{evil}")


def test_only_what_matches_is_exported(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db", EVENTS)
    assert [row["kind"] for row in cells(path, kinds="state_changed")] == ["state_changed"]
    assert [row["task"] for row in cells(path, task="b")] == ["b"]
    assert cells(path, until=NOON) == []
    assert exported(path, "jsonl", until=NOON) == b""


def test_a_time_that_no_calendar_has_is_a_number(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db", [ScenarioStep(at=2**62, scenario="s", text="x")])
    assert cells(path)[0]["time"] == str(2**62)


def test_parquet_has_the_same_rows_with_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    events: list[Event] = [answered(str(number), at=NOON + number) for number in range(12_000)]
    path = record(tmp_path / "a.db", [*EVENTS, *events])
    table = parquet.read_table(io.BytesIO(exported(path, "parquet")))
    assert tuple(table.column_names) == ExportedRow._fields
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    found = table.to_pylist()
    assert len(found) == 12_003
    assert (found[1]["error"], found[1]["duration"], found[2]["error"]) == ("refused", 0.2, None)
    assert found[-1]["time"].timestamp() == pytest.approx((NOON + 11_999) / 1e6)
    assert parquet.read_table(io.BytesIO(exported(path, "parquet", task="none"))).num_rows == 0


def test_without_pyarrow_parquet_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fuseboard\[parquet\]'"):
        exported(record(tmp_path / "a.db", EVENTS), "parquet")


def test_the_command_writes_to_a_pipe_or_a_new_file(tmp_path: Path) -> None:
    path = record(tmp_path / "a.db", EVENTS)
    piped = fuseboard("db", "export", path, "--format", "csv", "--kind", "attempt_failed")
    assert piped.returncode == 0, piped.stderr
    assert len(piped.stdout.splitlines()) == 2
    target = tmp_path / "out.jsonl"
    assert fuseboard("db", "export", path, "--output", target).returncode == 0
    assert len(target.read_text().splitlines()) == 3
    assert target.stat().st_mode & 0o777 == 0o600
    assert "exists already" in fuseboard("db", "export", path, "--output", target).stderr
    assert "There is no event kind 'attempt_faild'" in fuseboard("db", "export", path, "--kind", "attempt_faild").stderr

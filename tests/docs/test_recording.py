"""The page of the recording names every column, and each of its queries gives the answer it promises."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from fuseboard_engine.events import AttemptFailed, CommandDone, RouteFinished
from fuseboard_storage.board.metrics import Spans, count
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import metrics
from support.paths import ROOT
from support.recorded_history import lived

PAGE = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
QUERIES = dict(re.findall(r"\n\n(\S[^\n]*):\n\n```sql\n(.*?)```", PAGE, re.DOTALL))
EVENTS = lived()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A recording with failures, outages, commands, dead letters and workflow runs."""
    path = tmp_path_factory.mktemp("recorded") / "a.db"
    end = EVENTS[-1].at
    spans: Spans = {}
    for event in EVENTS:
        count(spans, event)
    with closing(schema.connect(path)) as file:
        file.execute(
            "INSERT INTO instances(name, host, pid, started_at, heartbeat_at) VALUES ('shop', 'h', 7, ?, ?)",
            (EVENTS[0].at, end),
        )
        rows.insert(file, 1, EVENTS)
        metrics.add(file, 1, spans)
        file.execute(
            """INSERT INTO dead_letters(engine, category, task, task_type, form, payload, route, rule, error_type,
            error, adapter, attempts, max_retries, created_at, changed_at)
            VALUES ('shop', 'network', 't', 'ai', 'json', '{}', '[]', '', 'E', 'e', 'gpt', 1, 3, ?, ?)""",
            (end, end),
        )
        file.execute(
            """INSERT INTO workflow_runs(id, workflow, name, steps, definition, input, started_at, state, changed_at,
            error, owner) VALUES ('r1', 'nightly', 'n', '[]', '{}', '{}', ?, 'failed', ?, 'embed failed', '')""",
            (end, end),
        )
        file.execute(
            """INSERT INTO workflow_nodes(run, node, state, at, result, answered, attempts, duration, error)
            VALUES ('r1', 'embed', 'failed', ?, 'null', '', 3, 1.0, 'refused')""",
            (end,),
        )
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        reader.row_factory = sqlite3.Row
        yield reader


def answers(recorded: sqlite3.Connection, question: str, **changes: str) -> list[dict[str, Any]]:
    (sql,) = [sql for title, sql in QUERIES.items() if title.startswith(question)]
    for old, new in changes.items():
        sql = sql.replace(old, new)
    return [dict(row) for row in recorded.execute(sql)]


def hour(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:00:00")


def test_every_table_and_column_is_on_the_page(recorded: sqlite3.Connection) -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", columns))
        for name, columns in re.findall(r"^\| `(\w+)`(?: \(view\))? \| (.*) \|$", PAGE.split("### Columns")[1], re.M)
    }
    sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    for (table,) in recorded.execute(sql).fetchall():
        columns = {row[1] for row in recorded.execute(f"PRAGMA table_info({table})")}
        assert columns <= listed.get(table, set()), f"{table}: {columns - listed.get(table, set())}"


def test_there_are_at_least_ten_queries_and_all_give_rows(recorded: sqlite3.Connection) -> None:
    assert len(QUERIES) >= 10
    task = next(event.task for event in EVENTS if isinstance(event, RouteFinished))
    for title, sql in QUERIES.items():
        found = recorded.execute(sql.replace("the-id", task)).fetchall()
        assert found, title


def test_calls_failures_and_retries_per_adapter_and_hour(recorded: sqlite3.Connection) -> None:
    retries = Counter(
        (hour(e.at), e.attempt.adapter) for e in EVENTS if isinstance(e, AttemptFailed) and e.then == "retry"
    )
    found = answers(recorded, "Calls, failures and retries")
    assert {(row["hour"], row["adapter"]): row["retries"] for row in found if row["retries"]} == dict(retries)
    failures = Counter(
        e.attempt.adapter for e in EVENTS if isinstance(e, AttemptFailed) and e.attempt.outcome == "failure"
    )
    totals: Counter[str] = Counter()
    for row in found:
        totals[row["adapter"]] += row["failures"]
    assert +totals == failures


def test_the_longest_outages(recorded: sqlite3.Connection) -> None:
    found = answers(recorded, "The longest outages")
    assert [row["seconds"] for row in found] == sorted((row["seconds"] for row in found), reverse=True)
    assert all(row["seconds"] > 0 and row["reason"] for row in found)


def test_who_reset_what(recorded: sqlite3.Connection) -> None:
    done = [event for event in EVENTS if isinstance(event, CommandDone)]
    found = answers(recorded, "Who reset what")
    assert [(row["who"], row["what"], row["adapter"] or "", row["outcome"]) for row in found] == [
        (e.actor, e.verb, e.adapter, "done" if e.ok else "refused") for e in reversed(done)
    ]


def test_errors_tasks_and_routes(recorded: sqlite3.Connection) -> None:
    failures = [event for event in EVENTS if isinstance(event, AttemptFailed)]
    times = Counter((e.attempt.adapter, e.attempt.error_type, e.attempt.error) for e in failures)
    assert answers(recorded, "The most frequent errors")[0]["times"] == times.most_common(1)[0][1]
    routes = [event for event in EVENTS if isinstance(event, RouteFinished)]
    slowest = answers(recorded, "The slowest recorded routes")
    assert slowest[0]["seconds"] == pytest.approx(max(e.duration for e in routes), abs=1e-8)
    one = answers(recorded, "All about one task", **{"the-id": routes[0].task})
    assert len(one) == len([e for e in EVENTS if getattr(e, "task", None) == routes[0].task])
    stood_in = Counter(
        (e.attempts[0].adapter, e.adapter) for e in routes if e.success and e.adapter not in ("", e.attempts[0].adapter)
    )
    assert {(r["first"], r["answered"]): r["tasks"] for r in answers(recorded, "Which adapters stood in")} == stood_in


def test_rates_letters_and_runs(recorded: sqlite3.Connection) -> None:
    assert all(row["percent"] is None or 0 <= row["percent"] <= 100 for row in answers(recorded, "The success rate"))
    (letter,) = answers(recorded, "Dead letters that need attention")
    assert (letter["category"], letter["letters"]) == ("network", 1)
    (run,) = answers(recorded, "Workflow runs that failed")
    assert (run["id"], run["node"], run["error"]) == ("r1", "embed", "refused")


@pytest.mark.parametrize(
    "question", [title for title, sql in QUERIES.items() if " events " in sql or "event_log" in sql]
)
def test_a_query_by_kind_or_task_reads_no_other_events(recorded: sqlite3.Connection, question: str) -> None:
    plan = [row[3] for row in recorded.execute(f"EXPLAIN QUERY PLAN {QUERIES[question]}")]
    assert "SCAN e" not in plan, plan
    assert any("event_log_template" in line or "event_log_task" in line for line in plan), plan

"""The API's answers as plain values, built from the Board. Pure: uses neither sockets nor clocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import connection_of
from fuseboard_console.views.lists.status import status_json
from fuseboard_engine.error_text.text_limits import name_within_limit
from fuseboard_engine.events import AttemptFailed, RouteFinished
from fuseboard_storage.board.board import AdapterRow, Board, Entry
from fuseboard_storage.board.histogram import PER_DOUBLING, upper_bound
from fuseboard_storage.board.presence import presence

READY_SHARE = 0.5  # ready while more than this share of the adapters is healthy
CALLS = 50  # the last calls that a short history shows
MAX_TYPE = 200  # characters of an error's type
BOUNDS = range(-10 * PER_DOUBLING, 8 * PER_DOUBLING + 1, PER_DOUBLING)
"""The buckets whose upper bounds are exported: 2^-10 (about a millisecond), 2^-9, ... 2^8 seconds."""
TRANSITIONS = 20  # the last transitions that a short history shows
_PASSING = ("closed", "disabled", "metrics_only")


def readiness(board: Board, now: int) -> tuple[bool, dict[str, Any]]:
    """Return whether the application is ready, with the figures behind it. An unused adapter counts as healthy."""
    connection = connection_of(board, now).state
    gone = {instance.id for instance in board.instances.values() if presence(instance, now) != "live"}
    if len(gone) == len(board.instances):
        gone = set()  # none is live, so the last states count
    states = [row.state for row in board.rows() if row.key.instance not in gone]
    healthy = sum(state in _PASSING for state in states)
    ratio = healthy / len(states) if states else 0.0
    ready = connection == "live" and ratio > READY_SHARE
    return ready, {
        "ready": ready,
        "ratio": round(ratio, 4),
        "healthy_adapters": healthy,
        "total_adapters": len(states),
        "connection": connection,
    }


def system(board: Board, file: str, now: int) -> dict[str, Any]:
    """Return readiness, engines, tasks, and breakers by state."""
    status = status_json(board, file, now)
    adapters = status.pop("adapters")
    states: dict[str, int] = {}
    for adapter in adapters:
        states[adapter["state"]] = states.get(adapter["state"], 0) + 1
    return {**status, **readiness(board, now)[1], "connection": status["connection"], "breakers": states}


def history(board: Board, rows: list[AdapterRow], *, full: bool) -> dict[str, Any]:
    """Return one adapter's calls and transitions, oldest first: the last 50 and 20, or all that the Board keeps."""
    keys = {row.key for row in rows}
    calls = [
        {
            "at": event.at,
            "task": event.task,
            "outcome": attempt.outcome,
            "duration": attempt.duration,
            "error": attempt.error or None,
        }
        for entry in board.routes
        if isinstance(event := entry.event, RouteFinished)
        for attempt in reversed(event.attempts)
        if (entry.instance, attempt.adapter) in keys and attempt.outcome != "rejected"
    ]
    changes = sorted((at, state) for row in rows for at, state in row.changes)
    calls.reverse()
    return {
        "adapter": rows[0].name,
        "calls": calls if full else calls[-CALLS:],
        "transitions": [{"at": at, "state": state} for at, state in (changes if full else changes[-TRANSITIONS:])],
        "warning": f"this is all that is kept: {len(calls)} calls, {len(changes)} transitions" if full else None,
    }


def failure(entry: Entry) -> dict[str, Any]:
    """Return one failure: a failed attempt, or a probe that was too slow, which has nothing that follows."""
    event = entry.event
    assert isinstance(event, AttemptFailed)
    attempt = event.attempt
    return {
        "seq": entry.seq,
        "at": event.at,
        "task": event.task,
        "adapter": attempt.adapter,
        "rule": attempt.rule,
        "error_type": attempt.error_type,
        "error": attempt.error,
        "then": event.then if attempt.outcome != "success" else None,
    }


_TEXTS = ("error", "detail", "problem", "why", "payload", "context", "result", "input", "what", "text")
"""The fields that hold texts of errors, payloads of tasks, or what an operator typed."""


def without_texts(value: Any) -> Any:
    """Return an answer without texts of errors and payloads: None takes their place. The type of an error stays."""
    if isinstance(value, list | tuple):
        return [without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    shown = {name: None if name in _TEXTS else without_texts(item) for name, item in value.items()}
    for name in (
        "last_error",
        *(("reason",) if "pid" in shown or shown.get("kind") == "engine_stopped" else ()),
    ):  # an engine may end with an uncaught error
        text = shown.get(name)
        if isinstance(text, str):
            shown[name] = text.partition(": ")[0][:MAX_TYPE]
    return shown


def metrics(board: Board) -> str:
    """Return counters in the text format that Prometheus scrapes."""
    label = _Labels()
    lines = [
        "# TYPE fuseboard_calls_total counter",
        "# HELP fuseboard_calls_total Calls of an adapter by outcome; rejected calls were not made.",
    ]
    states = [
        "# TYPE fuseboard_breaker_open gauge",
        "# HELP fuseboard_breaker_open 1 while the breaker refuses calls.",
    ]
    opens = [
        "# TYPE fuseboard_breaker_opens_total counter",
        "# HELP fuseboard_breaker_opens_total How often a breaker opened.",
    ]
    overdue = [
        "# TYPE fuseboard_overdue_calls gauge",
        "# HELP fuseboard_overdue_calls Calls that go on although their time limit passed more than a second ago.",
    ]
    overdue_total = [
        "# TYPE fuseboard_overdue_calls_total counter",
        "# HELP fuseboard_overdue_calls_total Calls that went on for more than a second after their time limit.",
    ]
    durations = [
        "# TYPE fuseboard_attempt_duration_seconds histogram",
        "# HELP fuseboard_attempt_duration_seconds Durations of the calls of an adapter that the recording holds.",
    ]
    for engine, totals in board.totals().items():
        for name, total in totals.adapters.items():
            labels = f'engine="{label[engine]}",adapter="{label[name]}"'
            other = total.calls - total.successes - total.failed
            outcomes = (("success", total.successes), ("failure", total.failed), ("no_verdict", other))
            for outcome, count in (*outcomes, ("rejected", total.rejections)):
                lines.append(f'fuseboard_calls_total{{{labels},outcome="{outcome}"}} {count}')
            opens.append(f"fuseboard_breaker_opens_total{{{labels}}} {total.opens}")
            overdue_total.append(f"fuseboard_overdue_calls_total{{{labels}}} {total.overdue_total}")
            durations += _histogram("fuseboard_attempt_duration_seconds", labels, total.latency, total.duration)
    for row in board.rows():
        instance = board.instances.get(row.key.instance)
        engine = "" if instance is None else instance.name
        labels = f'engine="{label[engine]}",adapter="{label[row.name]}",instance="{row.key.instance}"'
        states.append(f"fuseboard_breaker_open{{{labels}}} {int(row.state not in _PASSING)}")
        overdue.append(f"fuseboard_overdue_calls{{{labels}}} {row.overdue}")
    batches = [
        "# TYPE fuseboard_batches_total counter",
        "# HELP fuseboard_batches_total Batches that ended.",
        f"fuseboard_batches_total {board.batches_ended}",
        "# TYPE fuseboard_partial_batches_total counter",
        "# HELP fuseboard_partial_batches_total Batches that were accepted although not every part succeeded.",
        f"fuseboard_partial_batches_total {board.batches_partial}",
    ]
    failed = board.tasks - board.tasks_ok - board.tasks_degraded
    tasks = [
        "# TYPE fuseboard_tasks_total counter",
        "# HELP fuseboard_tasks_total Tasks by outcome.",
        *(
            f'fuseboard_tasks_total{{outcome="{outcome}"}} {count}'
            for outcome, count in (("success", board.tasks_ok), ("degraded", board.tasks_degraded), ("failure", failed))
        ),
    ]
    failovers = [
        "# TYPE fuseboard_failovers_total counter",
        "# HELP fuseboard_failovers_total Tasks completed by another adapter than the first one tried.",
        f"fuseboard_failovers_total {board.tasks_failed_over}",
    ]
    return "\n".join([*lines, *durations, *states, *opens, *overdue, *overdue_total, *tasks, *failovers, *batches, ""])


def _histogram(name: str, labels: str, histogram: Mapping[int, int], seconds: float) -> list[str]:
    """Return the series of a histogram. Each bound is one of the Board's buckets, so the counts are exact."""
    lines: list[str] = []
    buckets, count, place = sorted(histogram), 0, 0
    for bound in BOUNDS:
        while place < len(buckets) and buckets[place] <= bound:
            count += histogram[buckets[place]]
            place += 1
        lines.append(f'{name}_bucket{{{labels},le="{upper_bound(bound)}"}} {count}')
    count += sum(histogram[bucket] for bucket in buckets[place:])
    return [
        *lines,
        f'{name}_bucket{{{labels},le="+Inf"}} {count}',
        f"{name}_sum{{{labels}}} {seconds}",
        f"{name}_count{{{labels}}} {count}",
    ]


class _Labels(dict[str, str]):
    """Maps names to labels: without secrets, escaped, and short enough for a store of metrics.

    Names that would get the same label, such as two that differ in a password only, get a number: a scrape with two
    equal series is refused as a whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self._taken: set[str] = set()

    def __missing__(self, name: str) -> str:
        shown = safe_text(name_within_limit(name)).replace("\\", "\\\\").replace('"', '\\"')
        label, number = shown, 1
        while label in self._taken:
            number += 1
            label = f"{shown} ({number})"
        self._taken.add(label)
        self[name] = label
        return label

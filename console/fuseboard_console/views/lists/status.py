"""The Board as a plain table and as JSON with a stable schema."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fuseboard_console.text.formatting import (
    SECOND,
    clock,
    latency,
    ordinal,
    percent,
    plural,
    rate,
    span,
    stamp,
    whole_span,
)
from fuseboard_console.text.glyphs import APPEARANCES, KILLED
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut, fit, width
from fuseboard_console.views.adapters.adapter_view import (
    AdapterView,
    condition_of,
    counted_until,
    down_seconds,
    make_view,
    stats_of,
)
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.engine_presence import connection_of, header_text
from fuseboard_console.views.lists.chains import ChainView, chain_views
from fuseboard_console.views.selection.ordering import order_of
from fuseboard_engine.events import BatchFinished, RecordingRestarted
from fuseboard_storage.board.board import AdapterRow, Board, InstanceRow
from fuseboard_storage.board.name_totals import EngineTotals
from fuseboard_storage.board.presence import killed, presence
from fuseboard_storage.board.workflow_runs import WorkflowRow

SCHEMA = "fuseboard.status/1"
"""The name of the JSON's shape. Fields may be added; none leaves or changes its meaning under this name."""

_COLOURS = {"bad": "1;31", "held": "1;35", "ready": "1;33", "warn": "33", "info": "34", "ok": "32"}


def troubled(board: Board, now: int) -> bool:
    """Return whether attention is needed: no engine is alive, or a breaker refuses calls."""
    if connection_of(board, now).state != "live":
        return True
    return any(
        condition_of(row, board.instances.get(row.key.instance), now) in ("open", "held", "ready", "silent")
        for row in board.rows()
    )


def views_of(board: Board, now: int) -> list[AdapterView]:
    """Return every adapter at `now` (UTC microseconds), the most severe first."""
    rows = [board.adapters[key] for key in order_of(board, now).keys]
    engines = [board.instances.get(row.key.instance) for row in rows]
    return [_view(row, engine, now) for row, engine in zip(rows, engines, strict=True)]


def _view(row: AdapterRow, engine: InstanceRow | None, now: int) -> AdapterView:
    """Return an adapter's row. Its last figures stay if its engine has ended for certain; else it may call on."""
    over = engine is not None and (engine.ended_at is not None or killed(engine))
    until = counted_until(row, engine, now) if over else now
    return make_view(row, engine, now, stats_of(row, until, 0), counted=True)


def status_text(board: Board, file: str, now: int, *, colour: bool) -> str:
    """Return the status as a table. `colour`: the output is a terminal. `NO_COLOR` turns colour off."""
    colour = colour and not os.environ.get("NO_COLOR")
    connection = connection_of(board, now)
    views = views_of(board, now)
    counts = Counter((view.condition, view.word) for view in views)
    states = ", ".join(
        f"{count:,} {word.lower()}{' with failures' if condition == 'counting' else ''}"
        for (condition, word), count in sorted(
            counts.items(), key=lambda one: (APPEARANCES[one[0][0]].severity, one[0][1])
        )
    )
    head = f"{safe_text(file, 200)}: {header_text(connection)[0]}"
    restarted = board.restarted
    note = [] if restarted is None else ["", _restarted_line(restarted)]
    if not counts:
        return f"{head}\n{'No adapter yet.' if board.instances else 'No engine has written to it yet.'}"
    head = f"{head}; {plural(sum(counts.values()), 'adapter')}: {states}"
    totals = board.totals()
    if opens := _opening_count(totals):
        head += f"; breakers opened {plural(opens, 'time')}"
    if overdue := sum(row.overdue for row in board.rows()):
        head += f"; {plural(overdue, 'overdue call')}"
    if board.batches_ended:
        head += f"; {board.batches_partial} of {plural(board.batches_ended, 'batch', 'batches')} accepted in part"
    titles: tuple[str, ...] = (
        "ADAPTER",
        "STATE",
        "CALLS/S",
        "OK %",
        "P50",
        "P95",
        "DOWN SINCE",
        "NEXT PROBE",
        "LAST ERROR",
    )
    rows = [(_cells(view, now), APPEARANCES[view.condition].style) for view in views]
    state = 1
    if len(board.instances) > 1:  # beside the name if two would look alike without it, else last
        state = 2 if engine_names(board).repeated else 1
        place = 1 if state == 2 else len(titles)
        titles = (*titles[:place], "ENGINE", *titles[place:])
        rows = [
            ((*cells[:place], view.engine, *cells[place:]), style)
            for (cells, style), view in zip(rows, views, strict=True)
        ]
    widths = [max(len(title), *(width(cells[place]) for cells, _ in rows)) for place, title in enumerate(titles)]
    rights = range(state + 1, state + 5)

    def line(cells: tuple[str, ...], style: str = "") -> str:
        shown = [fit(cell, widths[place], "right" if place in rights else "left") for place, cell in enumerate(cells)]
        if colour and style in _COLOURS:
            shown[state] = f"\x1b[{_COLOURS[style]}m{shown[state]}\x1b[0m"
        return "  ".join(shown).rstrip()

    chains = _chain_lines(board, now)
    return "\n".join(
        [head, "", line(titles), *(line(*row) for row in rows), *chains, *_total_lines(board, totals, now), *note]
    )


def _chain_lines(board: Board, now: int) -> list[str]:
    """Return a line for each chain after an empty one: how many tasks are answered, by which adapter, since when."""
    found = chain_views(board, now)
    if not found:
        return []
    rows = [("CHAIN", "ANSWERED", "BY")]
    for view in found:
        by = f"{view.answerer}, {ordinal(view.place)} of {view.of}" if view.answerer and view.place else view.answerer
        parts = [by or ("no task in the last minute" if view.condition == "idle" else "no adapter")]
        if view.since is not None:
            parts[0] += f" since {clock(view.since)} ({whole_span((view.now - view.since) / SECOND)})"
        parts += [f"{one.adapter} {one.why}" for one in view.unavailable]
        if view.degraded:
            parts.append(f"{percent(view.degraded)} % degraded")
        if view.letters:
            parts.append(f"{rate(view.letters)} dead letters/s")
        share = "-" if view.share is None else f"{percent(view.share)} %"
        rows.append((cut(view.name, 40), share, "; ".join(parts)))
    first = max(width(row[0]) for row in rows)
    return ["", *(f"{fit(name, first)}  {fit(share, 8, 'right')}  {text}" for name, share, text in rows)]


def _opening_count(totals: Mapping[str, EngineTotals]) -> int:
    """Return how often breakers opened, those of ended processes included."""
    return sum(total.opens for engine in totals.values() for total in engine.adapters.values())


def _running(board: Board, name: str, now: int) -> int:
    """Return how many processes of a name are alive."""
    return sum(row.name == name and presence(row, now) == "live" for row in board.instances.values())


def _total_lines(board: Board, by_name: Mapping[str, EngineTotals], now: int) -> list[str]:
    """Return the totals of each name that more than one process had, after an empty line."""
    lines = [""]
    for name, totals in by_name.items():
        if totals.started < 2:
            continue
        adapters = totals.adapters.values()
        calls, failed = sum(total.calls for total in adapters), sum(total.failed for total in adapters)
        processes = f"{_running(board, name, now):,} of {plural(totals.started, 'process', 'processes')} running"
        lines.append(
            f"{cut(safe_text(name, 60), 40)} in total: {processes}; {plural(totals.tasks, 'task')}, "
            f"{totals.answered:,} answered; {plural(calls, 'call')}, {failed:,} failed"
        )
    return lines if len(lines) > 1 else []


def _cells(view: AdapterView, now: int) -> tuple[str, ...]:
    word = view.word
    if view.condition == "counting":
        word += f" {view.failures}" + (f"/{view.threshold}" if view.threshold else "")
    elif view.condition == "probing" and view.needed:
        word += f" {view.probe_successes}/{view.needed}"
    elif view.condition in ("silent", "ended"):
        word += f", was {APPEARANCES[view.was].word}"
    coming, fault = "", ""
    if view.fault:
        fault = f"FAULT {view.fault}, {whole_span(view.fault_left)} left"
    if view.condition == "open" and view.wait:
        coming = f"in {span(view.left)}" + (f", {ordinal(view.openings)} time" if view.openings > 1 else "")
    elif view.condition == "ready":
        coming = "the next call probes"
    elif view.condition == "held":
        coming = f"held by {view.actor}" if view.actor else "held by hand"
    elif view.lost_at is not None and (view.condition == "ended" or view.word == KILLED):
        coming = f"as of {clock(view.lost_at)}"
    recent = view.stats.recent
    error = ""
    if view.last_error and view.condition != "closed":
        ago = f", {whole_span((now - view.last_failure) / SECOND)} ago" if view.last_failure else ""
        error = cut(view.last_error, 60) + ago
    dash = {"–": "-"}
    cells = (
        cut(view.name, 40),
        word,
        rate(view.stats.rate),
        percent(recent.success_rate),
        latency(recent.p50),
        latency(recent.p95),
        _down_since(view, now),
        "; ".join(filter(None, (coming, fault))),
        error,
    )
    return tuple(dash.get(cell, cell) for cell in cells)


def _down_since(view: AdapterView, now: int) -> str:
    """Return when an outage began: `01:43:21 (2 min)`."""
    if view.down_since is None:
        return ""
    return f"{clock(view.down_since)} ({whole_span(down_seconds(view, now))})"


def status_json(board: Board, file: str, now: int) -> dict[str, Any]:
    """Return the status as plain values. Times are UTC microseconds, durations seconds, shares 0..1."""
    connection = connection_of(board, now)
    return {
        "schema": SCHEMA,
        "file": file,
        "at": now,
        "connection": {
            "state": connection.state,
            "age": round(connection.age, 3),
            "since": connection.since or None,
        },
        "engines": engines_json(board, now),
        "tasks": {"routed": board.tasks, "answered": board.tasks_ok, "degraded": board.tasks_degraded},
        "batch_totals": {"ended": board.batches_ended, "accepted_in_part": board.batches_partial},
        "breaker_opens": _opening_count(board.totals()),
        "overdue_calls": sum(row.overdue for row in board.rows()),
        "totals": totals_json(board, now),
        "events_dropped": board.dropped,
        "recording_restarted": None
        if board.restarted is None
        else {
            "at": board.restarted.at,
            "why": board.restarted.why,
            "moved_to": board.restarted.moved_to or None,
            "dead_letters_left": board.restarted.letters,
        },
        "chains": chains_json(board, now),
        "adapters": adapters_json(board, now),
        "dead_letters": {status: count for status, count in board.dead_letters.items() if count},
        "workflows": [_workflow(run) for run in reversed(board.workflows.values())],
        "batches": [_batch(batch) for batch in board.batches],
    }


def engines_json(board: Board, now: int) -> list[dict[str, Any]]:
    """Return the engine instances as plain values."""
    return [
        {
            "instance": instance.id,
            "name": instance.name,
            "host": instance.host,
            "pid": instance.pid,
            "state": presence(instance, now),
            "started_at": instance.started_at,
            "heartbeat_at": instance.heartbeat_at,
            "ended_at": instance.ended_at,
            "reason": instance.reason or None,
            "gone": instance.gone,
        }
        for instance in board.instances.values()
    ]


def totals_json(board: Board, now: int) -> list[dict[str, Any]]:
    """Return the totals of each engine name over all its processes, as plain values."""
    return [_totals(board, name, totals, now) for name, totals in board.totals().items()]


def chains_json(board: Board, now: int) -> list[dict[str, Any]]:
    """Return the chains as plain values, the most severe first."""
    return [_chain(view) for view in chain_views(board, now)]


def adapters_json(board: Board, now: int) -> list[dict[str, Any]]:
    """Return the adapters as plain values, the most severe first."""
    return [_adapter(board, view) for view in views_of(board, now)]


def _totals(board: Board, name: str, totals: EngineTotals, now: int) -> dict[str, Any]:
    return {
        "engine": name,
        "processes_started": totals.started,
        "processes_running": _running(board, name, now),
        "tasks": {
            "routed": totals.tasks,
            "answered": totals.answered,
            "degraded": totals.degraded,
            "failed_over": totals.failed_over,
        },
        "adapters": [
            {
                "adapter": adapter,
                "calls": total.calls,
                "successes": total.successes,
                "failed": total.failed,
                "timeouts": total.timeouts,
                "retries": total.retries,
                "rejections": total.rejections,
                "breaker_opens": total.opens,
                "overdue_calls_total": total.overdue_total,
            }
            for adapter, total in totals.adapters.items()
        ],
    }


def _chain(view: ChainView) -> dict[str, Any]:
    engine, task_type = view.key
    return {
        "engine": engine,
        "task_type": task_type,
        "condition": view.condition,
        "answered": view.share,
        "degraded": view.degraded,
        "answered_by": view.answerer or None,
        "place": view.place,
        "length": view.of,
        "since": view.since,
        "unavailable": [{"adapter": one.adapter, "why": one.why} for one in view.unavailable],
        "dead_letters_per_second": view.letters,
    }


def _workflow(row: WorkflowRow) -> dict[str, Any]:
    return {
        "run": row.run,
        "workflow": row.workflow,
        "name": row.name,
        "instance": row.instance,
        "state": row.state,
        "started_at": row.started_at,
        "changed_at": row.changed_at,
        "resumed": row.resumed,
        "nodes": row.counts(),
        "error": row.error or None,
    }


def _batch(event: BatchFinished) -> dict[str, Any]:
    return {
        "batch": event.batch,
        "at": event.at,
        "parts": event.parts,
        "succeeded": event.succeeded,
        "degraded": event.degraded,
        "failed": event.failed,
        "needed": event.needed,
        "accepted": event.accepted,
        "rounds": event.rounds,
        "rolled_back": event.rolled_back,
        "duration": event.duration,
        "error": event.error or None,
    }


def _fault(row: AdapterRow) -> dict[str, Any]:
    return {
        "name": row.fault,
        "value": row.fault_value,
        "share": row.fault_share,
        "until": row.fault_until,
        "actor": row.fault_actor or None,
    }


def _adapter(board: Board, view: AdapterView) -> dict[str, Any]:
    row = board.adapters[view.key]
    recent = view.stats.recent
    return {
        "adapter": row.name,
        "instance": view.key.instance,
        "state": row.state,
        "condition": view.condition,
        "as_of": view.lost_at if view.condition == "ended" or view.word == KILLED else None,
        "since": row.since,
        "down_since": view.down_since,
        "reason": row.reason,
        "failures": row.failures,
        "failure_threshold": row.threshold,
        "openings": row.openings,
        "opens": row.opens,
        "retry_after": round(view.left, 3) if row.state == "open" and row.until is not None else None,
        "until": row.until,
        "probes_in_flight": row.probes_in_flight,
        "probe_successes": row.probe_successes,
        "probes_needed": row.needed,
        "calls_per_second": view.stats.rate,
        "last_minute": {
            "calls": recent.calls,
            "successes": recent.successes,
            "failures": recent.failures,
            "rejections": recent.rejections,
            "success_rate": recent.success_rate,
            "p50": recent.p50,
            "p95": recent.p95,
            "p99": recent.p99,
        },
        "calls": row.calls,
        "successes": row.successes,
        "failed": row.failed,
        "rejections": row.rejections,
        "last_error": row.last_error or None,
        "last_failure_at": row.last_failure,
        "tags": list(row.tags),
        "timeouts": row.timeouts,
        "retries": row.retries,
        "tasks_failed": row.tasks_failed,
        "threads_stuck": row.stuck,
        "overdue_calls": row.overdue,
        "overdue_calls_total": row.overdue_total,
        "trip_held": row.held or None,
        "fault": _fault(row) if view.fault else None,
        "health": {
            "status": row.health or None,
            "detail": row.health_detail or None,
            "since": row.health_at or None,
            "bad_checks_alerted": row.health_alert,
        },
    }


def _restarted_line(event: RecordingRestarted) -> str:
    from fuseboard_console.views.events.sentences import event_sentence  # rarely needed, and a tenth of a cold start

    return f"{stamp(event.at)}: {event_sentence(event)}."

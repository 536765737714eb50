"""One failure in full: its error, its context, and what the router did next."""

from __future__ import annotations

from fuseboard_console.text.formatting import SECOND, clock, latency, plural, whole_span
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.events.copy_text import FULL_TEXT
from fuseboard_storage.board.board import FailureRow

_THEN = {
    "retry": "retried on this adapter",
    "failover": "failed over to the next adapter",
    "stop": "stopped: no adapter was left to try",
}


def failure_detail(row: FailureRow, now: int, cells: int, engine: str = "") -> list[Line]:
    """Return the lines about a group of equal failures, as of `now` (UTC microseconds).

    `engine` is the adapter's engine as safe text; empty if only one engine has an adapter of this name.
    """
    attempt = row.attempt
    if row.slow_probe:
        return _slow_probe_detail(row, now, cells, engine)
    rows: list[tuple[str, str, str]] = [
        ("error", safe_text(attempt.error_type, FULL_TEXT) or "of unknown type", "bad"),
        ("", safe_text(attempt.error, FULL_TEXT), "text"),
        ("when", _when(row, now), "text"),
        ("adapter", safe_text(row.key.adapter, FULL_TEXT), "text"),
        *([("engine", engine, "text")] if engine else []),
        ("task", f"{safe_text(row.task, FULL_TEXT)}  {safe_text(row.task_type, FULL_TEXT)}", "text"),
        ("attempt", f"no. {attempt.number} of its route, took {latency(attempt.duration)}", "text"),
        ("rule", safe_text(attempt.rule, FULL_TEXT), "text"),
        ("why", safe_text(attempt.why, FULL_TEXT), "text"),
        ("then", _THEN.get(row.then, safe_text(row.then, 200)), "text"),
    ]
    if attempt.wait:
        rows.append(("waited", f"{latency(attempt.wait)} before the attempt", "text"))
    if attempt.retry_after is not None:
        rows.append(("asked for", f"a pause of {latency(attempt.retry_after)}", "text"))
    if attempt.failures:
        rows.append(("counted", f"{plural(attempt.failures, 'failure')} towards the threshold", "text"))
    rows += [(safe_text(name, 11), safe_text(value, FULL_TEXT), "text") for name, value in (row.context or {}).items()]
    return [line for label, text, style in rows for line in labelled(label, text, cells, style)]


def _when(row: FailureRow, now: int) -> str:
    when = f"{clock(row.at)}, {whole_span(max(0, now - row.at) / SECOND)} ago"
    return when if row.count == 1 else f"{when}; {row.count:,} times since {clock(row.first_at)}"


def _slow_probe_detail(row: FailureRow, now: int, cells: int, engine: str) -> list[Line]:
    """Return the lines about probes that succeeded too slowly."""
    rows = [
        ("slow probe", safe_text(row.attempt.error, FULL_TEXT), "bad"),
        ("when", _when(row, now), "text"),
        ("adapter", safe_text(row.key.adapter, FULL_TEXT), "text"),
        *([("engine", engine, "text")] if engine else []),
        ("then", "its task was answered, but a slow probe does not close the breaker", "text"),
    ]
    return [line for label, text, style in rows for line in labelled(label, text, cells, style)]

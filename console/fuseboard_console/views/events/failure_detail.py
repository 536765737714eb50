"""One failure in full: the whole error, its context, and what was decided."""

from __future__ import annotations

from fuseboard_console.text.formatting import SECOND, clock, latency, plural, whole
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.events.copy_text import WHOLE
from fuseboard_storage.board.board import FailureRow

_THEN = {
    "retry": "tried again here",
    "failover": "went on to the next adapter",
    "stop": "given up: nothing was left to try",
}


def failure_detail(row: FailureRow, now: int, cells: int) -> list[Line]:
    """Return the lines about failures that say the same, as of `now` (UTC microseconds)."""
    attempt = row.attempt
    when = f"{clock(row.at)}, {whole(max(0, now - row.at) / SECOND)} ago"
    if row.count > 1:
        when += f"; {row.count:,} times since {clock(row.first_at)}"
    said: list[tuple[str, str, str]] = [
        ("error", safe_text(attempt.error_type, WHOLE) or "without a type", "bad"),
        ("", safe_text(attempt.error, WHOLE), "text"),
        ("when", when, "text"),
        ("adapter", safe_text(row.key.adapter, WHOLE), "text"),
        ("task", f"{safe_text(row.task, WHOLE)}  {safe_text(row.task_type, WHOLE)}", "text"),
        ("attempt", f"{attempt.number} of its route, {latency(attempt.duration)} long", "text"),
        ("rule", safe_text(attempt.rule, WHOLE), "text"),
        ("why", safe_text(attempt.why, WHOLE), "text"),
        ("then", _THEN.get(row.then, safe_text(row.then, 200)), "text"),
    ]
    if attempt.wait:
        said.append(("waited", f"{latency(attempt.wait)} before it", "text"))
    if attempt.retry_after is not None:
        said.append(("asked for", f"{latency(attempt.retry_after)} without calls", "text"))
    if attempt.failures:
        said.append(("counted", f"{plural(attempt.failures, 'failure')} towards the threshold then", "text"))
    said += [(safe_text(name, 11), safe_text(value, WHOLE), "text") for name, value in (row.context or {}).items()]
    return [line for label, text, style in said for line in labelled(label, text, cells, style)]

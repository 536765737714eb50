"""Dead letters as plain text and as JSON with a stable schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fuseboard_console.text.formatting import SECOND, plural, span
from fuseboard_console.text.safe_text import escaped_text, safe_text
from fuseboard_console.text.width import cut, fit, width
from fuseboard_console.views.events.dead_letter_labels import error_text, next_retry
from fuseboard_engine.dead_letters.letter import DeadLetter, DeadLetterStatistics, fields_of
from fuseboard_engine.error_text.redaction import hide_secrets

SCHEMA = "fuseboard.dead_letters/1"
"""The name of the JSON's shape. Fields may be added; none leaves or changes its meaning under this name."""

TITLES = ("ID", "STATUS", "TYPE", "CATEGORY", "RETRIES", "AGE", "NEXT RETRY", "ERROR")
RIGHT = (0, 4, 5)
MAX_ERROR_CELLS = 60  # cells of an error, or a task type, in the table

MAX_TEXT = 10_000
"""Characters of an error or a payload that are shown; an engine keeps at most 8,000 bytes of an error."""


def dead_letters_json(dead_letters: Sequence[DeadLetter], figures: DeadLetterStatistics, file: str) -> dict[str, Any]:
    """Return dead letters and counts as plain values. Times are UTC microseconds."""
    return {
        "schema": SCHEMA,
        "file": file,
        "counts": figures.by_status,
        "categories": figures.by_category,
        "totals": figures.totals,
        "letters": [fields_of(dead_letter) for dead_letter in dead_letters],
    }


def summary(figures: DeadLetterStatistics) -> str:
    """Return `3 pending, 1 exhausted`."""
    return ", ".join(f"{count:,} {status}" for status, count in figures.by_status.items() if count)


def dead_letters_text(dead_letters: Sequence[DeadLetter], figures: DeadLetterStatistics, file: str, now: int) -> str:
    """Return dead letters as a table. `now` is UTC microseconds."""
    name = safe_text(file, 200)
    if not figures.size:
        return f"{name}: no dead letters."
    head = f"{name}: {plural(figures.size, 'dead letter')}: {summary(figures)}"
    if not dead_letters:
        return f"{head}\n\nNone of them matches."
    rows = [_cells(dead_letter, now) for dead_letter in dead_letters]
    widths = [max(width(title), *(width(row[place]) for row in rows)) for place, title in enumerate(TITLES)]
    lines = [
        "  ".join(
            fit(cell, widths[place], "right" if place in RIGHT else "left") for place, cell in enumerate(cells)
        ).rstrip()
        for cells in (TITLES, *rows)
    ]
    more = figures.size > len(dead_letters)
    return "\n".join([head, "", *lines, *(["", "`--status`, `--text` and `--limit` show others."] if more else [])])


def _cells(dead_letter: DeadLetter, now: int) -> tuple[str, ...]:
    return (
        str(dead_letter.id),
        dead_letter.status,
        cut(safe_text(dead_letter.task_type, 80), 24) or "–",
        dead_letter.category,
        f"{dead_letter.retries}/{dead_letter.max_retries}",
        span((now - dead_letter.created_at) / SECOND),
        next_retry(dead_letter, now) or "–",
        cut(safe_text(error_text(dead_letter), 200), MAX_ERROR_CELLS),
    )


def dead_letter_text(dead_letter: DeadLetter, now: int) -> str:
    """Return one dead letter in full."""
    facts = [
        ("task", safe_text(dead_letter.task, 200) or "–"),
        ("type", safe_text(dead_letter.task_type, 200) or "–"),
        ("engine", safe_text(dead_letter.engine, 200)),
        (
            "category",
            dead_letter.category
            + (f" (attribution row {safe_text(dead_letter.rule, 80)})" if dead_letter.rule else ""),
        ),
        ("error", _whole(hide_secrets(error_text(dead_letter))) or "–"),
        ("adapter", safe_text(dead_letter.adapter, 200) or "–"),
        ("attempts", f"{dead_letter.attempts} before it was given up"),
        ("chain", " → ".join(safe_text(name, 80) for name in dead_letter.order) or "that of its type"),
        ("retries", f"{dead_letter.retries} of {dead_letter.max_retries} failed" + _deferrals(dead_letter)),
        ("next retry", next_retry(dead_letter, now) or "–"),
        ("age", span((now - dead_letter.created_at) / SECOND)),
        ("last change", _change(dead_letter, now)),
        (
            "context",
            ", ".join(f"{escaped_text(k, 80)}={escaped_text(v, 200)}" for k, v in (dead_letter.context or {}).items()),
        ),
        ("payload", _whole(dead_letter.payload)),
    ]
    lines = [f"  {name:<12} {value}".rstrip() for name, value in facts if value]
    return "\n".join([f"dead letter {dead_letter.id}: {dead_letter.status}", *lines])


def _whole(text: str) -> str:
    """Return a text with escapes; one that is too long for a terminal says how long it is and how to see all of it."""
    shown = escaped_text(text, MAX_TEXT)
    return shown if len(text) <= MAX_TEXT else f"{shown} ({len(text):,} characters; --json prints all)"


def _deferrals(dead_letter: DeadLetter) -> str:
    return f"; deferred {dead_letter.deferrals}× because every adapter refused it" if dead_letter.deferrals else ""


def _change(dead_letter: DeadLetter, now: int) -> str:
    ago = f"{span((now - dead_letter.changed_at) / SECOND)} ago"
    by = f" by {safe_text(dead_letter.actor, 80)}" if dead_letter.actor else ""
    return f"{ago}{by}{': ' if dead_letter.detail else ''}{safe_text(dead_letter.detail, 300)}"


def numbers(ids: Sequence[int]) -> str:
    """Return `4, 5, 6 and 12 more`."""
    shown = ", ".join(map(str, ids[:20]))
    return f"{shown} and {len(ids) - 20:,} more" if len(ids) > 20 else shown

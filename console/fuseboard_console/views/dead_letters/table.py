"""Dead letters as lines: the list, and one in full with its history."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.text.formatting import SECOND, clock, plural, span, stamp, whole_span
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.json_lines import json_lines
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.list_columns import ListColumn, columns_line
from fuseboard_console.text.safe_text import escaped_text, safe_text
from fuseboard_console.text.width import fit, fold, width
from fuseboard_console.views.events.copy_text import FULL_TEXT
from fuseboard_console.views.events.dead_letter_labels import error_text, next_retry, status_at
from fuseboard_engine.dead_letters.letter import ACTIVE, STATUSES, DeadLetter, Status
from fuseboard_engine.events import DeadLetterChanged, DeadLettered
from fuseboard_storage.board.board import Entry

NARROW = 100
"""Cells of a line below which an error's type goes without its redundant ending."""
CHOICES: tuple[tuple[Status, ...], ...] = (ACTIVE, *((status,) for status in STATUSES), ())
"""The choices of `f`: letters that need attention, each status, all."""

STYLES: dict[Status, str] = {
    "pending": "warn",
    "retrying": "info",
    "exhausted": "bad",
    "succeeded": "ok",
    "archived": "muted",
    "discarded": "faint",
}
"""The style of each status."""


_POLICY = "An engine keeps those that no adapter could do if it has a dead letter policy."


def sign_of(status: Status, glyphs: Glyphs) -> str:
    """Return the sign of a status."""
    return {
        "pending": glyphs.of("ready"),
        "retrying": glyphs.of("probing"),
        "exhausted": glyphs.dead,
        "succeeded": glyphs.answered,
        "archived": glyphs.of("disabled"),
        "discarded": glyphs.failed,
    }[status]


def status_choice_word(choice: Sequence[Status]) -> str:
    """Return a word for the statuses that are shown."""
    return "unfinished" if choice == ACTIVE else " ".join(choice) or "all"


def empty_list_text(choice: Sequence[Status], key: str, lost: int = 0) -> str:
    """Return the text of an empty list. `key` shows other statuses.

    `lost` tasks of the last two minutes had no answer and did not become dead letters.
    """
    if choice == ACTIVE or not choice:
        if lost:
            told = f"{plural(lost, 'task')} of the last two minutes had no answer and {'was' if lost == 1 else 'were'}"
            return f"No dead letters. {told} not kept. {_POLICY}"
        return "No dead letters. Tasks that no adapter and no fallback could do are kept here for a retry."
    return f"No dead letter is {status_choice_word(choice)}; {key} shows others."


# -------------------------------------------------------------------- the list

Columns = tuple[ListColumn, ...]


def columns_of(dead_letters: Sequence[DeadLetter]) -> Columns:
    """Return the columns for these dead letters, newest first."""
    kinds = {dead_letter.task_type for dead_letter in dead_letters}
    ids = width(str(dead_letters[0].id)) if dead_letters else 2
    return (
        ListColumn("id", max(2, ids), right=True),
        ListColumn("status", 11),
        ListColumn("type", max(4, min(14, max((width(safe_text(kind, 40)) for kind in kinds), default=4))), 48),
        ListColumn("category", 10, 100),
        ListColumn("retries", 7, 68),
        ListColumn("age", 6, 58),
        ListColumn("next", 9),
        ListColumn("adapter", 14, 124),
    )


def dead_letter_line(dead_letter: DeadLetter, now: int, columns: Columns, cells: int, glyphs: Glyphs) -> Line:
    """Return a dead letter at `now` (UTC microseconds), in at most `cells`."""
    status, coming = status_at(dead_letter, now), next_retry(dead_letter, now)
    row = {
        "id": Span(str(dead_letter.id)),
        "status": Span(f"{sign_of(status, glyphs)} {status.upper()}", STYLES[status]),
        "type": Span(safe_text(dead_letter.task_type, 40) or "–"),
        "category": Span(dead_letter.category, "muted"),
        "retries": Span(f"{dead_letter.retries}/{dead_letter.max_retries}", "muted"),
        "age": Span(span((now - dead_letter.created_at) / SECOND), "muted"),
        "next": Span(coming, "strong" if coming in ("due", "now") else "text"),
        "adapter": Span(safe_text(dead_letter.adapter, 40), "muted"),
    }
    error = safe_text(error_text(dead_letter), 400)
    if cells < NARROW and len(dead_letter.error_type) > 5 and dead_letter.error:
        error = safe_text(f"{dead_letter.error_type.removesuffix('Error')}: {dead_letter.error}", 400)
    return columns_line(columns, row, (Span(error, "muted"),), cells)


# -------------------------------------------------------------------- one in full


def dead_letter_lines(
    dead_letter: DeadLetter, history: Sequence[Entry] | None, now: int, cells: int, glyphs: Glyphs
) -> list[Line]:
    """Return a dead letter in full at `now` (UTC microseconds).

    `history` are the events that concern it, in order, or None while they are being read.
    """
    status = status_at(dead_letter, now)
    coming = next_retry(dead_letter, now)
    head: list[Span] = [Span(f"{sign_of(status, glyphs)} {status.upper()}", STYLES[status])]
    if coming:
        head.append(Span(f"  next retry {coming}"))
    lines: list[Line] = [tuple(head), *_facts(dead_letter, now, cells, glyphs)]
    lines += [(), (Span("Payload", "strong"),), *json_lines(dead_letter.payload, cells)]
    lines += [(), (Span("History", "strong"),), *_history(dead_letter, history, cells)]
    return lines


def _facts(dead_letter: DeadLetter, now: int, cells: int, glyphs: Glyphs) -> list[Line]:
    chain = f" {glyphs.arrow} ".join(safe_text(name, 80) for name in dead_letter.order)
    rule = f" (attribution row {safe_text(dead_letter.rule, 80)})" if dead_letter.rule else ""
    put_off = (
        f"; deferred {plural(dead_letter.deferrals, 'time')}, as every adapter refused it"
        if dead_letter.deferrals
        else ""
    )
    said: list[tuple[str, str]] = [
        ("error", safe_text(error_text(dead_letter), FULL_TEXT) or "–"),
        ("category", f"{dead_letter.category}{rule}"),
        ("retries", f"{dead_letter.retries} of {dead_letter.max_retries} failed{put_off}"),
        ("task", f"{safe_text(dead_letter.task, 200)}  {safe_text(dead_letter.task_type, 200)}".strip()),
        ("failed at", _failed_at(dead_letter)),
        ("chain", chain or "that of its type"),
        ("engine", safe_text(dead_letter.engine, 200)),
        ("came", f"{stamp(dead_letter.created_at)}, {whole_span((now - dead_letter.created_at) / SECOND)} ago"),
    ]
    if dead_letter.changed_at > dead_letter.created_at:
        said.append(("last change", _change(dead_letter, now)))
    if dead_letter.deadline is not None:
        said.append(("deadline", f"{dead_letter.deadline:g} s for a retry"))
    if dead_letter.lease_until is not None and status_at(dead_letter, now) == "retrying":
        said.append(("lease", f"its worker has it until {stamp(dead_letter.lease_until)}, and prolongs that"))
    lines = [line for label, text in said for line in labelled(label, text, cells)]
    for place, (name, value) in enumerate((dead_letter.context or {}).items()):
        text = f"{escaped_text(name, 200)}: {escaped_text(value, FULL_TEXT)}"
        lines += labelled("" if place else "context", text, cells)
    return lines


def _change(dead_letter: DeadLetter, now: int) -> str:
    ago = f"{whole_span((now - dead_letter.changed_at) / SECOND)} ago"
    by = f" by {safe_text(dead_letter.actor, 80)}" if dead_letter.actor else ""
    return f"{ago}{by}{': ' if dead_letter.detail else ''}{safe_text(dead_letter.detail, FULL_TEXT)}"


def _history(dead_letter: DeadLetter, history: Sequence[Entry] | None, cells: int) -> list[Line]:
    if history is None:
        return [(Span("Reading…", "faint"),)]
    lines: list[Line] = []
    for entry in history:
        event = entry.event
        if isinstance(event, DeadLettered):
            error = ": ".join(part for part in (event.error_type, event.error) if part)
            lines += _history_lines(event.at, "came", "muted", event.detail or error, cells)
        elif isinstance(event, DeadLetterChanged):
            style = STYLES.get(event.status, "muted")  # type: ignore[call-overload]
            by = f"by {event.actor}" if event.actor else ""
            lines += _history_lines(
                event.at, event.status, style, ": ".join(part for part in (by, event.detail) if part), cells
            )
    if not lines:
        return [(Span("Its events are no longer kept.", "faint"),)]
    return lines


def _history_lines(at: int, word: str, style: str, detail: str, cells: int) -> list[Line]:
    when = f"{stamp(at) if cells >= 70 else clock(at)} "
    room = cells - len(when) - 12
    parts = fold(safe_text(detail, FULL_TEXT), max(8, room)) or [""]
    first: Line = (Span(when, "faint"), Span(f"{fit(safe_text(word, 40), 11)} ", style), Span(parts[0]))
    return [first, *((Span(" " * (len(when) + 12)), Span(part)) for part in parts[1:])]


def _failed_at(dead_letter: DeadLetter) -> str:
    if not dead_letter.attempts:
        return "no adapter was called: all refused"
    where = safe_text(dead_letter.adapter, 200) or "the end of its chain"
    return f"{where}, after {plural(dead_letter.attempts, 'attempt')}"

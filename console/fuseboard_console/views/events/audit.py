"""The audit trail of operators' commands as lines: when, who, what, and the outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fuseboard_console.operator.audit import AuditEntry
from fuseboard_console.operator.follow_up import Followed, follow_ups_text
from fuseboard_console.text.formatting import SECOND, clock, latency, stamp
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span, cut_line
from fuseboard_console.text.list_columns import ListColumn, columns_line, titles_line
from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, with_engine
from fuseboard_console.views.events.copy_text import FULL_TEXT
from fuseboard_console.views.events.sentences import verb_text


def audit_columns(entries: Iterable[AuditEntry], engines: EngineNames = NO_ENGINES) -> tuple[ListColumn, ...]:
    """Return the columns for these entries, as wide as their texts need."""
    who = what = 4
    for entry in entries:
        who, what = max(who, width(safe_text(entry.actor, 60))), max(what, width(command_text(entry, engines)))
    most = 48 if engines.cells else 34
    return ListColumn("when", 8), ListColumn("who", min(18, who)), ListColumn("what", min(most, what))


def audit_heading(columns: Sequence[ListColumn], cells: int) -> Line:
    """Return the titles of the columns."""
    return (Span("  "), *titles_line(columns, "outcome", max(0, cells - 2)))


def audit_line(
    entry: AuditEntry,
    columns: Sequence[ListColumn],
    cells: int,
    glyphs: Glyphs,
    engines: EngineNames = NO_ENGINES,
    followed: str = "",
) -> Line:
    """Return an entry as a line of at most `cells`. `followed` is safe text about what followed it."""
    sign, style = _sign(entry, glyphs)
    done = entry.status == "done"
    row = {
        "when": Span(clock(entry.requested_at), "faint"),
        "who": Span(safe_text(entry.actor, 60), "muted"),
        "what": Span(command_text(entry, engines)),
    }
    outcome = safe_text(entry.detail, 300) if done else outcome_text(entry)
    said = f"{followed} ({outcome or 'done'})" if followed else outcome or "done"
    line = columns_line(columns, row, (Span(said, "muted" if done else style),), max(0, cells - 2))
    return cut_line((Span(f"{sign} ", style), *line), cells)


def command_text(entry: AuditEntry, engines: EngineNames = NO_ENGINES) -> str:
    """Return what was requested: `hold open prefect`, `hold open gpt (billing)`."""
    engine = engines.command(entry.instance, entry.adapter)
    text = f"{verb_text(entry.verb)} {safe_text(entry.adapter, 60)}".rstrip()
    return with_engine(f"{text} {safe_text(entry.what, 60)}".rstrip(), engine)


def outcome_text(entry: AuditEntry) -> str:
    """Return the outcome with its detail: `done: reset by hand`, `waiting for its engine`, `expired`."""
    detail = safe_text(entry.detail, FULL_TEXT)
    if entry.status in ("pending", "taken"):
        return "waiting for its engine" if entry.status == "pending" else "in progress"
    word = {"done": "done", "expired": "expired: no engine took it"}.get(entry.status, "not done")
    return f"{word}: {detail}" if detail and entry.status != "expired" else word


def _sign(entry: AuditEntry, glyphs: Glyphs) -> tuple[str, str]:
    if entry.status == "done":
        return glyphs.answered, "ok"
    return (glyphs.gap, "warn") if entry.status in ("pending", "taken") else (glyphs.failed, "bad")


def audit_lines(
    entry: AuditEntry, cells: int, engines: EngineNames = NO_ENGINES, followed: Sequence[tuple[str, str]] = ()
) -> list[Line]:
    """Return everything that is known about an entry.

    `followed` is safe text: the name of each adapter that it concerned, and what followed there.
    """
    rows: list[tuple[str, str]] = [
        ("what", verb_text(entry.verb)),
        ("selected", safe_text(entry.what, FULL_TEXT)),
        ("adapter", safe_text(entry.adapter, 300)),
        ("engine", engines.command(entry.instance, entry.adapter)),
        ("who", safe_text(entry.actor, 300)),
        ("when", stamp(entry.requested_at)),
        ("outcome", outcome_text(entry)),
        *(
            ("then" if not place else "", text if len(followed) == 1 else f"{name}: {text}")
            for place, (name, text) in enumerate(followed)
        ),
    ]
    if entry.done_at is not None and entry.done_at > entry.requested_at:
        rows.append(("took", latency((entry.done_at - entry.requested_at) / SECOND)))
    if entry.key[0]:
        rows.append(("command", f"no. {entry.key[0]} in the mailbox"))
    return [line for label, text in rows for line in labelled(label, text, cells)]


def audit_text(entry: AuditEntry, followed: Sequence[Followed] = (), engines: EngineNames = NO_ENGINES) -> str:
    """Return an entry as a line of safe text: its time, who, what and the outcome, and what followed.

    `2026-11-30 02:01:11  ada  reset claude  done: it was open; 5 of 5 calls since then succeeded`
    """
    who = safe_text(entry.actor, 60) or "unknown"
    line = f"{stamp(entry.requested_at)}  {who}  {command_text(entry, engines)}  {outcome_text(entry)}"
    return f"{line}; {follow_ups_text(followed, engines)}" if followed else line


def audit_json(entry: AuditEntry, followed: Sequence[Followed] = ()) -> str:
    """Return an entry as one line of JSON; see `audit_fields`."""
    return safe_json(audit_fields(entry, followed))


def audit_fields(entry: AuditEntry, followed: Sequence[Followed] = ()) -> dict[str, Any]:
    """Return an entry as plain values. Times are UTC microseconds.

    `followed` has, for each adapter, the calls since the command until the breaker's next change of state, and that
    change, if there was one.
    """
    return {
        "command": entry.key[0] or None,
        "requested_at": entry.requested_at,
        "done_at": entry.done_at,
        "actor": entry.actor,
        "verb": entry.verb,
        "adapter": entry.adapter or None,
        "what": entry.what or None,
        "instance": entry.instance,
        "status": entry.status,
        "detail": entry.detail or None,
        "followed": [
            {
                "adapter": one.row.adapter,
                "instance": one.row.instance,
                **one.figures._asdict(),
                "until": one.row.ended_at,
                "then": one.row.after or None,
                "by": one.row.ended_by or None,
                "error": one.row.error or None,
            }
            for one in followed
        ],
    }

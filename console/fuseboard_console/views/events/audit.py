"""What operators asked, as lines: who, when, what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import SECOND, clock, latency, stamp
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span, cut_line
from fuseboard_console.text.list_columns import Column, columns_line, titles_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_console.views.events.copy_text import WHOLE
from fuseboard_engine.events import CommandDone
from fuseboard_storage.tables.commands import CommandStatus

_VERBS = {
    "force_open": "hold open",
    "open_for": "open for a time",
    "half_open": "end the wait",
    "metrics_only": "watch only",
    "dlq_retry": "retry dead letters",
    "dlq_archive": "archive dead letters",
    "dlq_unarchive": "unarchive dead letters",
    "dlq_discard": "discard dead letters",
    "dlq_purge": "purge dead letters",
    "resume": "resume a run",
}

Key = tuple[int, int, str]
"""A command's number and 0; of what went through no mailbox 0 and its time; and the verb."""


class AuditEntry(NamedTuple):
    """One thing that somebody asked of the engine `instance` (None: of any, or it is forgotten).

    Times are UTC microseconds; `done_at` None: it is not over.
    """

    key: Key
    requested_at: int
    done_at: int | None
    actor: str
    verb: str
    adapter: str
    status: str
    detail: str
    instance: int | None = None


def asked_of(events: Iterable[CommandDone], commands: Iterable[CommandStatus] = ()) -> dict[Key, AuditEntry]:
    """Return what was asked by its key, newest first: what the Board tells, and what only the mailbox knows."""
    found = {
        key: AuditEntry(
            key, event.requested_at or event.at, event.at, event.actor, event.verb, event.adapter,
            "done" if event.ok else "failed", event.detail,
        )
        for event in events
        if (key := (event.command, 0 if event.command else event.at, event.verb))
    }  # fmt: skip
    for one in commands:
        key = (one.id, 0, one.verb)
        told = found.get(key)
        if told is None or one.status == "expired":
            told = AuditEntry(
                key, one.requested_at, one.done_at, one.actor, one.verb, one.adapter, one.status, one.detail
            )
        # The event may be written by another engine, which found that nobody took it.
        found[key] = told._replace(instance=one.taken_by if one.instance is None else one.instance)
    return dict(sorted(found.items(), key=lambda item: (item[1].requested_at, item[0]), reverse=True))


def words_of(verb: str) -> str:
    """Return a verb in words: `hold open`."""
    return _VERBS.get(verb) or safe_text(verb.replace("_", " "), 40)


def audit_columns(asked: Iterable[AuditEntry]) -> tuple[Column, ...]:
    """Return the columns for what was asked: as wide as it takes, and no wider."""
    who = what = 4
    for one in asked:
        who, what = max(who, width(safe_text(one.actor, 60))), max(what, width(_what(one)))
    return Column("when", 8), Column("who", min(18, who)), Column("what", min(34, what))


def audit_heading(columns: Sequence[Column], cells: int) -> Line:
    """Return the titles of the columns."""
    return (Span("  "), *titles_line(columns, "came of it", max(0, cells - 2)))


def audit_line(asked: AuditEntry, columns: Sequence[Column], cells: int, glyphs: Glyphs) -> Line:
    """Return what somebody asked, in at most `cells`."""
    sign, style = _sign(asked, glyphs)
    done = asked.status == "done"
    row = {
        "when": Span(clock(asked.requested_at), "faint"),
        "who": Span(safe_text(asked.actor, 60), "muted"),
        "what": Span(_what(asked)),
    }
    told = safe_text(asked.detail, 300) if done else came_of(asked)
    line = columns_line(columns, row, (Span(told or "done", "muted" if done else style),), max(0, cells - 2))
    return cut_line((Span(f"{sign} ", style), *line), cells)


def _what(asked: AuditEntry) -> str:
    return f"{words_of(asked.verb)} {safe_text(asked.adapter, 60)}".rstrip()


def came_of(asked: AuditEntry) -> str:
    """Return what came of it, in words."""
    detail = safe_text(asked.detail, WHOLE)
    if asked.status in ("pending", "taken"):
        return "waits for its engine" if asked.status == "pending" else "its engine is at it"
    word = {"done": "done", "expired": "nobody took it"}.get(asked.status, "not done")
    return f"{word}: {detail}" if detail and asked.status != "expired" else word


def _sign(asked: AuditEntry, glyphs: Glyphs) -> tuple[str, str]:
    if asked.status == "done":
        return glyphs.answered, "ok"
    return (glyphs.gap, "warn") if asked.status in ("pending", "taken") else (glyphs.failed, "bad")


def audit_lines(asked: AuditEntry, cells: int) -> list[Line]:
    """Return all that is known of what somebody asked."""
    said: list[tuple[str, str]] = [
        ("what", words_of(asked.verb)),
        ("adapter", safe_text(asked.adapter, 300)),
        ("who", safe_text(asked.actor, 300)),
        ("when", stamp(asked.requested_at)),
        ("came of it", came_of(asked)),
    ]
    if asked.done_at is not None and asked.done_at > asked.requested_at:
        said.append(("after", latency((asked.done_at - asked.requested_at) / SECOND)))
    if asked.key[0]:
        said.append(("command", f"{asked.key[0]} of the mailbox"))
    return [line for label, text in said for line in labelled(label, text, cells)]

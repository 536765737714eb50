"""Instances as lines: every engine process that writes to the recording, or wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from fuseboard_console.text.formatting import SECOND, plural, span, stamp, whole_span
from fuseboard_console.text.glyphs import KILLED, Condition, Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span, cut_line, fit_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, width
from fuseboard_console.views.adapters.adapter_view import breaker_condition
from fuseboard_console.views.adapters.chain_positions import chain_lines
from fuseboard_console.views.adapters.state_counts import counts_line
from fuseboard_engine.events import LOST
from fuseboard_storage.board.board import Board, InstanceRow
from fuseboard_storage.board.presence import Presence, age_of, killed, last_sign, presence

Counts = Mapping[int, Mapping[Condition, int]]
"""The number of adapters in each condition, by instance."""

_STATE, _BEGAN = 9, 22
_LOOKS: dict[Presence, tuple[str, str]] = {
    "live": ("LIVE", "ok"),
    "silent": ("SILENT", "bad"),
    "ended": ("ENDED", "muted"),
}


def counts_of(board: Board, now: int) -> Counts:
    """Return the breaker conditions of each instance at `now` (UTC microseconds), or at its last sign of life."""
    found: dict[int, Counter[Condition]] = {}
    signs = {row.id: now if presence(row, now) == "live" else last_sign(row) for row in board.instances.values()}
    for row in board.rows():
        known = signs.get(row.key.instance, now)  # a lost instance does nothing more
        found.setdefault(row.key.instance, Counter())[breaker_condition(row, known)] += 1
    return found


def engine_order(instances: Iterable[InstanceRow], now: int) -> list[int]:
    """Return the instances by id: silent ones first, then live ones, then ended ones, newest first."""

    def place(row: InstanceRow) -> int:
        return 2 if row.ended_at is not None else 1 if presence(row, now) == "live" else 0

    return [row.id for row in sorted(instances, key=lambda row: (place(row), -row.started_at, row.id))]


def labels_width(instances: Iterable[InstanceRow]) -> int:
    """Return the width of these instances' labels in cells."""
    return min(40, max((width(safe_text(row.label, 80)) for row in instances), default=0))


def engines_heading(cells: int, labels: int) -> Line:
    """Return the column titles."""
    titles = f"  {fit('engine', labels)}  {fit('', _STATE)}{fit('', _BEGAN)}adapters"
    return fit_line((Span(titles, "title"),), cells)


def engine_line(row: InstanceRow, counts: Counts, now: int, cells: int, labels: int, glyphs: Glyphs) -> Line:
    """Return one instance at `now`, its label in `labels` cells."""
    state = presence(row, now)
    word, style = _state_word(row, state)
    sign = {"live": glyphs.live, "silent": glyphs.of("silent"), "ended": glyphs.of("ended")}[state]
    return cut_line(
        (
            Span(f"{sign} ", style),
            Span(fit(safe_text(row.label, 80), labels), "strong" if state == "live" else "muted"),
            Span("  "),
            Span(fit(word, _STATE), style),
            Span(fit(_age_text(row, state, now), _BEGAN), "muted"),
            *_adapters(counts.get(row.id, {}), glyphs),
            Span(_reason(row), "muted"),
        ),
        cells,
    )


def _state_word(row: InstanceRow, state: Presence) -> tuple[str, str]:
    """Return an instance's state as a word, and its style. An instance whose process is gone was killed."""
    return (KILLED, "bad") if killed(row) else _LOOKS[state]


def _age_text(row: InstanceRow, state: Presence, now: int) -> str:
    if state == "live":
        return f"up {span((now - row.started_at) / SECOND)}"
    ago = whole_span(age_of(row, now))
    return (
        f"for {ago}"
        if state == "silent" and row.ended_at is None and not row.gone
        else f"{ago} ago, ran {span((last_sign(row) - row.started_at) / SECOND)}"
    )


def _reason(row: InstanceRow) -> str:
    reason = "its process is gone" if row.gone else "ended without saying so" if row.reason == LOST else row.reason
    return f"  {safe_text(reason, 120)}" if reason and reason != "closed" else ""


def _adapters(counts: Mapping[Condition, int], glyphs: Glyphs) -> Line:
    """Return the adapter counts by condition."""
    return (*counts_line(counts, glyphs), Span("  ")) if counts else (Span("none  ", "faint"),)


def engine_lines(row: InstanceRow, board: Board, now: int, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return an instance in full."""
    state = presence(row, now)
    word, style = _state_word(row, state)
    facts = [
        ("name", safe_text(row.name, 200)),
        ("host", safe_text(row.host, 200)),
        ("process", str(row.pid)),
        ("instance", f"{row.id} of this recording"),
        ("started", f"{stamp(row.started_at)}, {span((now - row.started_at) / SECOND)} ago"),
        ("ran", span(((now if state == "live" else last_sign(row)) - row.started_at) / SECOND)),
        ("last sign", f"{stamp(last_sign(row))}, {whole_span(age_of(row, now))} ago"),
        ("ended", _reason(row).strip() or ("normally" if state == "ended" else "")),
    ]
    lines: list[Line] = [(Span(word, style),)]
    lines += [line for label, text in facts for line in labelled(label, text, cells)]
    lines += [(), (Span("adapters    ", "muted"), *_adapters(counts_of(board, now).get(row.id, {}), glyphs))]
    lines += chain_lines(board.chains, row.id, cells, glyphs.arrow)
    runs = Counter(run.state for run in board.workflows.values() if run.instance == row.id)
    if runs:
        states = ", ".join(f"{count:,} {safe_text(state, 40)}" for state, count in sorted(runs.items()))
        lines += labelled("runs", f"{plural(sum(runs.values()), 'run')} of workflows: {states}", cells)
    return lines

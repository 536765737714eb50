"""One route in full: each attempt with its time, duration and reason."""

from __future__ import annotations

from typing import Final

from fuseboard_console.text.formatting import clock, latency
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, fold, width
from fuseboard_console.views.events.chains import attempt_mark
from fuseboard_console.views.events.copy_text import FULL_TEXT
from fuseboard_engine.events import Attempt, RouteFinished

_LONGEST: Final = 1e9


def outcome_of(route: RouteFinished) -> str:
    """Return how a route ended: `ok`, `failover` (not the first adapter answered), `degraded`, `dead`, `failed`."""
    if route.degraded:
        return "degraded"
    if route.dead_letter is not None:
        return "dead"
    if not route.success:
        return "failed"
    return "failover" if route.attempts and route.attempts[0].adapter != route.adapter else "ok"


def route_lines(route: RouteFinished, cells: int, glyphs: Glyphs, engine: str = "") -> list[Line]:
    """Return a route as lines: its outcome, then each attempt on one time axis, with its reason.

    `engine` is its engine's name as safe text; empty if the adapters' names are enough.
    """
    word = {
        "ok": "answered", "failover": "answered after a failover", "degraded": "degraded: a fallback answered",
        "dead": f"kept as dead letter {route.dead_letter}", "failed": "no answer",
    }[outcome_of(route)]  # fmt: skip
    style = {"ok": "ok", "failover": "ok", "degraded": "warn"}.get(outcome_of(route), "bad")
    began = route.at - round(_drawable(route.duration) * 1_000_000)
    lines: list[Line] = [
        (Span(word, style), Span(f"  in {latency(route.duration)}", "muted")),
        *labelled("task", f"{safe_text(route.task, FULL_TEXT)}  {safe_text(route.task_type, FULL_TEXT)}", cells),
        *labelled("from", f"{clock(began)} to {clock(route.at)}", cells),
    ]
    lines += labelled("engine", engine, cells)
    if route.letter is not None:
        lines += labelled("retry of", f"dead letter {route.letter}", cells)
    if route.strategy:
        lines += labelled("strategy", safe_text(route.strategy, FULL_TEXT), cells)
    if route.adapter:
        lines += labelled("answered by", safe_text(route.adapter, FULL_TEXT), cells)
    order, *notes = route.why.split("; ")  # why this order, then what else was decided
    lines += labelled("order", safe_text(order, FULL_TEXT), cells)
    for note in notes:
        lines += labelled("note", safe_text(note, FULL_TEXT), cells)
    lines += labelled("error", safe_text(route.error, FULL_TEXT), cells)
    for name, value in (route.context or {}).items():
        lines += labelled(safe_text(name, 11), safe_text(value, FULL_TEXT), cells)
    lines += [(), *_timeline(route, cells, glyphs)]
    if route.left:
        left = ", ".join(safe_text(name, FULL_TEXT) for name in route.left)
        lines += [(), *labelled("not tried", left, cells)]
    return lines


def _timeline(route: RouteFinished, cells: int, glyphs: Glyphs) -> list[Line]:
    adapters = [safe_text(attempt.adapter, FULL_TEXT) for attempt in route.attempts]
    names = min(max(26, cells // 4), max([9, *(2 + width(adapter) for adapter in adapters)]))
    bar = max(8, min(50, cells - names - 24))
    starts: list[tuple[float, Attempt]] = []
    passed = 0.0
    for attempt in route.attempts:
        parallel = bool(route.strategy)  # the attempts of a fan-out start together
        wait = _drawable(attempt.wait)
        starts.append((wait if parallel else passed + wait, attempt))
        passed += wait + _drawable(attempt.duration)
    ends = [start + _drawable(attempt.duration) for start, attempt in starts]
    whole = max(_drawable(route.duration), *ends, 1e-9) if starts else 1e-9
    axis = f"{fit('0', bar - width(latency(whole)))}{latency(whole)}"
    lines: list[Line] = [(Span(f"{fit('adapter', names)}   {axis}", "muted"),)]
    for start, attempt in starts:
        sign, style = attempt_mark(attempt, glyphs)
        before = min(bar - 1, int(start / whole * bar))
        length = max(1, min(bar - before, round(_drawable(attempt.duration) / whole * bar)))
        called = attempt.outcome != "rejected"
        track = " " * before + (glyphs.bar_full * length if called else glyphs.gap)
        took = latency(attempt.duration) if called else "not called"
        lines.append(
            (
                Span(fit(safe_text(attempt.adapter, FULL_TEXT), names), "text"),
                Span(f"{sign} ", style),
                Span(" "),
                Span(fit(track, bar), style),
                Span(f"  {took}", "muted"),
            )
        )
        lines += _reasons(attempt, names, cells)
    return lines


def _drawable(seconds: float) -> float:
    """Return a length of time within what a bar can show; a damaged file may contain anything."""
    return min(max(0.0, seconds), _LONGEST)


def _reasons(attempt: Attempt, indent: int, cells: int) -> list[Line]:
    notes: list[tuple[str, str]] = []
    if attempt.wait:
        notes.append((f"after a wait of {latency(attempt.wait)}", "faint"))
    error = ": ".join(safe_text(part, FULL_TEXT) for part in (attempt.error_type, attempt.error) if part)
    if error:
        notes.append((error, "muted"))
    if attempt.rule:
        notes.append((f"rule: {safe_text(attempt.rule, FULL_TEXT)}", "faint"))
    if attempt.why:
        notes.append((f"why: {safe_text(attempt.why, FULL_TEXT)}", "text"))
    if attempt.retry_after is not None:
        wait = latency(attempt.retry_after)
        rejected = attempt.outcome == "rejected"
        notes.append((f"next call admitted in {wait}" if rejected else f"asked for a pause of {wait}", "faint"))
    if attempt.first_item is not None:
        notes.append((f"first item after {latency(attempt.first_item)}, {attempt.items:,} items", "faint"))
    lines: list[Line] = []
    for text, style in notes:
        parts = fold(text, max(20, cells - indent - 3))
        lines += [(Span(" " * (indent + 3)), Span(part, style)) for part in parts]
    return lines

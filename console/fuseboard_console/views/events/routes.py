"""One route in full: what was tried when, for how long, and why."""

from __future__ import annotations

from fuseboard_console.text.formatting import clock, latency
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fit, fold, width
from fuseboard_console.views.events.chains import mark
from fuseboard_console.views.events.copy_text import WHOLE
from fuseboard_engine.events import Attempt, RouteFinished


def outcome_of(route: RouteFinished) -> str:
    """Return how a route ended, in a word: ok, failover (another than the first answered), degraded, dead, failed."""
    if route.degraded:
        return "degraded"
    if route.dead_letter is not None:
        return "dead"
    if not route.success:
        return "failed"
    return "failover" if route.attempts and route.attempts[0].adapter != route.adapter else "ok"


def route_lines(route: RouteFinished, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return a route as lines: what came of it, then each attempt on one axis of time, with its reason."""
    word = {
        "ok": "answered", "failover": "answered after a failover", "degraded": "degraded: a fallback answered",
        "dead": f"kept as dead letter {route.dead_letter}", "failed": "no answer",
    }[outcome_of(route)]  # fmt: skip
    style = {"ok": "ok", "failover": "ok", "degraded": "warn"}.get(outcome_of(route), "bad")
    began = route.at - round(route.duration * 1_000_000)
    lines: list[Line] = [
        (Span(word, style), Span(f"  in {latency(route.duration)}", "muted")),
        *labelled("task", f"{safe_text(route.task, WHOLE)}  {safe_text(route.task_type, WHOLE)}", cells),
        *labelled("from", f"{clock(began)} to {clock(route.at)}", cells),
    ]
    if route.letter is not None:
        lines += labelled("retry of", f"letter {route.letter}", cells)
    if route.strategy:
        lines += labelled("strategy", safe_text(route.strategy, WHOLE), cells)
    if route.adapter:
        lines += labelled("answered by", safe_text(route.adapter, WHOLE), cells)
    lines += labelled("order", safe_text(route.why, WHOLE), cells)
    lines += labelled("error", safe_text(route.error, WHOLE), cells)
    for name, value in (route.context or {}).items():
        lines += labelled(safe_text(name, 11), safe_text(value, WHOLE), cells)
    lines += [(), *_timeline(route, cells, glyphs)]
    if route.left:
        left = ", ".join(safe_text(name, WHOLE) for name in route.left)
        lines += [(), *labelled("not tried", left, cells)]
    return lines


def _timeline(route: RouteFinished, cells: int, glyphs: Glyphs) -> list[Line]:
    adapters = [safe_text(attempt.adapter, WHOLE) for attempt in route.attempts]
    names = min(max(26, cells // 4), max([9, *(2 + width(adapter) for adapter in adapters)]))
    bar = max(8, min(50, cells - names - 24))
    starts: list[tuple[float, Attempt]] = []
    passed = 0.0
    for attempt in route.attempts:
        at_once = bool(route.strategy)  # a fan-out's attempts begin together
        starts.append((attempt.wait if at_once else passed + attempt.wait, attempt))
        passed += attempt.wait + attempt.duration
    whole = max(route.duration, *(start + attempt.duration for start, attempt in starts), 1e-9) if starts else 1e-9
    axis = f"{fit('0', bar - width(latency(whole)))}{latency(whole)}"
    lines: list[Line] = [(Span(f"{fit('adapter', names)}   {axis}", "muted"),)]
    for start, attempt in starts:
        sign, style = mark(attempt, glyphs)
        before = min(bar - 1, int(start / whole * bar))
        long = max(1, min(bar - before, round(attempt.duration / whole * bar)))
        called = attempt.outcome != "rejected"
        track = " " * before + (glyphs.bar_full * long if called else glyphs.gap)
        took = latency(attempt.duration) if called else "not called"
        lines.append(
            (
                Span(fit(safe_text(attempt.adapter, WHOLE), names), "text"),
                Span(f"{sign} ", style),
                Span(" "),
                Span(fit(track, bar), style),
                Span(f"  {took}", "muted"),
            )
        )
        lines += _reasons(attempt, names, cells)
    return lines


def _reasons(attempt: Attempt, indent: int, cells: int) -> list[Line]:
    said: list[tuple[str, str]] = []
    if attempt.wait:
        said.append((f"after a wait of {latency(attempt.wait)}", "faint"))
    error = ": ".join(safe_text(part, WHOLE) for part in (attempt.error_type, attempt.error) if part)
    if error:
        said.append((error, "muted"))
    if attempt.rule:
        said.append((f"rule: {safe_text(attempt.rule, WHOLE)}", "faint"))
    if attempt.why:
        said.append((f"why: {safe_text(attempt.why, WHOLE)}", "text"))
    if attempt.retry_after is not None:
        wait = latency(attempt.retry_after)
        rejected = attempt.outcome == "rejected"
        said.append((f"its next call is admitted in {wait}" if rejected else f"it asked to wait {wait}", "faint"))
    if attempt.first_item is not None:
        said.append((f"first item after {latency(attempt.first_item)}, {attempt.items:,} items", "faint"))
    lines: list[Line] = []
    for text, style in said:
        parts = fold(text, max(20, cells - indent - 3))
        lines += [(Span(" " * (indent + 3)), Span(part, style)) for part in parts]
    return lines

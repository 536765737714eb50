"""The help as lines: keys, states, and the signs of a chain."""

from __future__ import annotations

from collections.abc import Sequence

from fuseboard_console.actions.model import Action, shown_keys
from fuseboard_console.text.glyphs import APPEARANCES, Condition, Glyphs
from fuseboard_console.text.line import Line, Span, line_width
from fuseboard_console.text.width import fit, fold

_MEANS: dict[Condition, str] = {
    "closed": "calls go through",
    "counting": "calls go through; 2 of the 5 failures that open it",
    "open": "calls are refused until the countdown ends",
    "down": "its health check fails, so routes skip it",
    "ready": "the wait is over; the next call is a probe",
    "probing": "probes decide whether it closes again",
    "held": "kept open by hand until someone resets it",
    "disabled": "every call goes through, nothing is counted",
    "watch": "counts as if it could open, and never does",
    "silent": "its engine has stopped writing without saying so",
    "ended": "its engine has ended normally",
}
_KEYS = 13
_LEAST = 16  # cells below which a description is cut rather than folded


def help_lines(actions: Sequence[Action], glyphs: Glyphs, cells: int) -> list[Line]:
    """Return the help for the available actions that have a key, folded into `cells`."""
    lines: list[Line] = []
    groups: dict[str, list[Action]] = {}
    for action in actions:
        if action.keys:
            groups.setdefault(action.group, []).append(action)
    for group, members in groups.items():
        lines += [(Span(group, "strong"),)]
        for action in members:
            keys = Span(fit("  " + shown_keys(action, glyphs.name == "ascii"), _KEYS), "key")
            lines += _described((keys,), Span(action.description), cells)
        lines.append(())
    lines.append((Span("States", "strong"),))
    for condition, means in _MEANS.items():
        look = APPEARANCES[condition]
        word = look.word + (" 2/5" if condition == "counting" else "")
        head = (Span(f"  {glyphs.of(condition)} ", look.style), Span(fit(word, _KEYS), look.style))
        lines += _described(head, Span(means, "muted"), cells)
    lines += [(), (Span("In a chain, left to right as time", "strong"),)]
    for sign, style, means in (
        (glyphs.failed, "bad", "an attempt that failed"),
        (glyphs.skipped, "bad-dim", "not called: its breaker is open, it is full, or known to be down"),
        (glyphs.answered, "ok", "answered"),
        (glyphs.degraded, "warn", "no adapter answered; a fallback did"),
        (glyphs.dead, "bad", "kept as a dead letter"),
    ):
        lines += _described((Span(f"  {sign} ", style),), Span(means, "muted"), cells)
    return lines


def _described(head: Line, text: Span, cells: int) -> list[Line]:
    """Return a head with its description beside it, on as many lines as that needs."""
    indent = line_width(head)
    first, *rest = fold(text.text, max(_LEAST, cells - indent))
    return [(*head, Span(first, text.style)), *((Span(" " * indent), Span(part, text.style)) for part in rest)]

"""The line at the bottom: the keys that work now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.actions.model import Action, shown_keys
from fuseboard_console.text.line import Line, Span, fit_line
from fuseboard_console.text.width import width


class FooterKey(NamedTuple):
    """The position of an action on the line, for the mouse."""

    action: str
    start: int
    end: int


def footer_line(actions: Sequence[Action], cells: int, read_only: bool) -> tuple[Line, tuple[FooterKey, ...]]:
    """Return the footer in exactly `cells`, and the position of each action."""
    tail: Line = (Span("read-only ", "warn"),) if read_only else ()
    tail_width = sum(width(span.text) for span in tail)
    spans: list[Span] = []
    places: list[FooterKey] = []
    at = 1
    shown = [action for action in actions if action.footer]
    needed = [action for action in shown if action.id in ("help", "quit", "dismiss")]
    spare = cells - tail_width - 2 - sum(_width(action) for action in needed)
    for action in shown:
        wide = _width(action)
        if action not in needed:
            if wide > spare:
                continue
            spare -= wide
        spans += [Span(shown_keys(action), "key"), Span(f" {action.label}", "muted"), Span("  ")]
        places.append(FooterKey(action.id, at, at + wide - 2))
        at += wide
    body = fit_line((Span(" "), *spans), max(0, cells - tail_width))
    return fit_line((*body, *tail), cells), tuple(places)


def _width(action: Action) -> int:
    return width(shown_keys(action)) + 1 + width(action.label) + 2

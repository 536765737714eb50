"""What followed an operator's command, as text: `5 of 5 calls since then succeeded`, `opened again after 1 s`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from fuseboard_console.text.formatting import SECOND, latency, plural, whole_span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import EngineNames
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.follow_ups import Figures, FollowUp

ENOUGH: Final = 5
"""Calls after which it is known whether a command worked."""
_DONE: Final = {
    "reset": "reset",
    "reset_all": "reset",
    "enable": "enabled",
    "half_open": "probes at its next call",
    "open_for": "opened",
    "force_open": "held open",
    "disable": "disabled",
    "metrics_only": "set to watch only",
}
_REFUSING: Final = ("force_open", "open_for")  # verbs after which calls are refused
_BY_HAND: Final = {
    "open": "opened",
    "half_open": "probe asked for",
    "forced_open": "held open",
    "disabled": "disabled",
    "metrics_only": "set to watch only",
}
_NAMED: Final = 3


class Followed(NamedTuple):
    """A follow-up and its figures so far."""

    row: FollowUp
    figures: Figures

    @property
    def reopened(self) -> bool:
        """Whether the breaker opened again by itself although the command was to let calls through."""
        return self.row.after == "open" and not self.row.ended_by and self.row.verb not in _REFUSING

    @property
    def calls(self) -> int:
        """Calls that were answered or failed; rejections where calls are refused."""
        figures = self.figures
        return figures.rejections if self.row.verb in _REFUSING else figures.successes + figures.failed


def followed_of(board: Board) -> dict[tuple[int, int], list[Followed]]:
    """Return what followed the commands of a Board, by the command's number and when it was done."""
    found: dict[tuple[int, int], list[Followed]] = {}
    for row in board.follow_ups.rows:
        followed = Followed(row, row.figures_now(board.adapters.get(row.key)))
        found.setdefault((row.command, row.done_at), []).append(followed)
    return found


def follow_up_text(followed: Followed) -> str:
    """Return what followed a command on one adapter, as safe text without the adapter's name."""
    row = followed.row
    if row.ended_at is None:
        return _so_far(followed, "since then")
    after = _age((row.ended_at - row.at) / SECOND)
    by = safe_text(row.ended_by, 60)
    if row.after == "open" and not by:
        why = safe_text(row.error or row.detail, 200)
        again = "" if row.verb in _REFUSING and row.verb != "open_for" else " again"
        return f"opened{again} after {after}" + (f": {why}" if why else "")
    if row.after == "closed" and row.reason == "probes_succeeded":
        return f"closed after {after}: {safe_text(row.detail, 200)}"
    if not row.after:
        return f"its engine ended or it was removed after {after}; {_so_far(followed, 'until then')}"
    closed = "reset" if row.reason == "reset" else "enabled" if row.reason == "by_hand" else "closed"
    change = closed if row.after == "closed" else _BY_HAND.get(row.after, safe_text(row.after, 40))
    return f"{change}{f' by {by}' if by else ''} after {after}; {_so_far(followed, 'until then')}"


def _so_far(followed: Followed, when: str) -> str:
    row, figures = followed
    if row.verb in _REFUSING:
        return f"{plural(figures.rejections, 'call')} refused {when}" if figures.rejections else f"no call {when}"
    judged = figures.successes + figures.failed
    return f"{figures.successes:,} of {plural(judged, 'call')} {when} succeeded" if judged else f"no call {when}"


def follow_ups_text(many: Sequence[Followed], engines: EngineNames) -> str:
    """Return what followed a command on one adapter, or sum up what followed on several."""
    if len(many) == 1:
        return follow_up_text(many[0])
    reopened = [one for one in many if one.reopened]
    if reopened:
        names = ", ".join(engines.adapter(one.row.key) for one in reopened[:_NAMED])
        more = f" and {len(reopened) - _NAMED:,} more" if len(reopened) > _NAMED else ""
        return f"{len(reopened):,} of {len(many):,} opened again: {names}{more}"
    figures = Figures(*(sum(figures) for figures in zip(*(one.figures for one in many), strict=True)))
    return _so_far(Followed(many[0].row, figures), "since then")


def notice_text(many: Sequence[Followed], engines: EngineNames) -> str:
    """Return the notice about what followed a command: `claude: reset; 5 of 5 calls since then succeeded.`"""
    first = many[0]
    done, text = _DONE[first.row.verb], follow_ups_text(many, engines)
    if len(many) > 1:
        return f"{plural(len(many), 'breaker')} {done}: {text}."
    name = engines.adapter(first.row.key)
    if first.row.ended_at is not None and (first.reopened or first.row.reason == "probes_succeeded"):
        return f"{name} {text}."
    return f"{name}: {done}; {text}."


def is_known(many: Iterable[Followed]) -> bool:
    """Return whether it is known what followed: each adapter had enough calls, or its breaker changed its state."""
    return all(one.row.ended_at is not None or one.calls >= ENOUGH for one in many)


def _age(seconds: float) -> str:
    return latency(max(0.0, seconds)) if seconds < 1 else whole_span(seconds)

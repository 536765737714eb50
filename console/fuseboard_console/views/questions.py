"""What is asked before something that is hard to take back."""

from __future__ import annotations

from typing import NamedTuple

from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.times import plural
from fuseboard_storage.board import Board

_NAMED = 6


class ResetAll(NamedTuple):
    """The question before resetting all: its words, the button's, and which engines are concerned."""

    title: str
    text: str
    yes: str
    instances: tuple[int, ...]


def ask_reset_all(board: Board) -> ResetAll | None:
    """Return the question before resetting every breaker that refuses calls; None when none does."""
    stuck = [row for row in board.rows() if row.state in ("open", "half_open", "forced_open")]
    if not stuck:
        return None
    names = ", ".join(safe_text(row.name, 40) for row in stuck[:_NAMED])
    more = f" and {len(stuck) - _NAMED:,} more" if len(stuck) > _NAMED else ""
    return ResetAll(
        f"Reset {plural(len(stuck), 'breaker')}?",
        f"{names}{more}\n\nTheir next calls go through, whether or not the adapters are well again.",
        f"Reset {len(stuck):,}",
        tuple(sorted({row.key.instance for row in stuck})),
    )


class Question(NamedTuple):
    """A question before something is done to one breaker: its words, and the button's."""

    title: str
    text: str
    yes: str


_BEFORE = {
    "force_open": (
        "Hold {} open?",
        "Every call is refused until someone resets it. There is no countdown.",
        "Hold open",
    ),
    "open_for": (
        "Open {} for a while?",
        "Its calls are refused for as long as its policy waits; then it probes.",
        "Open",
    ),
    "disable": ("Disable {}?", "Every call goes through, however many fail, until someone enables it.", "Disable"),
    "metrics_only": ("Let {} only watch?", "It counts and never opens, until someone enables it.", "Watch only"),
}


def ask_before(verb: str, adapter: str) -> Question:
    """Return the question before `verb` is asked for an adapter."""
    title, text, yes = _BEFORE[verb]
    return Question(title.format(safe_text(adapter, 60)), text, yes)

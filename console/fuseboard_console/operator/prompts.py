"""What is asked before something that is hard to take back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_engine.events import REFUSING_STATES
from fuseboard_storage.board.board import AdapterRow, Board

_NAMED = 6


class ResetAll(NamedTuple):
    """The question before resetting all: its words, the button's, and which engines are concerned."""

    title: str
    text: str
    yes: str
    instances: tuple[int, ...]


def refusing(board: Board) -> list[AdapterRow]:
    """Return the adapters whose breaker refuses calls."""
    return [row for row in board.rows() if row.state in REFUSING_STATES]


def ask_reset_all(stuck: Sequence[AdapterRow]) -> ResetAll:
    """Return the question before resetting the breakers of these adapters, of which there is one at least."""
    names = ", ".join(safe_text(row.name, 40) for row in stuck[:_NAMED])
    more = f" and {len(stuck) - _NAMED:,} more" if len(stuck) > _NAMED else ""
    one = len(stuck) == 1
    goes, well = ("Its next call goes", "the adapter is") if one else ("Their next calls go", "the adapters are")
    return ResetAll(
        f"Reset {plural(len(stuck), 'breaker')}?",
        f"{names}{more}\n\n{goes} through, whether or not {well} well again.",
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
        "Its calls are refused until then; after that it probes.",
        "Open",
    ),
    "disable": ("Disable {}?", "Every call goes through, however many fail, until someone enables it.", "Disable"),
    "metrics_only": ("Let {} only watch?", "It counts and never opens, until someone enables it.", "Watch only"),
}


def ask_before(verb: str, adapter: str) -> Question:
    """Return the question before `verb` is asked for an adapter."""
    title, text, yes = _BEFORE[verb]
    return Question(title.format(safe_text(adapter, 60)), text, yes)

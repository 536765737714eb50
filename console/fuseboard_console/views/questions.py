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

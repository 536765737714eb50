"""Suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fuseboard_console.text.safe_text import safe_text

if TYPE_CHECKING:
    from fuseboard_storage.board.board import AdapterRow, Board


def rows_named(board: Board, name: str) -> list[AdapterRow]:
    """Return an adapter's rows by its name, or by the name that is shown of it if only one has that."""
    rows = board.find(name)
    if rows:
        return rows
    names = {row.name for row in board.rows() if safe_text(row.name) == name}
    return board.find(names.pop()) if len(names) == 1 else []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean prefect?` (with the leading space); empty if no known word is close."""
    from difflib import get_close_matches  # rarely needed

    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return f" Did you mean {safe_text(by_folded[near[0]], 80)}?" if near else ""


def unknown_adapter(board: Board, file: str, adapter: str) -> list[str]:
    """Return the lines about an adapter that a recording does not have, and list those it has. `file` is safe text."""
    known = sorted({row.name for row in board.rows()})
    if not known:
        return [f"{file} has no adapters yet: no engine has written to it."]
    shown = ", ".join(safe_text(name, 60) for name in known[:20])
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    hint = did_you_mean(adapter, known)
    return [f"{file} has no adapter {safe_text(adapter, 80)}.{hint}", f"It has: {shown}{more}."]

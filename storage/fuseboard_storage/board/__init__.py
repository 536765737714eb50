"""The Board: what an operator sees, as a pure fold of events.

Public names load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.board.board import Board
    from fuseboard_storage.board.chain_rows import ChainRow
    from fuseboard_storage.board.rows import AdapterKey, AdapterRow, Entry, FailureRow, InstanceRow, Totals

__all__ = ["AdapterKey", "AdapterRow", "Board", "ChainRow", "Entry", "FailureRow", "InstanceRow", "Totals"]


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.board"), name)

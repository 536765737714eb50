"""The Board: what an operator sees, as a pure fold of events.

Public names load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.board.board import AdapterKey, Board, Entry

__all__ = ["AdapterKey", "Board", "Entry"]


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("fuseboard_storage.board.board"), name)

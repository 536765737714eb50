"""Reading a recording, and sending commands to its engines.

Public names load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.recording.recording import Recording
    from fuseboard_storage.recording.tail import ConnectionState, Tail, TailStatus

__all__ = ["ConnectionState", "Recording", "Tail", "TailStatus"]

_HOME = {
    "ConnectionState": "tail",
    "Recording": "recording",
    "Tail": "tail",
    "TailStatus": "tail",
}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

"""The interface of a store, and the conformance suite for those who implement it.

Public names load when first used. The suite is in `fuseboard_storage.backend.conformance`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.backend.errors import InDoubt, NotWritten, StoreBehind, StoreReplaced
    from fuseboard_storage.backend.protocols import (
        Describable,
        EngineWriter,
        Reader,
        Store,
        StoredLetters,
        StoredRuns,
    )
    from fuseboard_storage.backend.unknown_event import UnknownEvent
    from fuseboard_storage.backend.values import CommandStatus, EventBatch, Extent, Heartbeat, metrics_of

_HOME = {
    "CommandStatus": "values",
    "Describable": "protocols",
    "EngineWriter": "protocols",
    "EventBatch": "values",
    "Extent": "values",
    "Heartbeat": "values",
    "InDoubt": "errors",
    "NotWritten": "errors",
    "Reader": "protocols",
    "Store": "protocols",
    "StoreBehind": "errors",
    "StoreReplaced": "errors",
    "StoredLetters": "protocols",
    "StoredRuns": "protocols",
    "UnknownEvent": "unknown_event",
    "metrics_of": "values",
}

__all__ = [
    "CommandStatus",
    "Describable",
    "EngineWriter",
    "EventBatch",
    "Extent",
    "Heartbeat",
    "InDoubt",
    "NotWritten",
    "Reader",
    "Store",
    "StoreBehind",
    "StoreReplaced",
    "StoredLetters",
    "StoredRuns",
    "UnknownEvent",
    "metrics_of",
]


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

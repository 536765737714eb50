"""What goes wrong when an engine writes to a store. Each error says what the store has kept."""

from __future__ import annotations

from fuseboard_engine.errors import FuseboardError


class NotWritten(FuseboardError):
    """The store could not be written, or could not be reached. It kept nothing of what it was given.

    `at_once` says that the store has recovered by itself, so that the next attempt need not wait.
    """

    def __init__(self, why: str, *, at_once: bool = False) -> None:
        super().__init__(why)
        self.at_once = at_once


class InDoubt(NotWritten):
    """The store did not answer: it kept all of what it was given, or nothing.

    The caller has to append the same batch again, with the same number, before any other.
    """


class StoreBehind(NotWritten):
    """The store has to catch up first. It takes fewer events, or the same ones later; see `EngineWriter.room`."""


class StoreReplaced(NotWritten):
    """The store was replaced by another one. The next `open` registers the engine there; no error is reported."""

"""Errors of a recording. Each message says what is wrong and what to do."""

from __future__ import annotations

from fuseboard_engine.errors import FuseboardError


class RecordingError(FuseboardError):
    """A file cannot be used as a recording. Nothing in it was changed.

    `what` names the file and the problem, `todo` the remedy. `str()` gives both.
    """

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what} {todo}")
        self.what = what
        self.todo = todo


class RecordingNotWritable(RecordingError):
    """A recording that can be read cannot be written now: it is read-only, locked, or its disk is full."""

"""What can be wrong with a recording, said so that a person knows what to do."""

from __future__ import annotations

from fuseboard_engine.errors import FuseboardError


class RecordingError(FuseboardError):
    """A file cannot be used as a recording; nothing in it was changed.

    `what` says what is wrong with which file, `todo` what to do about it. `str()` gives both.
    """

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what} {todo}")
        self.what = what
        self.todo = todo

"""What remembers: the recorder an application embeds, and the recording that others read.

from fuseboard_storage import record
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.board.board import Board
    from fuseboard_storage.errors import RecordingError
    from fuseboard_storage.recorder.from_config import record_configured
    from fuseboard_storage.recorder.recorder import Recorder, record
    from fuseboard_storage.recorder.restore import restore
    from fuseboard_storage.recorder.retention import Retention
    from fuseboard_storage.recording.recording import Recording
    from fuseboard_storage.recording.tail import Tail
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

__all__ = [
    "Board",
    "Recorder",
    "Recording",
    "RecordingError",
    "Retention",
    "SqliteDeadLetters",
    "Tail",
    "record",
    "record_configured",
    "restore",
]

_HOME = {
    "Board": "board.board",
    "Recorder": "recorder.recorder",
    "Recording": "recording.recording",
    "RecordingError": "errors",
    "SqliteDeadLetters": "stores.dead_letters",
    "Retention": "recorder.retention",
    "Tail": "recording.tail",
    "record": "recorder.recorder",
    "record_configured": "recorder.from_config",
    "restore": "recorder.restore",
}


if not TYPE_CHECKING:  # a checker reads the imports above

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used: a reader pays for no recorder."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

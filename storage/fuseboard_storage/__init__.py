"""The storage of Fuseboard: the recorder an application embeds, and the recording that others read.

    from fuseboard_storage import record

Public names load when first used, so a program that only reads a recording does not import the recorder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.backend.protocols import Store
    from fuseboard_storage.board.board import Board
    from fuseboard_storage.board.rows import Entry
    from fuseboard_storage.errors import RecordingError, RecordingNotWritable
    from fuseboard_storage.recorder.file_store import FileStore
    from fuseboard_storage.recorder.from_config import record_configured
    from fuseboard_storage.recorder.recorder import Recorder, record
    from fuseboard_storage.recorder.restore import restore
    from fuseboard_storage.recorder.retention import Retention
    from fuseboard_storage.recording.metric_steps import AdapterMetrics
    from fuseboard_storage.recording.recording import Recording
    from fuseboard_storage.recording.tail import Tail
    from fuseboard_storage.stores.dead_letters import SqliteDeadLetters

__all__ = [
    "AdapterMetrics",
    "Board",
    "Entry",
    "FileStore",
    "Recorder",
    "Recording",
    "RecordingError",
    "RecordingNotWritable",
    "Retention",
    "SqliteDeadLetters",
    "Store",
    "Tail",
    "record",
    "record_configured",
    "restore",
]

_HOME = {
    "AdapterMetrics": "recording.metric_steps",
    "Board": "board.board",
    "Entry": "board.rows",
    "FileStore": "recorder.file_store",
    "Recorder": "recorder.recorder",
    "Recording": "recording.recording",
    "RecordingError": "errors",
    "RecordingNotWritable": "errors",
    "Retention": "recorder.retention",
    "SqliteDeadLetters": "stores.dead_letters",
    "Store": "backend.protocols",
    "Tail": "recording.tail",
    "record": "recorder.recorder",
    "record_configured": "recorder.from_config",
    "restore": "recorder.restore",
}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

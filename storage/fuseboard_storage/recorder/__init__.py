"""The recorder: writes an engine's events to a recording.

Public names load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.recorder.from_config import record_configured
    from fuseboard_storage.recorder.recorder import Recorder, record
    from fuseboard_storage.recorder.retention import Retention

__all__ = ["Recorder", "Retention", "record", "record_configured"]

_HOME = {
    "Recorder": "recorder",
    "Retention": "retention",
    "record": "recorder",
    "record_configured": "from_config",
}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

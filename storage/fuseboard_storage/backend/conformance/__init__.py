"""The conformance suite of stores, as tests: what recorders, readers, dead letters and workflow runs rely on.

A backend's tests derive a class from `StoreConformance` and give it a harness; docs/stores.md shows how. The suite
needs pytest, and nothing else imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_storage.backend.conformance.checkpoints import CheckpointConformance
    from fuseboard_storage.backend.conformance.commands import CommandConformance
    from fuseboard_storage.backend.conformance.dead_letters import DeadLetterConformance
    from fuseboard_storage.backend.conformance.events import EventConformance
    from fuseboard_storage.backend.conformance.harness import StoreHarness, SuiteEngine
    from fuseboard_storage.backend.conformance.suite import StoreConformance

_HOME = {
    "CheckpointConformance": "checkpoints",
    "CommandConformance": "commands",
    "DeadLetterConformance": "dead_letters",
    "EventConformance": "events",
    "StoreConformance": "suite",
    "StoreHarness": "harness",
    "SuiteEngine": "harness",
}

__all__ = [
    "CheckpointConformance",
    "CommandConformance",
    "DeadLetterConformance",
    "EventConformance",
    "StoreConformance",
    "StoreHarness",
    "SuiteEngine",
]


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

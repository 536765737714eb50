"""All rules of a store in one class."""

from __future__ import annotations

from fuseboard_storage.backend.conformance.checkpoints import CheckpointConformance
from fuseboard_storage.backend.conformance.commands import CommandConformance
from fuseboard_storage.backend.conformance.dead_letters import DeadLetterConformance
from fuseboard_storage.backend.conformance.events import EventConformance


class StoreConformance(EventConformance, CommandConformance, DeadLetterConformance, CheckpointConformance):
    """The rules of a store. A derived class has a fixture `harness`, which returns a new `StoreHarness`."""

"""A store in memory passes the conformance suite, which therefore does not depend on SQLite."""

from __future__ import annotations

import pytest

from fuseboard_storage.backend.conformance import StoreConformance
from support.memory_store import MemoryHarness


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness()

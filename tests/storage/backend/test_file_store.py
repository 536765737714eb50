"""A recording passes the conformance suite of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_storage.backend.conformance import StoreConformance
from support.file_store import FileHarness


class TestRecording(StoreConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> FileHarness:
        return FileHarness(tmp_path / "a.db")

"""Renamed methods of the stores of workflow runs still work and warn."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_engine import Engine
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints
from fuseboard_storage.stores.checkpoints import FileCheckpoints


class OldStore(MemoryCheckpoints):
    """A store of an application that knows the former name only."""

    unfinished_runs = None  # type: ignore[assignment]

    async def left(self, *, failed: bool = False) -> list[tuple[str, str]]:
        return [("r1", "unknown")]


async def test_the_former_name_of_unfinished_runs_still_works(tmp_path: Path) -> None:
    store = FileCheckpoints(tmp_path / "a.db")
    for checkpoints in (MemoryCheckpoints(), store):
        with pytest.warns(DeprecationWarning, match="unfinished_runs"):
            assert await checkpoints.left() == []
    store.close()


async def test_a_store_with_the_former_name_is_still_asked() -> None:
    engine = Engine("e")
    engine.checkpoints = OldStore()
    with pytest.warns(DeprecationWarning, match="unfinished_runs"):
        assert await engine.resume_left() == {}

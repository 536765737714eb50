"""What remembers needs no screen, and what `status` needs is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCREEN = {"textual", "rich", "typer", "pydantic"}
MODULES = {
    "fuseboard_engine.events": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_engine.commands": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.board.histogram": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.board.board": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.recorder.recorder": SCREEN | {"aiosqlite"},
    "fuseboard_storage.recording.recording": SCREEN,
    "fuseboard_storage.recording.tail": SCREEN,
}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_storage_brings_no_more_than_it_needs(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in result.stdout.split()} & MODULES[module]


def test_every_public_name_of_the_storage_can_be_imported() -> None:
    import fuseboard_storage

    assert set(fuseboard_storage.__all__) == set(fuseboard_storage._HOME)
    for name in fuseboard_storage.__all__:
        assert getattr(fuseboard_storage, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fuseboard_storage.nonsense

"""The storage imports no screen library, and each of its rooms only what it needs."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest

from support.fresh_interpreter import packages_loaded_by

SCREEN = {"textual", "rich", "typer", "pydantic"}
MODULES = {
    "fuseboard_engine.events": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_engine.commands": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.board.histogram": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.board.board": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.backend": SCREEN | {"aiosqlite", "sqlite3", "msgspec", "pytest"},
    "fuseboard_storage.backend.protocols": SCREEN | {"aiosqlite", "sqlite3", "pytest"},
    "fuseboard_storage.backend.conformance": SCREEN | {"aiosqlite", "sqlite3", "msgspec", "pytest"},
    "fuseboard_storage.backend.conformance.suite": SCREEN | {"aiosqlite", "sqlite3"},
    "fuseboard_storage.board": SCREEN | {"aiosqlite", "sqlite3", "msgspec"},
    "fuseboard_storage.recorder": SCREEN | {"aiosqlite", "sqlite3", "msgspec"},
    "fuseboard_storage.recorder.recorder": SCREEN | {"aiosqlite"},
    "fuseboard_storage.recording": SCREEN | {"aiosqlite", "sqlite3", "msgspec"},
    "fuseboard_storage.recording.recording": SCREEN,
    "fuseboard_storage.recording.tail": SCREEN,
}


@pytest.mark.parametrize("module", MODULES)
def test_a_storage_module_imports_no_more_than_it_needs(module: str) -> None:
    assert not packages_loaded_by(module) & MODULES[module]


@pytest.mark.parametrize(
    "package", ["", ".backend", ".backend.conformance", ".board", ".recorder", ".recording", ".mailbox"]
)
def test_every_public_name_of_the_storage_can_be_imported(package: str) -> None:
    module = import_module(f"fuseboard_storage{package}")
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert not isinstance(getattr(module, name), ModuleType)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense

"""Packages import one way, and an application that embeds the engine loads no screen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.fresh_interpreter import packages_loaded_by
from support.paths import ROOT

FLOORS = {
    "fuseboard": (ROOT / "api", {"fuseboard_engine", "fuseboard_storage", "fuseboard_console"}),
    "fuseboard_engine": (ROOT / "engine", set()),
    "fuseboard_storage": (ROOT / "storage", {"fuseboard_engine"}),
    "fuseboard_console": (ROOT / "console", {"fuseboard_engine", "fuseboard_storage", "fuseboard_scenarios"}),
    "fuseboard_scenarios": (ROOT / "demo_scenarios", set()),
}


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FLOORS)
def test_imports_run_one_way(package: str) -> None:
    folder, allowed = FLOORS[package]
    for file in (folder / package).rglob("*.py"):
        ours = {name for name in imported(file) if name.startswith("fuseboard_")}
        assert ours <= allowed | {package}, f"{file.relative_to(ROOT)} imports {ours - allowed - {package}}"


HEADLESS = {
    "fuseboard_engine": ("textual", "rich", "aiosqlite", "sqlite3", "httpx", "yaml", "pydantic"),
    "fuseboard_engine.engine": ("textual", "rich", "aiosqlite", "sqlite3", "httpx", "yaml"),
    "fuseboard_engine.events": ("textual", "rich", "aiosqlite", "sqlite3", "pydantic", "asyncio"),
    "fuseboard_engine.scenario.player": ("textual", "rich", "aiosqlite", "sqlite3", "httpx"),
    "fuseboard_storage": ("textual", "rich", "pydantic"),
}


@pytest.mark.parametrize("module", HEADLESS)
def test_a_headless_import_loads_no_more_than_it_needs(module: str) -> None:
    assert not packages_loaded_by(module) & set(HEADLESS[module])


def test_every_public_name_of_the_engine_can_be_imported() -> None:
    import fuseboard_engine

    for name in fuseboard_engine.__all__:
        assert getattr(fuseboard_engine, name) is not None
    assert set(fuseboard_engine.__all__) == set(fuseboard_engine._HOME)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fuseboard_engine.nonsense

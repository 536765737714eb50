"""Following a configuration file: half-written files, edits before the watch begins, holds of removed names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fuseboard_engine import Engine, watch_config
from fuseboard_engine.config import watcher
from fuseboard_engine.config.watcher import reload_config
from fuseboard_engine.events import ConfigReloaded
from support.engine_world import virtual

HEAD = 'name = "x"\n[adapters.a]\ncall = "json:dumps"\n'
TAIL = '[adapters.b]\ncall = "json:dumps"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "fuseboard.toml"
    path.write_text(HEAD + TAIL)
    return path


def names(engine: Engine) -> list[str]:
    return [adapter.name for adapter in engine.registry]


@virtual
async def test_a_file_that_is_being_written_is_left_until_two_checks_agree(path: Path) -> None:
    engine = Engine.from_config(path)
    async with watch_config(engine, path, interval=1):
        await asyncio.sleep(0.9)
        path.write_text(HEAD)  # written so far; a check comes now
        await asyncio.sleep(0.3)
        assert names(engine) == ["a", "b"]
        path.write_text(HEAD + TAIL + "tags = ['eu']\n")
        await asyncio.sleep(0.4)
        assert engine.registry["b"].tags == ()
        await asyncio.sleep(1)
        assert engine.registry["b"].tags == ("eu",)


@virtual
async def test_an_edit_from_before_the_watch_began_is_applied_at_once(path: Path) -> None:
    engine = Engine.from_config(path)
    path.write_text(HEAD)
    async with watch_config(engine, path, interval=60):
        await asyncio.sleep(0)
        assert names(engine) == ["a"]


@pytest.mark.parametrize("changed", [True, False])
@virtual
async def test_a_file_is_read_once_when_the_watch_begins(
    path: Path, changed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.from_config(path)
    if changed:
        path.write_text(HEAD)
    read: list[object] = []
    load = watcher.load_document
    monkeypatch.setattr(watcher, "load_document", lambda *a, **options: (read.append(a), load(*a, **options))[1])
    reloaded: list[object] = []
    engine.subscribe(lambda event: reloaded.append(event) if isinstance(event, ConfigReloaded) else None)
    async with watch_config(engine, path, interval=60):
        await asyncio.sleep(0)
        assert (len(read), len(reloaded)) == (1, int(changed))


@pytest.mark.parametrize("hold", ["force_open", "disable", "metrics_only"])
def test_a_removed_name_that_returns_keeps_the_state_in_which_it_was_held(path: Path, hold: str) -> None:
    engine = Engine.from_config(path)
    getattr(engine.breaker("b"), hold)()
    state = engine.breaker("b").state
    path.write_text(HEAD)
    reload_config(engine, path)
    assert names(engine) == ["a"]
    path.write_text(HEAD + TAIL)
    event = reload_config(engine, path)
    assert engine.breaker("b").state == state
    assert f"b: {state}, as an operator left it when it was removed" in event.changes
    engine.breaker("b").enable()
    path.write_text(HEAD)
    reload_config(engine, path)
    path.write_text(HEAD + TAIL)
    reload_config(engine, path)
    assert engine.breaker("b").state == "closed"

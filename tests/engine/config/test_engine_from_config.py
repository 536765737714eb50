"""Engines built from a configuration, and configuration reloads while they run."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, Engine
from fuseboard_engine.config.loader import load_config
from fuseboard_engine.config.watcher import reload_config, watch_config
from fuseboard_engine.documents.loader import DocumentError
from fuseboard_engine.events import ConfigReloaded, Event, RouteFinished
from support.engine_world import Script, now, virtual

NOTHING: dict[str, str] = {}


async def greet(task: Any) -> str:
    return f"hello {task['who']}"


async def refuse_all(task: Any) -> str:
    raise ConnectionError("refused")


CONFIG = f"""
name = "checkout"
[breaker]
failure_threshold = 3
success_threshold = 1
recovery_timeout = 10
jitter = 0
[retry]
max_attempts = 1
[adapters.down]
call = "{__name__}:refuse_all"
[adapters.up]
call = "{__name__}:greet"
[preferences]
default = ["down", "up"]
urgent = ["up"]
[logging]
enabled = false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fuseboard.toml"
    path.write_text(CONFIG)
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))


def reloads_of(engine: Engine) -> list[ConfigReloaded]:
    found: list[ConfigReloaded] = []

    def hear(event: Event) -> None:
        if isinstance(event, ConfigReloaded):
            found.append(event)

    engine.subscribe(hear)
    return found


# ------------------------------------------------------------------ making one


async def test_an_engine_behaves_as_its_file_says(file: Path) -> None:
    engine = Engine.from_config(file)
    assert engine.name == "checkout"
    result = await engine.execute_with_fallback({"who": "world"})
    assert (result.adapter, result.result, result.fallback_chain) == ("up", "hello world", ["down", "up"])
    urgent = await engine.execute_with_fallback({"who": "you", "task_type": "urgent"})
    assert urgent.fallback_chain == ["up"]
    assert engine.breaker("down").policy.failure_threshold == 3


async def test_an_adapter_added_in_code_gets_the_policies_that_the_file_sets_for_its_name(file: Path) -> None:
    change(file, "[preferences]", "[adapters.coded.breaker]\nfailure_threshold = 7\n[preferences]")
    engine = Engine.from_config(file)
    engine.add_adapter("coded", greet)
    engine.add_adapter("other", greet)
    assert engine.breaker("coded").policy.failure_threshold == 7
    assert engine.breaker("other").policy.failure_threshold == 3


async def test_the_environment_alone_configures_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSEBOARD__NAME", "checkout")
    monkeypatch.setenv("FUSEBOARD__ADAPTERS__UP__CALL", f"{__name__}:greet")
    engine = Engine.from_config()
    assert engine.name == "checkout"
    assert (await engine.execute_with_fallback({"who": "world"})).result == "hello world"


def test_targets_that_cannot_be_found_are_all_named(file: Path) -> None:
    change(file, f"{__name__}:greet", f"{__name__}:great")
    change(file, f"{__name__}:refuse_all", "nosuchmodule:x")
    with pytest.raises(DocumentError) as caught:
        Engine.from_config(file)
    assert "adapters.down" in str(caught.value) and "nosuchmodule" in str(caught.value)
    assert "adapters.up" in str(caught.value) and "'great'" in str(caught.value)


async def test_a_command_can_be_an_adapter(file: Path) -> None:
    script = file.parent / "echo.py"
    script.write_text("import json, sys\ntask = json.load(sys.stdin)\nprint(json.dumps({'got': task['who']}))\n")
    change(file, f'call = "{__name__}:greet"', f"command = ['{sys.executable}', '{script}']")
    async with Engine.from_config(file) as engine:
        result = await engine.execute_with_fallback({"who": "world", "task_type": "urgent"})
    assert result.unwrap() == {"got": "world"}


# ------------------------------------------------------------------ the main switch


@virtual
async def test_with_fault_tolerance_off_calls_bypass_the_breaker_and_nothing_is_counted() -> None:
    loop = asyncio.get_running_loop()
    engine = Engine(clock=loop.time)
    bad, good = Script(ConnectionError("no")), Script("yes")
    engine.add_adapter("bad", bad, breaker=BreakerPolicy(failure_threshold=1))
    engine.add_adapter("good", good)
    engine.apply(load_config(environment={"FUSEBOARD__FAULT_TOLERANCE__ENABLED": "false"}))
    for _ in range(5):
        result = await engine.execute_with_fallback({"id": "t"})
        assert (result.adapter, result.total_attempts) == ("good", 2)
    assert now() == 0.0, "no retry, no delay"
    assert len(bad.calls) == 5
    assert engine.breaker("bad").state == "closed"
    assert all(figures["calls"] == 0 for figures in engine.get_adapter_statistics().values())
    engine.apply(load_config(environment={}))
    await engine.execute_with_fallback({"id": "t"})
    assert engine.breaker("bad").state == "open"


@virtual
async def test_with_fault_tolerance_off_a_tasks_deadline_still_holds() -> None:
    loop = asyncio.get_running_loop()
    engine = Engine(clock=loop.time)
    engine.add_adapter("hung", Script(3600.0))
    other = Script("yes")
    engine.add_adapter("other", other)
    engine.apply(load_config(environment={"FUSEBOARD__FAULT_TOLERANCE__ENABLED": "false"}))
    result = await engine.execute_with_fallback({"id": "t"}, deadline=2)
    assert (result.success, now(), other.calls) == (False, 2.0, [])


# ------------------------------------------------------------------ changing one


async def test_a_reload_changes_policies_and_keeps_the_breakers_state(file: Path) -> None:
    engine = Engine.from_config(file)
    events = reloads_of(engine)
    for _ in range(2):
        await engine.execute_with_fallback({"who": "w"})
    assert engine.breaker("down").snapshot().failures == 2
    change(file, "failure_threshold = 3", "failure_threshold = 4")
    change(file, "max_attempts = 1", "max_attempts = 2")
    reload_config(engine, file)
    assert engine.breaker("down").snapshot().failures == 2
    assert engine.registry["down"].retry.max_attempts == 2
    (event,) = events
    assert event.ok
    assert "breaker of down: failure_threshold 3 -> 4" in event.changes
    assert "retry of up: max_attempts 1 -> 2" in event.changes
    assert event.policies["down"]["failure_threshold"] == 4
    assert event.retry_policies["up"]["max_attempts"] == 2
    await engine.execute_with_fallback({"who": "w"})
    assert engine.breaker("down").state == "open", "2 + 2 failures"


async def test_a_window_of_another_kind_starts_empty_and_the_event_says_so(file: Path) -> None:
    engine = Engine.from_config(file)
    await engine.execute_with_fallback({"who": "w"})
    change(file, "failure_threshold = 3", "failure_threshold = 3\nwindow_size = 9")
    event = reload_config(engine, file)
    assert any(text.startswith("breaker of down") and text.endswith("its window was reset") for text in event.changes)


async def test_an_open_breaker_stays_open_after_a_reload(file: Path) -> None:
    engine = Engine.from_config(file)
    for _ in range(3):
        await engine.execute_with_fallback({"who": "w"})
    change(file, "recovery_timeout = 10", "recovery_timeout = 1")
    reload_config(engine, file)
    seen = engine.breaker("down").snapshot()
    assert seen.state == "open"
    assert seen.retry_after is not None and seen.retry_after > 5


async def test_an_invalid_file_changes_nothing_and_its_mistakes_are_reported(file: Path) -> None:
    engine = Engine.from_config(file)
    before = engine.settings
    change(file, "failure_threshold = 3", "failure_treshold = 4")
    event = reload_config(engine, file)
    assert not event.ok
    assert "did you mean failure_threshold?" in event.problem and ":4:" in event.problem
    assert engine.settings is before
    assert engine.breaker("down").policy.failure_threshold == 3


async def test_a_target_that_cannot_be_found_makes_the_whole_file_invalid(file: Path) -> None:
    engine = Engine.from_config(file)
    change(file, "failure_threshold = 3", "failure_threshold = 4")
    change(file, "[preferences]", '[adapters.new]\ncall = "nosuchmodule:x"\n[preferences]')
    event = reload_config(engine, file)
    assert not event.ok and "adapters.new" in event.problem
    assert engine.breaker("down").policy.failure_threshold == 3


async def test_a_reload_adds_and_removes_adapters_and_chains(file: Path) -> None:
    engine = Engine.from_config(file)
    engine.add_adapter("coded", greet)
    change(file, f'[adapters.down]\ncall = "{__name__}:refuse_all"\n', f'[adapters.new]\ncall = "{__name__}:greet"\n')
    change(file, 'default = ["down", "up"]', 'default = ["new"]')
    change(file, 'urgent = ["up"]\n', "")
    event = reload_config(engine, file)
    assert event.ok, event.problem
    assert {adapter.name for adapter in engine.registry} == {"up", "coded", "new"}
    assert engine.registry.orders == {"": ("new",)}
    assert {"down: removed", "new: added"} <= set(event.changes)


async def test_settings_that_need_a_restart_are_named(file: Path) -> None:
    engine = Engine.from_config(file)
    change(file, 'name = "checkout"', 'name = "billing"\n[recording]\npath = "x.db"')
    event = reload_config(engine, file)
    assert event.restart == ("name", "recording")
    assert engine.name == "checkout"


async def test_a_reload_replaces_the_attribution_rows(file: Path) -> None:
    row = '\n[[attribution]]\nname = "mine"\nerrors = ["ConnectionError"]\ncounts = false\n'
    engine = Engine.from_config(file)
    builtin = engine.router.table.rules
    file.write_text(file.read_text() + row)
    reload_config(engine, file)
    result = await engine.execute_with_fallback({"who": "w"})
    assert (result.attempts[0].rule, result.attempts[0].outcome) == ("mine", "ignored")
    file.write_text(file.read_text().replace(row, ""))
    reload_config(engine, file)
    assert engine.router.table.rules == builtin


@virtual
async def test_a_changed_file_is_applied_and_an_invalid_one_keeps_the_last_valid_one(tmp_path: Path) -> None:
    file = tmp_path / "fuseboard.toml"
    file.write_text(CONFIG)
    engine = Engine.from_config(file, clock=asyncio.get_running_loop().time)
    events = reloads_of(engine)
    async with watch_config(engine, file, environment=NOTHING):
        await asyncio.sleep(5)
        assert events == []
        change(file, "failure_threshold = 3", "failure_threshold = 8")
        await asyncio.sleep(2)
        assert engine.breaker("down").policy.failure_threshold == 8
        change(file, "failure_threshold = 8", "failure_threshold = many")
        await asyncio.sleep(2)
        assert [event.ok for event in events] == [True, False]
        assert engine.breaker("down").policy.failure_threshold == 8
        file.unlink()
        await asyncio.sleep(5)
        file.write_text(CONFIG)
        await asyncio.sleep(1.5)
        assert engine.breaker("down").policy.failure_threshold == 3


async def test_a_policy_given_in_code_stays_unless_the_file_names_the_adapter(file: Path) -> None:
    engine = Engine.from_config(file)
    engine.add_adapter("special", greet, breaker=BreakerPolicy(failure_threshold=50))
    change(file, "failure_threshold = 3", "failure_threshold = 4")
    reload_config(engine, file)
    assert engine.breaker("special").policy.failure_threshold == 50
    change(file, "[preferences]", "[adapters.special.breaker]\nfailure_threshold = 6\n[preferences]")
    reload_config(engine, file)
    assert engine.breaker("special").policy.failure_threshold == 6


async def test_a_reload_does_not_disturb_calls_in_flight(file: Path) -> None:
    engine = Engine.from_config(file)
    release = asyncio.Event()
    finished: list[RouteFinished] = []
    engine.subscribe(lambda event: finished.append(event) if isinstance(event, RouteFinished) else None)

    async def slow(task: Any) -> str:
        await release.wait()
        return "done"

    engine.add_adapter("slow", slow)
    calls = [asyncio.create_task(engine.execute_with_fallback({"id": f"{n}"}, ["slow"])) for n in range(3)]
    await asyncio.sleep(0)
    change(file, "failure_threshold = 3", "failure_threshold = 5")
    reload_config(engine, file)
    release.set()
    assert [call.result for call in await asyncio.gather(*calls)] == ["done"] * 3
    assert len(finished) == 3

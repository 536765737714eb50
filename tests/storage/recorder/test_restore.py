"""State restored from a recording by a new engine; an unusable recording never prevents a start."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CircuitOpen, Engine, RetryPolicy
from fuseboard_engine.config.loader import load_config
from fuseboard_engine.events import AdapterAdded, StateChanged
from fuseboard_storage import Recording, record, restore

POLICY = BreakerPolicy(failure_threshold=2, recovery_timeout=60, max_recovery_timeout=600, jitter=0)


class Time:
    """A wall clock and a monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.wall_offset = 1_800_000_000.0

    def clock(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return round((self.seconds + self.wall_offset) * 1e6)


class App(Engine):
    """An engine with an adapter that is down and one that is up; `called` counts calls of the first."""

    def __init__(self, time: Time, name: str = "checkout") -> None:
        super().__init__(name, breaker=POLICY, retry=RetryPolicy(max_attempts=1), clock=time.clock, wall=time.wall)
        self.called = 0
        self.add_adapter("down", self._down)
        self.add_adapter("up", self._up)

    async def _down(self, task: Any) -> None:
        self.called += 1
        raise ConnectionError("refused")

    async def _up(self, task: Any) -> str:
        return "yes"

    async def work(self, times: int = 1) -> None:
        for _ in range(times):
            await self.execute_with_fallback({"id": "t"}, ["down", "up"])


@pytest.fixture
def time() -> Time:
    return Time()


async def first_run(path: Path, time: Time) -> App:
    app = App(time)
    async with record(app, path):
        await app.work(5)
    return app


async def test_CB24_an_adapter_that_was_down_is_not_called_after_a_restart(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    time.seconds += 20
    app = App(time)
    async with record(app, path, restore=True):
        seen = app.breaker("down").snapshot()
        assert (seen.state, seen.openings, seen.failures, seen.retry_after) == ("open", 1, 2, 40.0)
        assert seen.last_error == "ConnectionError: refused"
        await app.work(3)
        assert app.called == 0
        time.seconds += 40
        await app.work()
        assert app.called == 1, "a probe"
        assert app.breaker("down").snapshot().retry_after == 90.0, "the growth of the wait went on"


async def test_statistics_continue_and_add_up_across_restarts(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    first = await first_run(path, time)
    before = first.get_adapter_statistics()
    second = App(time)
    async with record(second, path, restore=True):
        figures = second.get_adapter_statistics()
        for counted in (*figures.values(), *before.values()):
            counted["last_success_at"] = None  # of this instance alone
        assert figures == before
        await second.work(2)
    third = App(time)
    assert await restore(third, path)
    figures = third.get_adapter_statistics()
    assert figures["up"]["successes"] == 7
    assert figures["down"]["failures"] == 2
    assert figures["down"]["rejections"] == 5


async def test_a_state_set_by_an_operator_is_kept(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    app = App(time)
    async with record(app, path):
        app.breaker("down").force_open(actor="kim")
        app.breaker("up").disable(actor="kim")
    app = App(time)
    restored = await restore(app, path)
    assert restored.breakers == {"down": "forced_open", "up": "disabled"}
    with pytest.raises(CircuitOpen, match="held open by hand"):
        app.breaker("down").admit()


async def test_the_recording_says_that_its_state_was_restored(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    async with record(App(time), path, restore=True), Recording.open(path) as recording:
        entries = [e.event for e in await recording.entries(limit=10**6) if e.instance == 2]
        (changed,) = [e for e in entries if isinstance(e, StateChanged)]
        assert (changed.adapter, changed.after, changed.reason) == ("down", "open", "restored")
        figures = {e.adapter: e.figures for e in entries if isinstance(e, AdapterAdded)}
        assert figures["up"] is not None and figures["up"]["successes"] == 5
        board = await recording.board()
        (row,) = board.find("up")
        assert (row.successes, row.calls) == (5, 5)


async def test_a_wall_clock_set_back_never_makes_a_wait_longer_than_it_was(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    time.wall_offset -= 3_600
    app = App(time)
    await restore(app, path)
    assert app.breaker("down").snapshot().retry_after == 60.0


async def test_only_an_instance_of_the_same_name_is_restored(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    other = App(time, "billing")
    restored = await restore(other, path)
    assert restored.why_fresh == f"no engine called billing was recorded in {path}"
    assert other.breaker("down").state == "closed"


async def test_nothing_is_restored_by_default(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    app = App(time)
    async with record(app, path):
        assert app.breaker("down").state == "closed"


async def test_a_killed_instance_is_restored_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    program = f"""
import asyncio, os, signal
from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_storage import record

async def down(task):
    raise ConnectionError("refused")

async def main():
    engine = Engine("checkout", breaker=BreakerPolicy(failure_threshold=1, recovery_timeout=600))
    engine.add_adapter("down", down)
    async with record(engine, {str(path)!r}) as recorder:
        await engine.execute_with_fallback({{"id": "t"}})
        await recorder.flushed()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=False)
    engine = Engine("checkout")

    async def down(task: Any) -> None:
        raise AssertionError("it is known to be down")

    engine.add_adapter("down", down)
    restored = await restore(engine, path)
    assert restored.breakers == {"down": "open"}
    assert engine.breaker("down").snapshot().retry_after is not None


# ------------------------------------------------------------------ CB24: the store is out


async def test_CB24_a_file_that_is_missing_is_a_fresh_start(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "none.db"
    app = App(time)
    assert (await restore(app, path)).why_fresh == f"{path} is missing"
    assert not path.exists()
    async with record(app, path, restore=True):
        await app.work()


@pytest.mark.parametrize("content", [b"no database at all, just text" * 10, b"SQLite format 3\0" + b"\xff" * 5_000])
async def test_CB24_a_foreign_file_is_a_fresh_start_and_is_reported(
    content: bytes, tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "fuseboard.recorder"):
        restored = await restore(App(time), path)
    assert restored.adapters == () and restored.why_fresh
    assert "The engine starts fresh." in caplog.text
    assert path.read_bytes() == content


async def test_CB24_a_damaged_recording_is_a_fresh_start(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    app = App(time)
    with caplog.at_level(logging.WARNING, "fuseboard.recorder"):
        restored = await restore(app, path)
    assert restored.why_fresh
    assert app.breaker("down").state == "closed"


async def test_CB24_invalid_rows_leave_their_adapter_fresh(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "a.db"
    await first_run(path, time)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM keyframes")
        connection.execute(
            "UPDATE event_log SET body = json_set(body, '$.openings', -5) "
            "WHERE template IN (SELECT id FROM event_templates WHERE kind = 'state_changed')"
        )
    connection.close()
    app = App(time)
    restored = await restore(app, path)
    assert restored.adapters == ("up",)
    assert app.breaker("down").state == "closed"


async def test_a_configuration_can_enable_restoring(tmp_path: Path, time: Time) -> None:
    from fuseboard_storage.recorder.from_config import record_configured

    path = tmp_path / "a.db"
    await first_run(path, time)
    (tmp_path / "f.toml").write_text('name = "checkout"\n[recording]\npath = "a.db"\nrestore = true\n')
    app = App(time)
    app.apply(load_config(tmp_path / "f.toml", environment={}))
    async with record_configured(app) as recorder:
        assert recorder is not None and recorder.path == path
        assert app.breaker("down").state == "open"

"""The command dispatcher: sends commands to a recording's mailbox and reports their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fuseboard_console.operator.dispatcher import CommandDispatcher
from fuseboard_console.sources.feed import Mailbox
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_engine import Engine
from fuseboard_storage import Recording, RecordingError, Tail, record
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import ListMailbox, until
from support.console_watching import watching
from support.waiting import PATIENCE


def at_desk(mailbox: Mailbox) -> tuple[CommandDispatcher, list[str]]:
    """A desk over a mailbox, and what it tells."""
    told: list[str] = []
    return CommandDispatcher(
        mailbox, "a.db", lambda instance: Connection("live"), lambda text, severity="": told.append(text)
    ), told


@asynccontextmanager
async def running(path: Path, name: str, *adapters: str) -> AsyncIterator[Engine]:
    """An engine that records to a file."""
    engine = Engine(name)
    for adapter in adapters:
        engine.add_adapter(adapter, lambda task: task)
    async with record(engine, path):
        yield engine


def rotate(path: Path) -> None:
    """Take a recording away, with what SQLite has beside it."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


async def test_a_thousand_commands_are_sent_at_once_and_reported_in_one_sentence(tmp_path: Path) -> None:
    names = [f"a{number:03}" for number in range(1000)]
    async with running(tmp_path / "a.db", "checkout", *names) as engine, Recording.open(tmp_path / "a.db") as recording:
        desk, told = at_desk(recording)
        await desk.send_all("force_open", [AdapterKey(1, name) for name in names])
        assert len(await recording.commands(2_000)) == 1_000
        async with asyncio.timeout(PATIENCE):
            while not told:
                await desk.poll()
                await asyncio.sleep(0.02)
        assert told == ["1,000 breakers were held open."]
        assert {adapter.breaker.state for adapter in engine.registry} == {"forced_open"}


async def test_a_failed_write_is_reported_for_every_selected_adapter(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with running(path, "checkout", "gpt", "agno"), Recording.open(path) as recording:
        desk, told = at_desk(recording)
        rotate(path)
        await desk.send_all("reset", [AdapterKey(1, "gpt"), AdapterKey(1, "agno")])
    assert told == [
        "0 of 2 done; gpt, agno: the command could not be written: a.db is gone. Try again when it is back."
    ]


async def test_a_waiter_is_notified_when_its_session_is_left() -> None:
    desk, told = at_desk(ListMailbox())
    waiting = asyncio.ensure_future(desk.send_and_wait("dlq_retry", 1, {"ids": [1]}))
    await asyncio.sleep(0)
    await desk.poll()
    assert not waiting.done()
    desk.close()
    with pytest.raises(RecordingError, match=r"a\.db was left"):
        await waiting
    await desk.poll()
    assert told == []


async def test_a_command_in_a_replaced_file_is_not_searched_in_the_new_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    async with running(path, "checkout", "gpt"):
        pass
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        desk, told = at_desk(live)
        await desk.send("disable", "gpt", 1)
        waiting = asyncio.ensure_future(desk.send_and_wait("dlq_retry", 1, {"ids": [1]}))
        async with Recording.open(path) as recording:
            while len(await recording.commands(2)) < 2:
                await asyncio.sleep(0)
        await desk.poll()
        rotate(path)
        async with running(path, "billing", "other"), Recording.open(path) as other:
            for adapter in ("other", "nonesuch"):
                await other.outcome(await other.ask("reset", adapter, actor="ben"))
            await live.advance()
            await desk.poll()
            with pytest.raises(RecordingError, match="was replaced"):
                await waiting
    assert told == ["The recording was replaced: the outcome of the command is not known."]


async def test_a_key_on_a_view_held_still_asks_nothing_of_the_engine_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with running(path, "checkout", "prefect"), watching(path) as console:
        await console.sees("prefect")
        await console.press("space")
        await console.sees("PAUSED")
        rotate(path)
        async with running(path, "billing", "prefect", "other"), Recording.open(path) as other:
            await console.press("r")
            await console.hears("could not be written: a.db was replaced by another recording")
            assert await other.commands(10) == []


async def test_leaving_a_session_with_a_pending_outcome_succeeds() -> None:
    show = Show()
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        show.app.push_session(show.app.sessions.current)
        waiting = asyncio.ensure_future(show.app.dispatcher.send_and_wait("dlq_retry", 1, {"ids": [1]}))
        await until(lambda: bool(show.mailbox.asked), pilot)
        await pilot.press("L")
        with pytest.raises(RecordingError, match="was left"):
            await waiting

"""The notice that an engine is back: only when a live view saw it silent and then alive again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fuseboard_console.app import launch
from fuseboard_console.app.session_stack import UNREAD
from fuseboard_console.sources.feed import Feed
from fuseboard_console.sources.session import Session
from fuseboard_engine.events import EngineStarted, ScenarioStep
from fuseboard_storage.recording.tail import Tail
from support.console_show import Show
from support.console_story import ListFeed, added, at, changed, settle, started, stopped, until
from support.console_watching import replaying
from support.replays import recorded


class Heard(Show):
    """A console on a live engine that keeps every notice and every banner that it showed."""

    def __init__(self) -> None:
        super().__init__([started(), added("gpt")], when=10)
        self.notices: list[str] = []
        self.banners: set[str] = set()
        notify = self.app.notify
        show = self.app.renderer.banner.show

        def heard(message: str, **options: object) -> None:
            self.notices.append(message)
            notify(message, **options)  # type: ignore[arg-type]

        def seen(line: object) -> None:
            self.banners.add("".join(span.text for span in line))  # type: ignore[attr-defined]
            show(line)  # type: ignore[arg-type]

        self.app.notify = heard  # type: ignore[method-assign, assignment]
        self.app.renderer.banner.show = seen  # type: ignore[method-assign, assignment]

    def live_at(self, when: float) -> None:
        """Set the clock. The engine has given signs of life until then."""
        self.when = self.feed.alive = when

    def said_wrong(self) -> list[str]:
        return [text for text in (*self.notices, *self.banners) if "is back" in text or "No engine" in text]


@asynccontextmanager
async def running(show: Show) -> AsyncIterator[Pilot[None]]:
    async with show.app.run_test(size=(140, 30), notifications=True) as pilot:
        await until(show.sees("gpt", "live"), pilot)
        yield pilot


async def test_after_a_pause_a_living_engine_was_never_silent() -> None:
    show = Heard()
    async with running(show) as pilot:
        await pilot.press("space")
        await until(show.sees("PAUSED"), pilot)
        show.live_at(100)
        await settle(pilot)
        await pilot.press("space")
        await until(show.sees("live 0.0 s", "14:01:40"), pilot)
        await settle(pilot)
        assert show.said_wrong() == []


async def test_an_engine_that_returned_during_a_pause_is_live_without_a_notice() -> None:
    show = Heard()
    async with running(show) as pilot:
        show.when = 40
        await until(show.sees("silent 30 s"), pilot)
        show.banners.clear()
        await pilot.press("space")
        await until(show.sees("PAUSED"), pilot)
        show.live_at(100)
        await settle(pilot)
        await pilot.press("space")
        await until(show.sees("live 0.0 s"), pilot)
        await settle(pilot)
        assert [text for text in show.notices if "is back" in text] == []


async def test_after_a_scenario_is_left_the_engine_below_was_never_silent() -> None:
    show = Heard()
    async with running(show) as pilot:
        scenario = ListFeed(
            alive=10, events=[EngineStarted(at=at(10), name="mine", host="h", pid=1), added("other", 10)]
        )
        await scenario.advance()
        show.app.push_session(Session(scenario, "mine.db"))
        await until(show.sees("mine.db", "other"), pilot)
        show.live_at(100)
        scenario.alive = 100
        await settle(pilot)
        await pilot.press("L")
        await until(show.sees("checkout.db", "gpt", "live 0.0 s"), pilot)
        await settle(pilot)
        assert show.said_wrong() == []
        assert "Live again." in show.notices


async def test_an_engine_below_a_scenario_that_had_ended_and_returned_is_not_announced() -> None:
    show = Heard()
    async with running(show) as pilot:
        show.when = 40
        await until(show.sees("silent 30 s"), pilot)
        scenario = ListFeed(
            alive=40, events=[EngineStarted(at=at(40), name="mine", host="h", pid=1), added("other", 40)]
        )
        await scenario.advance()
        show.app.push_session(Session(scenario, "mine.db"))
        await until(show.sees("mine.db", "other"), pilot)
        show.live_at(100)
        await pilot.press("L")
        await until(show.sees("checkout.db", "gpt", "live 0.0 s"), pilot)
        await settle(pilot)
        assert [text for text in show.notices if "is back" in text] == []


async def test_after_the_console_itself_stood_still_a_living_engine_was_never_silent() -> None:
    show = Heard()
    async with running(show) as pilot:
        show.live_at(100)  # as after Ctrl-Z and fg: the clock has gone on, and a timer fires before the next reading
        show.app.show()
        await until(show.sees("live 0.0 s", "14:01:40"), pilot)
        assert show.said_wrong() == []


def test_before_the_first_reading_the_time_shown_goes_on_by_a_second_at_the_most() -> None:
    show = Show([started(), added("gpt")], when=10)
    show.when = 100  # the screen took long to open
    assert show.app.sessions.now() == at(10) + UNREAD
    assert show.app.sessions.unread


async def test_the_heartbeats_are_read_again_once_the_console_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path / "a.db", [started(), added("gpt")])
    shown: list[int] = []

    class Console:
        return_code = 0

        def __init__(self, feed: Feed, **options: object) -> None:
            shown.extend(row.heartbeat_at for row in feed.board.instances.values())

        async def run_async(self, **options: object) -> None:
            pass

    read_first = Tail.read_first

    async def then_time_passes(self: Tail) -> None:
        await read_first(self)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE instances SET heartbeat_at = ?", (at(70),))

    monkeypatch.setattr(Tail, "read_first", then_time_passes)
    monkeypatch.setattr("fuseboard_console.app.app.ConsoleApp", Console)
    monkeypatch.setattr(launch, "_leave_when_told", lambda app: None)
    await launch.watch(str(path), read_only=True)
    assert shown == [at(70)]


async def test_a_scenario_that_is_played_from_the_beginning_is_not_announced() -> None:
    show = Heard()
    show.feed.events.append(ScenarioStep(at=at(5), scenario="checkout", title="An outage", text="It begins"))
    async with running(show) as pilot:
        show.live_at(20)
        show.feed.events.append(stopped(20))
        await until(show.sees("ended"), pilot)
        show.feed.events += [started(20), added("gpt", 20)]
        await until(show.sees("live 0.0 s"), pilot)
        await settle(pilot)
        assert show.said_wrong() == []


async def test_a_seek_in_a_replay_from_a_silence_to_life_is_not_announced(tmp_path: Path) -> None:
    events = [started(), added("gpt"), stopped(20), started(60), added("gpt", 60), changed("gpt", "open", 70)]
    async with replaying(recorded(tmp_path / "a.db", events), at=at(30)) as console:
        await console.sees("ended")
        notices: list[str] = []
        notify = console.app.notify
        console.app.notify = lambda message, **options: (notices.append(message), notify(message, **options))  # type: ignore[method-assign, assignment, func-returns-value]
        await console.app.seek(at(70))
        await console.sees("OPEN")
        await console.app.seek(at(30))
        await console.sees("ended")
        await console.press("right_curly_bracket")
        await console.sees("OPEN")
        assert notices == []

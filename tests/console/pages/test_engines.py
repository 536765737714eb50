"""The page of engines: every instance that writes to the recording, or wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.lists.engines import counts_of, engine_line, engine_lines, engine_order
from fuseboard_engine import Engine
from fuseboard_engine.events import EngineStarted
from fuseboard_storage import Recording, Tail, record
from fuseboard_storage.board.board import Board
from support.console_show import Show
from support.console_story import added, at, entries, fold, started, stopped, until
from support.hostile_texts import HOSTILE
from support.screen import screen_text


def three() -> Board:
    """A live engine, a silent one, and one that ended, with adapters."""
    board = Board()
    told = [
        *entries([started(0, "shop"), added("gpt")], 1, 1),
        *entries([started(5, "search"), added("embed"), added("rerank")], 3, 2),
        *entries([started(9, "nightly"), stopped(20)], 6, 3),
    ]
    for entry in told:
        board.apply(entry)
    board.heartbeat(1, at(60))
    return board


def test_silent_engines_come_first_with_the_time_of_their_last_sign_of_life() -> None:
    board = three()
    order = engine_order(board.instances.values(), at(60))
    said = [
        text_of(engine_line(board.instances[id], counts_of(board, at(60)), at(60), 120, 24, UNICODE)) for id in order
    ]
    assert "search@web-1:4242" in said[0]
    assert "SILENT" in said[0]
    assert "for 55 s" in said[0]
    assert "2 ●" in said[0]
    assert "shop@web-1:4242" in said[1]
    assert "up 60 s" in said[1]
    assert "40 s ago, ran 11 s" in said[2]


async def test_the_page_opens_an_engine_and_links_to_its_adapters() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("9")
        await until(show.sees("› Engines", "checkout@web-1:4242", "LIVE", "up 2 min"), pilot)
        await pilot.press("enter")
        await until(show.sees("process     4242", "2025-11-21 14:00:00", "prefect → agno", "a its adapters"), pilot)
        await pilot.press("a")
        await until(show.sees("› Overview", 'instance:"checkout@web-1:4242"', "12 of 12"), pilot)


async def test_engines_of_earlier_runs_are_read_from_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for _ in range(3):
        async with record(Engine("checkout"), path):
            pass
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        app = ConsoleApp(live, file="a.db", mailbox=live, poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.press("9")

            def seen() -> bool:
                screen = screen_text(app)
                return screen.count("ENDED") == 3

            await until(seen, pilot)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_not_break_the_layout_of_lines(text: str) -> None:
    board = fold([EngineStarted(at=at(0), name=text, host=text, pid=1), added(text), stopped(3)])
    row = board.instances[1]
    row.reason = text
    for cells in (20, 80, 200):
        for glyphs in (UNICODE, ASCII):
            line = engine_line(row, counts_of(board, at(9)), at(9), cells, 24, glyphs)
            assert line_width(line) <= cells
            for told in (line, *engine_lines(row, board, at(9), cells, glyphs)):
                assert text_of(told).isprintable()


async def test_a_killed_engine_is_still_shown_as_killed_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with record(Engine("checkout"), path):
        pass
    connection = sqlite3.connect(path)
    dead = """UPDATE event_log SET body = json_set(body, '$.reason', 'lost')
        WHERE template IN (SELECT id FROM event_templates WHERE kind = 'engine_stopped')"""
    connection.execute(dead)
    connection.commit()
    connection.close()
    async with record(Engine("checkout"), path):
        pass
    async with Recording.open(path) as recording:
        assert await recording.end_reasons() == {1: "lost", 2: "closed"}
        with pytest.warns(DeprecationWarning, match="end_reasons"):
            assert await recording.endings() == {1: "lost", 2: "closed"}
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        app = ConsoleApp(live, file="a.db", mailbox=live, poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.press("9")

            def seen() -> bool:
                screen = screen_text(app)
                return "KILLED" in screen and "ended without saying so" in screen and "ENDED" in screen

            await until(seen, pilot)

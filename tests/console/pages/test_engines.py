"""The page of engines: every instance that writes to the recording, or wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.lists.engine_totals import grouped_order, states_of, totals_line, totals_lines
from fuseboard_console.views.lists.engines import counts_of, engine_line, engine_lines, engine_order
from fuseboard_engine import Engine
from fuseboard_engine.events import EngineStarted
from fuseboard_storage import Recording, Tail, record
from fuseboard_storage.board.board import Board, InstanceRow
from support.console_show import Show
from support.console_story import added, at, entries, fold, siblings, started, stopped, until
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


def test_processes_of_one_name_stand_together_after_their_name() -> None:
    board = siblings()
    order = grouped_order(board.instances.values(), at(60))
    assert order[0] == "shop"
    assert set(order[1:5]) == {1, 2, 3, 4}
    assert order[5:] == [5]


def test_older_ended_processes_of_a_name_come_after_the_other_names() -> None:
    board = Board()
    for number in range(9):
        for entry in entries([started(number, "shop"), stopped(number + 0.5)], 2 * number + 1, number + 1):
            board.apply(entry)
    rows = {row.id: row for row in board.instances.values()}
    for id in range(1, 10):
        rows[id] = InstanceRow(id, "shop", "web-1", id, at(id))
        rows[id].ended_at = at(id + 0.5)
    rows[20] = InstanceRow(20, "search", "web-1", 20, at(0))
    rows[20].ended_at = at(1)
    assert grouped_order(rows.values(), at(60)) == ["shop", 9, 8, 7, 6, 5, 20, 4, 3, 2, 1]
    del rows[20]
    assert grouped_order(rows.values(), at(60)) == ["shop", *range(9, 0, -1)]


def test_a_line_of_totals_counts_processes_tasks_and_calls_of_ended_ones_too() -> None:
    board = siblings()
    states = states_of("shop", board.instances.values(), at(60))
    assert states == {"running": 1, "silent": 1, "killed": 1, "ended": 1}
    totals = board.totals()["shop"]
    line = text_of(totals_line("shop", totals, states, 160, 24))
    assert line.startswith("  shop in total ")
    assert "4 processes: 1 running, 1 silent, 1 killed, 1 ended" in line
    assert "3 tasks, 3 answered  4 calls, 1 failed" in line
    told = [text_of(one) for one in totals_lines("shop", totals, states, 100)]
    assert any("gpt" in one and "4 calls, 1 failed" in one for one in told)


def test_a_count_that_does_not_fit_the_line_of_totals_is_left_out_rather_than_cut() -> None:
    totals = siblings().totals()["shop"]
    for cells in range(50, 100):
        line = text_of(totals_line("shop", totals, {"running": 4}, cells, 24))
        assert line.endswith(("4 running", "3 tasks, 3 answered", "4 calls, 1 failed")), line


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_does_not_break_the_layout_of_totals(text: str) -> None:
    board = fold([EngineStarted(at=at(0), name=text, host="h", pid=1), added(text), stopped(3)])
    totals = board.totals()[text]
    for cells in (20, 80, 200):
        line = totals_line(text, totals, {"ended": 1}, cells, 24)
        assert line_width(line) <= cells
        for told in (line, *totals_lines(text, totals, {"ended": 1}, cells)):
            assert text_of(told).isprintable()


async def test_the_page_has_a_line_of_totals_that_opens_the_totals_of_each_adapter(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for _ in range(2):
        engine = Engine("checkout")
        engine.add_adapter("gpt", lambda task: "done")
        async with record(engine, path):
            await engine.execute_with_fallback("task")
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        app = ConsoleApp(live, file="a.db", mailbox=live, poll=0.01)
        async with app.run_test(size=(140, 40), notifications=True) as pilot:
            await pilot.press("9")
            await until(lambda: "2 tasks, 2 answered  2 calls, 0 failed" in screen_text(app), pilot)
            assert "checkout in total" in screen_text(app)
            await pilot.press("home", "enter")
            await until(lambda: "Adapters of all processes" in screen_text(app), pilot)
            assert "2 processes: 2 ended" in screen_text(app)
            await pilot.press("a")
            await until(lambda: 'instance:"checkout@"' in screen_text(app), pilot)


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
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        app = ConsoleApp(live, file="a.db", mailbox=live, poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await pilot.press("9")

            def seen() -> bool:
                screen = screen_text(app)
                return "KILLED" in screen and "ended without saying so" in screen and "ENDED" in screen

            await until(seen, pilot)

"""What is shown of an engine that gives no more signs of life: nothing after the last one, and its last figures."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.columns import place, row_line
from fuseboard_console.views.adapters.row_cache import RowLines
from fuseboard_console.views.detail.adapter_detail import Look, detail_lines
from fuseboard_console.views.detail.time_slices import WINDOWS, slices_of
from fuseboard_console.views.lists.status import status_json, status_text
from fuseboard_storage import Recording
from fuseboard_storage.board.board import AdapterKey, Board
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.recording.history import AdapterPast, past_of
from support.command_line import ENGINE
from support.console_story import added, answered, at, fold, opened, started
from support.console_watching import watching

GPT = AdapterKey(1, "gpt")


def killed(last: float = 60.5) -> Board:
    """An engine with two calls a second and, at 50 s, an opening, that gives no sign of life after `last`."""
    calls = [answered("gpt", second / 2, 0.1) for second in range(2, int(last * 2))]
    board = fold([started(), added("gpt"), *calls, opened("gpt", 50, wait=400)], alive=last)
    board.instances[1].gone = True
    return board


def detail(board: Board, now: float, cells: int = 101, glyphs: Glyphs = UNICODE, window: int = 1) -> list[str]:
    look = Look(WINDOWS[window])
    return [text_of(line) for line in detail_lines(board, GPT, at(now), cells, (), glyphs, look)]


def chart(lines: list[str], label: str, cells: int = 80) -> str:
    return next(line for line in lines if line.startswith(label))[12 : 12 + cells]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_nothing_is_drawn_after_the_last_sign_of_life(glyphs: Glyphs) -> None:
    lines = detail(killed(), 120, glyphs=glyphs)
    for label in ("states", "calls", "rejections"):
        rows = [chart(lines, label)]
        if label == "calls":
            first = lines.index(next(line for line in lines if line.startswith("calls")))
            rows += [line[12:92] for line in lines[first : first + 3]]
        drawn = max(len(row.rstrip()) for row in rows)
        assert drawn == 42, label  # 31 of 60 slices on 80 cells
    bottom = next(place for place, line in enumerate(lines) if line.startswith("latency")) + 4
    assert len(lines[bottom][12:92].rstrip()) == 42


def test_the_charts_of_an_engine_lost_long_ago_end_with_its_last_sign_of_life() -> None:
    lines = detail(killed(), 4_000)
    assert any("14:01:01" in line and "14:00:01" in line for line in lines)
    assert not any("15:06:40" in line for line in lines)
    assert chart(lines, "states").count("✖") == 8  # 11 s of 120 on 80 cells


def test_the_last_figures_stay_and_say_as_of_when_they_are() -> None:
    alive, late = killed(), killed()
    alive.instances[1].gone = False
    alive.heartbeat(1, at(61))
    for now in (62, 4_000):
        lines = detail(late, now)
        figures = next(line for line in lines if line.startswith("last minute"))
        assert figures.endswith("as of 14:01:00")
        assert "as of" not in "\n".join(detail(alive, 61))
        live = next(line for line in detail(alive, 61) if line.startswith("last minute"))
        assert figures.startswith(live)
        assert "–" not in figures
        assert "? KILLED, last sign of life 14:01:00" in lines[0]
        assert "was OPEN since 14:00:50" in lines[0]


def test_a_table_row_keeps_the_last_figures_of_a_lost_engine_while_others_go_on() -> None:
    columns = place(120, 10, 1, True)
    rows = RowLines(UNICODE)
    seen = []
    for now in (70, 200, 4_000):
        board = killed()
        rows.begin(board, at(now), columns, {})
        seen.append(text_of(rows.line(GPT, frozenset())))
        view = rows.view(GPT)
        assert view is not None
        assert text_of(row_line(view, at(now), columns, UNICODE)[1:]) == seen[-1]
    assert seen[0] == seen[1] == seen[2]
    assert "as of 14:01:00" in seen[0]
    assert "100" in seen[0]


def test_the_status_and_its_json_keep_the_last_figures() -> None:
    early, late = (status_json(killed(), "a.db", at(now))["adapters"][0] for now in (70, 4_000))
    assert early["calls_per_second"] == late["calls_per_second"] == 1.9
    assert late["last_minute"] == early["last_minute"]
    assert late["as_of"] == at(60.5)
    assert "as of 14:01:00" in status_text(killed(), "a.db", at(4_000), colour=False)


def test_the_status_json_of_a_living_engine_has_no_as_of() -> None:
    board = fold([started(), added("gpt")], alive=5)
    assert status_json(board, "a.db", at(6))["adapters"][0]["as_of"] is None


def test_an_engine_that_is_only_silent_keeps_its_last_figures_on_the_screen() -> None:
    board = killed()
    board.instances[1].gone = False
    shown = next(line for line in detail(board, 200) if line.startswith("last minute"))
    assert shown.startswith("last minute 1.9/s  100 % ok")
    assert shown.endswith("as of 14:01:00")


class TestSlices:
    """The past of an adapter whose engine ran several times."""

    def states(self, past: AdapterPast, added_at: float, count: int = 10) -> str:
        slices = slices_of(past, at(100), 100, count, at(added_at))
        signs = {"closed": "c", "open": "o", None: "."}
        return "".join(" " if one.lost else signs[one.state] for one in slices)

    def test_nothing_is_drawn_between_a_kill_and_the_next_start(self) -> None:
        lives = ((at(0), at(35)), (at(70), at(100)))
        past = AdapterPast((), [(at(10), "closed"), (at(21), "open")], lives)
        assert self.states(past, added_at=70) == "ccoo   ccc"

    def test_a_next_run_begins_closed_even_if_the_one_before_ended_open(self) -> None:
        lives = ((at(0), at(25)), (at(40), at(60)), (at(80), at(100)))
        calls = [AdapterSecond(at(41), "gpt", calls=1)]
        past = AdapterPast(calls, [(at(5), "open")], lives)
        assert self.states(past, added_at=80) == "oo" + "o" + " " + "ccc" + " " + "cc"

    def test_what_is_recorded_after_the_last_heartbeat_is_a_sign_of_life(self) -> None:
        past = AdapterPast((), [(at(5), "closed"), (at(41), "open")], ((at(0), at(39)),))
        assert self.states(past, added_at=0) == "cccco" + " " * 5

    def test_before_the_first_run_the_state_is_unknown(self) -> None:
        past = AdapterPast((), (), ((at(50), at(100)),))
        assert self.states(past, added_at=50) == "....." + "ccccc"

    def test_runs_that_overlap_are_one_life(self) -> None:
        lives = ((at(0), at(50)), (at(20), at(70)))
        past = AdapterPast((), [(at(30), "open")], lives)
        assert self.states(past, added_at=0) == "ccc" + "ooooo" + "  "

    def test_without_lives_the_engine_ran_all_the_time(self) -> None:
        assert self.states(AdapterPast((), [(at(50), "open")]), added_at=0) == "cccccooooo"


async def test_the_console_keeps_the_last_figures_of_a_process_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ENGINE), str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        async with watching(path, size=(120, 44)) as console:
            await console.sees("prefect", "OPEN", "agno", "CLOSED")
            await console.press("j", "enter")
            await console.sees("● CLOSED for", "100 % ok")
            process.kill()
            await process.wait()
            await console.sees("? KILLED, last sign of life", "100 % ok", "as of")
            assert console.lines("last minute", "100 % ok", "as of")
            await console.press("-", "-")
            await console.sees("last hour", "as of")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    async with Recording.open(path) as recording:
        row = (await recording.instances())[0]
        past = await past_of(recording, AdapterKey(1, "agno"), row.started_at, row.heartbeat_at + 3_600_000_000)
    assert past.lives == [(row.started_at, row.heartbeat_at)]

"""The scenarios that come along: together they put something on every page of the console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fuseboard_console.actions.pages import PAGES
from fuseboard_console.scenario_actions.virtual_run import play_virtually
from fuseboard_engine.scenario.model import load
from fuseboard_scenarios import shipped
from fuseboard_storage.board.board import Board
from fuseboard_storage.recording.recording import Recording
from support.console_watching import replaying

ROWS: dict[str, Callable[[Board], object]] = {
    "overview": lambda board: board.adapters,
    "routes": lambda board: board.routes,
    "failures": lambda board: board.failures,
    "dead_letters": lambda board: board.dead_letters,
    "workflows": lambda board: board.workflows,
    "health": lambda board: [row for row in board.rows() if row.health_alert or row.health],
    "scenarios": lambda board: board.scenario,
    "audit": lambda board: board.actions,
    "engines": lambda board: len(board.instances) > 1,
    "lanes": lambda board: [row for row in board.rows() if row.opens],
}
"""What of a Board is in the rows of each page; of the engines, more than one."""


def record(name: str, folder: Path) -> Path:
    file = folder / f"{name}.db"
    play_virtually(load(shipped()[name]), recording=str(file))
    return file


def board_of(file: Path) -> Board:
    async def read() -> Board:
        async with Recording.open(file) as recording:
            return await recording.board()

    return asyncio.run(read())


def test_the_whole_library_puts_something_on_every_page(tmp_path: Path) -> None:
    empty = {entry.id for entry in PAGES}
    for name in shipped():
        board = board_of(record(name, tmp_path))
        empty -= {page for page, rows in ROWS.items() if rows(board)}
    assert empty == set()


@pytest.mark.parametrize(
    ("name", "key", "shown"),
    [
        ("primary-outage", "1", ["prefect"]),
        ("primary-outage", "2", ["ai_task"]),
        ("primary-outage", "3", ["ConnectionRefusedError"]),
        ("poison-task", "4", ["31 succeeded", "invoice"]),
        ("crash-and-resume", "5", ["nightly-"]),
        ("standby-checked", "6", ["2 healthy"]),
        ("operator-rescue", "8", ["reset search", "virtual operator"]),
        ("deploy-breaks-one", "9", ["checkout-1", "checkout-2"]),
        ("region-failover", "l", ["eu-model", "us-model"]),
    ],
)
async def test_a_page_shows_what_a_story_tells(name: str, key: str, shown: list[str], tmp_path: Path) -> None:
    file = await asyncio.to_thread(record, name, tmp_path)
    async with replaying(file, size=(120, 40)) as console:
        await console.press(key)
        await console.sees(*shown)

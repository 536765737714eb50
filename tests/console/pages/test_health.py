"""The page of health: what each adapter's last check said, and what else keeps it from working well."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.lists.health import health_line, health_order, summary
from fuseboard_engine.events import CallOverdue, Event, HealthAlert, HealthChecked, ThreadsStuck, TripSuppressed
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import STORY_ENDS, added, answered, at, fold, opened, started, story, until
from support.console_watching import Watching, replaying
from support.hostile_texts import HOSTILE
from support.replays import recorded


def checked(adapter: str, status: str, when: float, detail: str = "") -> HealthChecked:
    return HealthChecked(at=at(when), adapter=adapter, status=status, detail=detail)


def checks() -> list[Event]:
    return [
        *story(),
        checked("gpt", "healthy", 10),
        checked("agno", "degraded", 100, "index 40 s behind"),
        checked("prefect", "unhealthy", 120, "no scheduler answers"),
        HealthAlert(at=at(125), adapter="prefect", failures=3, detail="no scheduler answers"),
    ]


async def test_adapters_that_need_attention_come_first_with_the_reason() -> None:
    show = Show(checks())
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("6")
        await until(show.sees("› Health", "1 unhealthy, 1 degraded, 1 healthy, 9 not checked"), pilot)
        await until(show.sees("3 bad checks in a row", "no scheduler answers", "index 40 s behind"), pilot)
        assert show.line_of("prefect") < show.line_of("agno") < show.line_of("gpt") < show.line_of("billing")


async def test_keys_act_on_the_adapter_under_the_cursor_and_enter_shows_it() -> None:
    show = Show(checks())
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("6")
        await until(show.sees("› Health"), pilot)
        await pilot.press("r")
        await until(lambda: show.mailbox.asked == [("reset", "prefect", 1)], pilot)
        await pilot.press("j", "enter")
        await until(show.sees("policy", "states", "agno"), pilot)


async def test_the_filter_matches_health_and_its_detail() -> None:
    show = Show(checks())
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("6", "slash", *"!health:unknown behind", "enter")
        await until(show.sees("1 of 12", "agno"), pilot)
        assert "gpt" not in show.screen().split("› Health")[1]


async def test_a_replay_shows_each_result_of_a_check_within_one_second(tmp_path: Path) -> None:
    events = [
        started(),
        added("agno"),
        added("gpt"),
        checked("agno", "healthy", 5.1, "fine"),
        checked("gpt", "unhealthy", 5.2, "bad"),
        checked("agno", "unhealthy", 5.3, "worse"),
        HealthAlert(at=at(5.4), adapter="gpt", failures=3, detail="worst"),
    ]
    path = recorded(tmp_path / "a.db", [*events, answered("agno", 30)])
    async with replaying(path, at=at(5)) as console:
        await console.press("6")
        await console.sees("2 not checked")
        await console.press("]")
        await console.sees("1 healthy, 1 not checked", "fine")
        await console.press("]")
        await console.sees("1 unhealthy, 1 healthy", "bad")
        assert order(console) == ["gpt", "agno"]
        await console.press("]")
        await console.sees("2 unhealthy", "worse")
        assert order(console) == ["agno", "gpt"]
        await console.press("]")
        await console.sees("worst")
        assert order(console) == ["gpt", "agno"]


def order(console: Watching) -> list[str]:
    """The adapters on the screen, top to bottom."""
    return [name for line in console.screen().splitlines() for name in ("agno", "gpt") if f" {name} " in line]


def test_a_suppressed_trip_hung_threads_and_overdue_calls_are_shown() -> None:
    board = fold(
        [
            started(),
            added("gpt"),
            added("agno"),
            TripSuppressed(at=at(1), adapter="gpt", reason="failures", detail="2 of 3 are out already"),
            ThreadsStuck(at=at(1), adapter="agno", stuck=2, total=2, limit=8),
            CallOverdue(at=at(1), adapter="agno", overdue=3, total=3),
        ],
        alive=2,
    )
    said = [
        text_of(health_line(board.adapters[key], board.instances[1], at(2), 120, 10, UNICODE))
        for key in health_order(board)
    ]
    assert "2 threads hang  3 overdue calls" in said[0]
    assert "kept closed: 2 of 3 are out already" in said[1]
    assert summary(board) == "2 not checked"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_not_break_the_layout_of_a_line(text: str) -> None:
    board = fold([started(), added(text), checked(text, "unhealthy", 1, text), opened(text, 2)], alive=STORY_ENDS)
    for cells in (20, 80, 200):
        for glyphs in (UNICODE, ASCII):
            row = board.adapters[AdapterKey(1, text)]
            line = health_line(row, board.instances[1], at(3), cells, 10, glyphs)
            assert line_width(line) <= cells
            assert text_of(line).isprintable()

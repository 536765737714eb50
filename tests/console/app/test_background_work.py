"""Work that continues beside the screen."""

from __future__ import annotations

import asyncio

from fuseboard_console.tui.background_work import run_in_background
from support.console_show import Show
from support.console_story import started


async def test_background_work_continues_while_keys_are_handled() -> None:
    show, go_on, done = Show([started()]), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        done.set()

    async with show.app.run_test() as pilot:
        run_in_background(show.app, work)
        await pilot.press("2")
        await pilot.pause()
        assert "› Routes" in show.screen()
        go_on.set()
        await done.wait()


async def test_work_cancelled_before_its_start_is_never_created() -> None:
    show, made = Show([started()]), []

    async def work() -> None: ...

    async with show.app.run_test() as pilot:
        run_in_background(show.app, lambda: made.append(True) or work())  # type: ignore[func-returns-value]
        show.app.workers.cancel_all()
        await pilot.pause()
    assert made == []

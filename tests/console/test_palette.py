"""The palette, where there is hardly room for it."""

from __future__ import annotations

import pytest
from console_support import resize
from test_app import Show


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (80, 2), (3, 24)], ids=str)
@pytest.mark.parametrize("opens", ["ctrl+p", "T"])
async def test_pages_are_turned_where_there_is_no_room_for_one(opens: str, size: tuple[int, int]) -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24)) as pilot:
        await pilot.press(opens)
        await pilot.press("down", "pagedown")
        await resize(pilot, *size)
        for key in ("pagedown", "pageup", "end", "home", "down", "up"):
            await pilot.press(key)
        await pilot.press("escape", "escape")
        assert show.app.is_running

"""Notices: one at a time, the newest, and never over data."""

from __future__ import annotations

import pytest

from support.console_show import Show
from support.console_story import settle, until

LONG = (
    "claude opened again after 1 s: ConnectionRefusedError: connect to 10.0.0.7:443 refused after 3 attempts. The end."
)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_notice_covers_no_line_of_data(size: tuple[int, int]) -> None:
    show = Show()
    async with show.app.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        before = show.screen().splitlines()
        show.app.show_notice(LONG)
        await until(show.sees("The end."), pilot)
        covered = [
            line for line, now in zip(before, show.screen().splitlines(), strict=False) if line != now and "│" in line
        ]
        assert not covered


async def test_a_notice_takes_the_place_of_the_one_before() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        show.app.show_notice("the first")
        await until(show.sees("the first"), pilot)
        show.app.show_notice("the second", "warning")
        await until(show.sees("the second"), pilot)
        assert [notice.message for notice in show.app._notifications] == ["the second"]
        await until(lambda: "the first" not in show.screen(), pilot)

"""Keys that people try first: a colon for the palette, Escape to come back; notices that cover no data."""

from __future__ import annotations

from pathlib import Path

from fuseboard_console.screens.palette import Palette
from support.console_show import Show
from support.console_story import settle, story, until
from support.console_watching import watching
from support.replays import recorded


async def test_a_colon_opens_the_palette_on_a_page_and_over_a_detail() -> None:
    show = Show()
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("colon")
        await until(lambda: isinstance(show.app.screen, Palette), pilot)
        await pilot.press("escape")
        await until(lambda: len(show.app.screen_stack) == 1, pilot)
        await pilot.press("enter")
        await until(lambda: len(show.app.screen_stack) == 2, pilot)
        await pilot.press("colon")
        await until(lambda: isinstance(show.app.screen, Palette), pilot)


async def test_a_colon_in_the_filter_is_text() -> None:
    show = Show()
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("slash", *"state", "colon", *"open")
        await until(lambda: show.app.renderer.filter.text == "state:open", pilot)


async def test_escape_clears_the_filter_and_then_leaves_the_past(tmp_path: Path) -> None:
    async with watching(recorded(tmp_path / "checkout.db", story())) as console:
        await console.sees("prefect")
        await console.press("left_square_bracket")
        await console.sees("REPLAY")
        for page in "12":
            await console.press(page, "slash", "e", "enter")
            await console.wait_for(lambda: console.app.page.filter_text == "e")
            await console.press("escape")
            await console.wait_for(lambda: not console.app.page.filter_text)
            await console.sees("REPLAY")
        await console.press("escape")
        await console.sees_no("REPLAY")


async def test_escape_closes_a_detail_and_then_leaves_the_past(tmp_path: Path) -> None:
    async with watching(recorded(tmp_path / "checkout.db", story())) as console:
        await console.sees("prefect")
        await console.press("left_square_bracket")
        await console.sees("REPLAY")
        await console.press("enter")
        await console.wait_for(lambda: len(console.app.screen_stack) == 2)
        await console.press("escape")
        await console.wait_for(lambda: len(console.app.screen_stack) == 1)
        await console.sees("REPLAY")
        await console.press("7")  # a page without a filter
        await console.sees("─ Scenarios ─")
        await console.press("escape")
        await console.sees_no("REPLAY")


async def test_escape_ends_a_pause_and_does_nothing_in_the_present() -> None:
    show = Show()
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("space")
        await until(show.sees("PAUSED"), pilot)
        await pilot.press("escape")
        await until(lambda: "PAUSED" not in show.screen(), pilot)
        await pilot.press("escape")
        assert show.app.sessions.at_bottom


async def test_a_notice_covers_no_data_and_the_newest_takes_the_place_of_another() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await settle(pilot)  # the layout is complete
        before = show.screen().splitlines()
        show.app.show_notice("The first.")
        await until(show.sees("The first."), pilot)
        assert show.screen().splitlines()[:-1] == before[:-1]  # only the footer is covered
        show.app.show_notice("A second notice, " + "which needs some more lines than there are in the footer, " * 3)
        await until(show.sees("A second notice"), pilot)
        assert "The first." not in show.screen()
        await until(lambda: " ".join(show.screen().replace("▌", " ").split()).count("some more lines") == 3, pilot)
        body = show.app._body
        notice_top = next(n for n, line in enumerate(show.screen().splitlines()) if "A second notice" in line)
        await until(lambda: body.region.bottom <= notice_top + 1, pilot)
        await pilot.press("escape")
        await until(lambda: show.screen().splitlines() == before, pilot)

"""A frame repaints everything that changed, whatever was cached from earlier frames."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.painting.cached_widget import CachedWidget
from fuseboard_console.tui.themes import THEMES
from fuseboard_console.widgets.panes import LogPanes
from fuseboard_engine.events import Event
from support.console_story import STORY_ENDS, ListFeed, ListMailbox, at, opened, resize, settle, story, until
from support.screen import screen_strips

Cells = list[list[tuple[str, Style | None]]]


def console(*more: Event, theme: str = THEMES[0].name) -> ConsoleApp:
    feed = ListFeed(alive=STORY_ENDS, events=[*story(), *more])
    return ConsoleApp(feed, file="a.db", mailbox=ListMailbox(), now=lambda: at(STORY_ENDS), poll=0.01, theme=theme)


def cells(app: ConsoleApp) -> Cells:
    """Every cell of the screen, with its style."""
    strips = screen_strips(app)
    return [[(character, style) for text, style, _ in strip for character in text] for strip in strips]


async def whole(app: ConsoleApp, size: tuple[int, int] = (120, 40)) -> Cells:
    """The screen of a console that was never anything else, once all of it has come."""
    async with app.run_test(size=size, notifications=False) as pilot:
        await until(lambda: "prefect" in text(app), pilot)
        await settle(pilot)
        await until(lambda: not app.query_one(LogPanes).deferred, pilot)
        await settle(pilot)
        return cells(app)


def text(app: ConsoleApp) -> str:
    return "".join(character for line in cells(app) for character, _ in line)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES[1:]])
async def test_another_theme_is_painted_over_all_of_the_old_one(theme: str) -> None:
    wanted = await whole(console(theme=theme))
    app = console()
    async with app.run_test(size=(120, 40), notifications=False) as pilot:
        await until(lambda: "ai_task" in text(app), pilot)
        app.theme = theme
        await until(lambda: cells(app) == wanted, pilot)


async def test_a_resized_widget_is_repainted_completely_each_time() -> None:
    wanted = {size: await whole(console(), size) for size in ((80, 24), (200, 50), (120, 40))}
    app = console()
    async with app.run_test(size=(120, 40), notifications=False) as pilot:
        for size, screen in wanted.items():
            await resize(pilot, *size)
            await until(lambda screen=screen: cells(app) == screen, pilot)  # type: ignore[misc]


async def test_only_the_focused_pane_has_the_focus_frame() -> None:
    wanted = await whole(console())
    app = console()
    async with app.run_test(size=(120, 40), notifications=False) as pilot:
        await until(lambda: cells(app) == wanted, pilot)
        await pilot.press("tab")
        await until(lambda: cells(app) != wanted, pilot)
        await pilot.press("tab", "tab")
        await until(lambda: cells(app) == wanted, pilot)


async def test_the_screen_equals_the_board_after_a_change() -> None:
    change = opened("gpt", STORY_ENDS, wait=30.0)
    wanted = await whole(console(change))
    app = console()
    async with app.run_test(size=(120, 40), notifications=False) as pilot:
        await until(lambda: "prefect" in text(app), pilot)
        app.feed.events.append(change)  # type: ignore[attr-defined]
        await until(lambda: cells(app) == wanted, pilot)


class Box(CachedWidget):
    """A widget whose size a test says; counts how often it is painted."""

    outer = Size(10, 5)
    painted = 0

    @property
    def outer_size(self) -> Size:
        return self.outer

    def paint_lines(self, crop: Region) -> list[Strip]:
        self.painted += 1
        return []


def test_equal_lines_are_repainted_when_the_widget_changes_size() -> None:
    box, crop = Box(), Region(0, 0, 10, 5)
    for outer in (Size(10, 5), Size(10, 5), Size(10, 6), Size(10, 6), Size(10, 5)):
        box.outer = outer
        box.render_lines(crop)
    assert box.painted == 3

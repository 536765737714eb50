"""`NO_COLOR`: the console paints with attributes alone."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fuseboard_console.tui.themes import THEMES, palette_of
from support.console_show import Show
from support.console_story import settle, story, until
from support.replays import recorded
from support.screen import screen_strips
from support.terminal import Terminal

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:[34]8|3[0-7]|4[0-7]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


def test_with_no_color_the_console_sends_no_colours(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    with Terminal(sys.executable, "-m", "fuseboard_console", "watch", str(path), NO_COLOR="1") as terminal:
        terminal.wait_for("prefect")
        terminal.press("?")
        terminal.wait_for("esc")
        assert not COLOUR.search(bytes(terminal.raw))
        assert b"\x1b[1" in bytes(terminal.raw)  # bold stays


def styled(show: Show, attribute: str) -> list[tuple[int, str]]:
    """Return the line numbers and texts on the screen that have an attribute such as `reverse`."""
    return [
        (y, segment.text.strip())
        for y, strip in enumerate(screen_strips(show.app))
        for segment in strip
        if segment.style is not None and getattr(segment.style, attribute)
    ]


def texts(show: Show, attribute: str) -> list[str]:
    return [text for _, text in styled(show, attribute) if text.isalpha() or " " in text]


@pytest.fixture
async def prompted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Show, Pilot[None]]]:
    """A console of 80 by 24 without colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    show = Show()
    async with show.app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        yield show, pilot


async def test_the_focused_button_of_a_prompt_is_recognised(prompted: tuple[Show, Pilot[None]]) -> None:
    show, pilot = prompted
    await pilot.press("o")
    await until(lambda: texts(show, "reverse") == ["Cancel"], pilot)
    await pilot.press("tab")
    await until(lambda: texts(show, "reverse") == ["Hold open"], pilot)


async def test_a_typed_prompt_shows_where_the_text_goes_and_whether_it_is_accepted(
    prompted: tuple[Show, Pilot[None]],
) -> None:
    show, pilot = prompted
    await pilot.press("O")
    await until(lambda: "Open" in texts(show, "strike"), pilot)
    await until(lambda: (12, "") in styled(show, "reverse"), pilot)  # the cursor, which may blink
    await pilot.press("5", "m")
    await until(lambda: "5m" in show.screen() and "Open" not in texts(show, "strike"), pilot)
    await pilot.press("tab")
    await until(lambda: texts(show, "reverse") == ["Cancel"], pilot)
    await pilot.press("tab")
    await until(lambda: texts(show, "reverse") == ["Open"], pilot)


def test_without_colours_trouble_is_emphasised_and_what_is_well_is_not() -> None:
    for theme in THEMES:
        palette = palette_of(theme, colours=False)
        assert all(palette.look(name).bold for name in ("bad", "bad-dim", "warn", "ready", "held"))
        assert not any(palette.look(name).bold for name in ("text", "ok", "ok-dim", "muted", "faint"))

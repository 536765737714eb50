"""The console as its operator prefers it, at the keyboard."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.preferences.model import DEFAULT, Preferences
from support.console_story import STORY_ENDS, ListFeed, ListMailbox, at, changed, opened, settle, story, until
from support.screen import screen_text

SIZE = (120, 40)


class Own:
    """A console with preferences, on the story; what it sends the terminal beside frames is kept."""

    def __init__(self, preferences: Preferences = DEFAULT, *, show_hints_at_start: bool = False) -> None:
        self.when = STORY_ENDS
        self.feed = ListFeed(alive=self.when, events=story())
        self.codes: list[str] = []
        self.rings = 0
        self.app = ConsoleApp(
            self.feed,
            file="checkout.db",
            mailbox=ListMailbox(),
            now=lambda: at(self.when),
            poll=0.01,
            preferences=preferences,
            show_hints_at_start=show_hints_at_start,
        )
        self.app.to_terminal = self.codes.append  # type: ignore[method-assign]
        self.app.bell = self.ring  # type: ignore[method-assign]

    def ring(self) -> None:
        self.rings += 1

    def screen(self) -> str:
        return screen_text(self.app)

    def sees(self, *texts: str) -> Callable[[], bool]:
        return lambda: all(text in self.screen() for text in texts)

    def lacks(self, text: str) -> Callable[[], bool]:
        return lambda: text not in self.screen()

    def selected(self) -> str:
        key = self.app.page.target
        return key.adapter if key else ""

    def happens(self, when: float, *events: object) -> None:
        self.when = self.feed.alive = when
        self.feed.events += events  # type: ignore[arg-type]


# ---------------------------------------------------------------- keys


async def test_the_operators_keys_work_and_the_footer_and_the_help_name_them() -> None:
    own = Own(replace(DEFAULT, keys={"theme": ("ctrl+t",), "quit": ("Q",), "help": ("f1",)}))
    async with own.app.run_test(size=(300, 100), notifications=True) as pilot:
        await until(own.sees("prefect", "ctrl+t theme", "f1 help", "Q quit"), pilot)
        await pilot.press("t")
        assert own.app.theme == "fuseboard-dark"
        await pilot.press("ctrl+t")
        assert own.app.theme == "fuseboard-light"
        await pilot.press("f1")
        await until(own.sees("Help", "ctrl+t"), pilot)


async def test_navigation_keys_may_be_swapped() -> None:
    own = Own(replace(DEFAULT, keys={"cursor_down": ("k",), "cursor_up": ("j",)}))
    async with own.app.run_test(size=SIZE) as pilot:
        await until(own.sees("prefect"), pilot)
        first = own.selected()
        await pilot.press("k", "k")
        second = own.selected()
        assert second != first
        await pilot.press("j", "j")
        assert own.selected() == first
        await pilot.press("down")
        assert own.selected() == first


async def test_the_filter_key_is_an_ordinary_character_within_the_filter() -> None:
    own = Own(replace(DEFAULT, keys={"filter": ("w",), "theme": ("slash",)}))
    async with own.app.run_test(size=SIZE) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("w", "w", "slash", "e")
        await until(own.sees(" / w/e_"), pilot)
        assert own.app.theme == "fuseboard-dark"


async def test_an_unassigned_key_does_nothing() -> None:
    own = Own(replace(DEFAULT, keys={"theme": ()}))
    async with own.app.run_test(size=(200, 40)) as pilot:
        await until(own.sees("prefect", "help"), pilot)
        assert own.lacks(" theme")()
        await pilot.press("t")
        assert own.app.theme == "fuseboard-dark"


# ---------------------------------------------------------------- themes, columns and layout


async def test_all_themes_can_be_chosen_from_a_list_and_shown() -> None:
    own = Own()
    async with own.app.run_test(size=SIZE) as pilot:
        await until(own.sees("prefect"), pilot)
        for name in own.app.available_themes:
            own.app.theme = name
            await pilot.pause()
        await until(own.sees("prefect"), pilot)
        await pilot.press("T")
        await until(own.sees("nord"), pilot)


async def test_only_the_configured_columns_are_shown() -> None:
    own = Own(replace(DEFAULT, columns={"breakers": ("name", "since", "state")}))
    async with own.app.run_test(size=SIZE) as pilot:
        await until(own.sees("prefect"), pilot)
        titles = next(line for line in own.screen().splitlines()[1:] if "state ▾" in line)
        assert titles.split("adapter")[1].split() == ["since", "state", "▾", "│"]


async def test_v_cycles_through_the_layouts() -> None:
    own = Own(replace(DEFAULT, layout="failures"))
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("Recent failures"), pilot)
        assert own.lacks("Fallback chains")()
        await pilot.press("v")
        await until(own.sees("Recent failures", "Fallback chains"), pilot)
        await pilot.press("v")
        await until(lambda: own.lacks("Recent failures")() and own.lacks("Fallback chains")(), pilot)
        await pilot.press("v")
        await until(own.sees("Fallback chains", "Layout routes"), pilot)


async def test_c_toggles_the_frames() -> None:
    own = Own(replace(DEFAULT, compact=True))
    async with own.app.run_test(size=SIZE) as pilot:
        await until(own.sees("prefect"), pilot)
        assert own.lacks("╭")()
        await pilot.press("c")
        await until(own.sees("╭"), pilot)
        await pilot.press("c")
        await until(own.lacks("╭"), pilot)


# ---------------------------------------------------------------- copying


async def test_y_copies_the_adapter_under_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("VTE_VERSION", raising=False)
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    own = Own()
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("y")
        await until(own.sees("Copied 3 lines."), pilot)
        (code,) = own.codes
        text = base64.b64decode(code.removeprefix("\x1b]52;c;").removesuffix("\x07")).decode()
        assert text.startswith(f"{own.selected()}: OPEN since 2025-11-21 14:0")


async def test_y_copies_to_a_private_file_where_there_is_no_clipboard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    own = Own()
    file = tmp_path / "fuseboard" / "copied.txt"
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("tab", "y")
        await until(file.exists, pilot)
        await until(lambda: "server overloaded" in file.read_text(), pilot)
        await pilot.press("tab", "y")
        await until(lambda: "ai_task" in file.read_text(), pilot)
        await pilot.press("shift+tab", "shift+tab", "enter")
        await until(own.sees("Last failures"), pilot)
        await pilot.press("y")
        await until(lambda: "Last failures" in file.read_text(), pilot)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own.codes == []


async def test_the_operators_key_copies_from_a_detail_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    own = Own(replace(DEFAULT, keys={"copy": ("ctrl+y",)}))
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("enter")
        await until(own.sees("Last failures"), pilot)
        await pilot.press("y", "ctrl+y")
        await until(own.sees("Copied"), pilot)
        assert "Last failures" in (tmp_path / "fuseboard" / "copied.txt").read_text()


async def test_marked_adapters_are_copied_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    own = Own()
    file = tmp_path / "fuseboard" / "copied.txt"
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("X", "y")
        await until(file.exists, pilot)
        await until(lambda: all(key.adapter in file.read_text() for key in own.feed.board.adapters), pilot)


# ---------------------------------------------------------------- alerts and hints


@pytest.mark.parametrize(
    ("bell", "rings", "tells"), [("none", 0, False), ("bell", 1, False), ("notify", 0, True), ("both", 1, True)]
)
async def test_a_breaker_that_opens_rings_or_is_notified_as_configured(bell: str, rings: int, tells: bool) -> None:
    own = Own(replace(DEFAULT, bell=bell))  # type: ignore[arg-type]
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        own.happens(STORY_ENDS + 5, opened("gpt", STORY_ENDS + 5))
        await until(lambda: own.feed.taken == len(own.feed.events), pilot)
        await until(lambda: own.rings == rings and own.sees("gpt has opened.")() is tells, pilot)
    assert own.rings == rings


async def test_a_breaker_that_opens_while_the_view_is_paused_does_not_ring() -> None:
    own = Own(replace(DEFAULT, bell="both"))
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await pilot.press("space")
        await until(lambda: own.app.sessions.paused, pilot)
        own.happens(STORY_ENDS + 5, opened("gpt", STORY_ENDS + 5))
        await settle(pilot)
        await pilot.press("space")
        await until(lambda: own.feed.taken == len(own.feed.events), pilot)
        own.happens(STORY_ENDS + 9, changed("vision", "open", STORY_ENDS + 9, until=at(200), wait=9.0))
        await until(own.sees("vision has opened."), pilot)
    assert own.rings == 1


async def test_the_first_start_shows_three_hints_with_the_operators_keys() -> None:
    own = Own(replace(DEFAULT, keys={"help": ("f1",)}), show_hints_at_start=True)
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("Three hints", "f1  shows the keys", "ctrl+p  finds any action"), pilot)


@pytest.mark.parametrize("key", ["escape", "2"])
async def test_escape_and_another_page_remove_the_hints(key: str) -> None:
    own = Own(show_hints_at_start=True)
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("Three hints"), pilot)
        await pilot.press(key)
        await until(own.lacks("Three hints"), pilot)
        await pilot.press("1")
        await until(own.sees("prefect"), pilot)
        assert own.lacks("Three hints")()


async def test_escape_removes_a_notice_and_keeps_its_other_effects() -> None:
    own = Own(show_hints_at_start=True)
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("Three hints", "prefect"), pilot)
        await pilot.press("enter")
        await until(own.sees("esc close"), pilot)
        await pilot.press("escape")
        await until(own.lacks("Three hints"), pilot)
        await until(own.lacks("esc close"), pilot)


async def test_later_starts_show_no_hints() -> None:
    own = Own()
    async with own.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(own.sees("prefect"), pilot)
        await settle(pilot)
        assert own.lacks("hints")()

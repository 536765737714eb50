"""The console on a real recording that other processes can write to, with the real clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.sources.replay import Replay
from fuseboard_console.text.glyphs import UNICODE, Glyphs
from fuseboard_storage.recording.tail import Tail
from support.console_story import until
from support.screen import screen_text
from support.waiting import PATIENCE


class Watching:
    """A running console: sends keys and reads the screen."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self._notices: list[str] = []  # those that `hears` has not found yet, also if they are gone
        notify = app.notify

        def noted(message: str, **options: Any) -> None:
            self._notices.append(message)
            notify(message, **options)

        app.notify = noted  # type: ignore[method-assign]

    def screen(self) -> str:
        """Return the text of the screen."""
        return screen_text(self.app)

    def lines(self, *texts: str) -> list[str]:
        """Return the lines of the screen that contain all of the texts."""
        return [line for line in self.screen().splitlines() if all(text in line for text in texts)]

    async def press(self, *keys: str) -> None:
        """Press keys in order."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text and Enter."""
        await self.pilot.press(*("space" if letter == " " else letter for letter in text), "enter")

    async def sees(self, *texts: str, within: float = PATIENCE) -> None:
        """Wait until the screen contains all of the texts."""

        def seen() -> bool:
            screen = self.screen()
            return all(text in screen for text in texts)

        try:
            await until(seen, self.pilot, within)
        except AssertionError:
            missing = [text for text in texts if text not in self.screen()]
            raise AssertionError(f"{missing} not on\n{self.screen()}") from None

    async def hears(self, *texts: str, within: float = PATIENCE) -> None:
        """Wait until a notice contains all of the texts, if none has since the last one that was waited for.

        The notices themselves are read, as the screen wraps them and shows each for a while only.
        """

        def said() -> bool:
            for place, notice in enumerate(self._notices):
                if all(text in notice for text in texts):
                    del self._notices[: place + 1]
                    return True
            return False

        try:
            await until(said, self.pilot, within)
        except AssertionError:
            raise AssertionError(f"{texts}: {self._notices}\n{self.screen()}") from None

    async def sees_no(self, text: str) -> None:
        """Wait until the screen does not contain the text."""
        await until(lambda: text not in self.screen(), self.pilot)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        await until(condition, self.pilot)


@asynccontextmanager
async def watching(
    path: Path,
    *,
    read_only: bool = False,
    size: tuple[int, int] = (100, 30),
    glyphs: Glyphs = UNICODE,
    reveal: bool = False,
) -> AsyncIterator[Watching]:
    """Run the console on a live recording."""
    async with Tail.open(path) as tail:
        live = LiveRecording(tail)
        await live.advance()
        mailbox = None if read_only else live
        app = ConsoleApp(live, file=path.name, mailbox=mailbox, glyphs=glyphs, poll=0.02, reveal=reveal)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Watching(app, pilot)


@asynccontextmanager
async def replaying(path: Path, *, at: int | None = None, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Watching]:
    """Run the console on a paused replay of a recording, at a time in UTC microseconds or at its end."""
    async with Replay.open(path) as replay:
        await replay.seek(replay.end if at is None else at)
        app = ConsoleApp(replay, file=path.name, replay=replay, poll=0.02)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Watching(app, pilot)

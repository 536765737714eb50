"""Draws docs/console.svg: `python docs/screenshot.py`. The real console at 12.6 s of the demo's scenario."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

from fuseboard_console.app.app import ConsoleApp
from fuseboard_engine.events import EngineStarted, Event
from fuseboard_engine.scenario.model import load
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import VirtualTimeLoop
from fuseboard_scenarios import shipped
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.tables.commands import CommandStatus

AT = 12.6  # seconds of the scenario
SIZE = (116, 30)
PICTURE = Path(__file__).with_name("console.svg")


class Still:
    """A feed without new events, and a mailbox that no engine reads."""

    trouble = ""
    file_change = None
    recording = None

    def __init__(self, board: Board) -> None:
        self.board = board

    async def advance(self) -> bool:
        """Return that nothing changed."""
        return False

    async def behind(self) -> int:
        """Return that no events wait."""
        return 0

    async def ask(
        self, verb: str, adapter: str = "", *, instance: int | None, actor: str, expires_in: float = 10.0
    ) -> int:
        """Accept a command; no engine carries it out."""
        return 1

    async def command(self, id: int) -> CommandStatus:
        """Raise LookupError: there is no such command."""
        raise LookupError(id)


def played(seconds: float) -> tuple[list[Event], int]:
    """Return the events of the first `seconds` of the demo, and the time at their end in UTC microseconds."""
    loop = VirtualTimeLoop()
    events: list[Event] = [EngineStarted(at=loop.wall(), name="checkout", host="web-1", pid=4242)]

    async def main() -> int:
        player = Player(load(shipped()["primary-outage"]), wall=loop.wall, on_event=events.append)
        events.extend(player.engine.describe())
        playing = asyncio.create_task(player.play())
        await asyncio.sleep(seconds)
        now = loop.wall()
        playing.cancel()
        await asyncio.wait({playing})
        return now

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        now = runner.run(main())
    return [event for event in events if event.at <= now], now


def board_of(events: list[Event], now: int) -> Board:
    """Return the Board of events, with a heartbeat of its engine at `now`."""
    board = Board()
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
    board.heartbeat(1, now)
    return board


async def draw(board: Board, now: int) -> str:
    """Return the console's screen as SVG."""
    still = Still(board)
    app = ConsoleApp(still, file="checkout.db", mailbox=still, now=lambda: now)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)  # the panes paint a few times a second
        picture = app.export_screenshot(title="fuseboard watch checkout.db")
    # The picture must not load fonts from the network; every viewer has a fixed-width font.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]+;", "font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace;", picture)


def main() -> None:
    """Write the picture. Its clock is UTC on every machine."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    events, now = played(AT)
    PICTURE.write_text(asyncio.run(draw(board_of(events, now), now)), encoding="utf-8")


if __name__ == "__main__":
    main()

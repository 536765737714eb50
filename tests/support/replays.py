"""Recordings to replay, and the console on a replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.sources.replay import Replay
from fuseboard_engine.events import Event
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import instances
from support.console_story import NOON, SECOND
from support.screen import screen_text


def recorded(path: Path, events: list[Event]) -> Path:
    connection = schema.connect(path)
    instance = instances.register(connection, "checkout", "web-1", NOON)
    rows.insert(connection, instance, events)
    connection.execute("UPDATE instances SET heartbeat_at = ?", (NOON + 131 * SECOND,))
    connection.commit()
    connection.close()
    return path


class Watch:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def shown(path: Path) -> AsyncIterator[tuple[ConsoleApp, Pilot[None]]]:
    """Run the console on a replay of a file."""
    async with Replay.open(path) as replay:
        app = ConsoleApp(replay, file=path.name, replay=replay, poll=0.01)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            yield app, pilot


def screen(app: ConsoleApp) -> str:
    return screen_text(app)

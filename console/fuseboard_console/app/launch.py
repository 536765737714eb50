"""Opens the console on a recording or a replay, and closes it on a signal."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.app.first_start import first_start
from fuseboard_console.cli import exit_codes
from fuseboard_console.cli.interrupts import leave_on_signals
from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.preferences.paths import state_folder
from fuseboard_console.preferences.theme_names import theme_id
from fuseboard_console.sources.live import LiveRecording
from fuseboard_console.terminal.asciicast import Asciicast, exporting
from fuseboard_console.terminal.hangup import on_hangup
from fuseboard_console.text.glyphs import glyphs_for
from fuseboard_engine.runtime.cancellation import call_in_loop
from fuseboard_storage.recording.tail import Tail

if TYPE_CHECKING:
    from fuseboard_console.app.app import ConsoleApp
    from fuseboard_console.sources.feed import Feed, Mailbox
    from fuseboard_console.sources.replay import Replay
    from fuseboard_console.sources.session import Controls

EXPORTED = (100, 30)
"""Columns and rows of a console that is exported without a terminal."""
LOOK, LAST = 0.2, 2.0
"""Seconds between two looks whether an exported scenario has ended, and for which its end is shown."""
FRAMES = "120"
"""Frames a second at most. There are a tenth as many, but a key waits for up to two of these before it is answered."""


async def watch(
    file: str,
    *,
    read_only: bool,
    preferences: Preferences = DEFAULT,
    failure_reason: Callable[[], str] | None = None,
    controls: Controls | None = None,
    export: Asciicast | None = None,
    reveal: bool = False,
) -> int:
    """Open the console on a recording and return the exit code when it is left, by a key or by a signal.

    `preferences` are the operator's. `reveal` shows payloads of dead letters with their
    secrets. `failure_reason` is polled for trouble that the recording does not show, and `controls` steers the scenario
    that it is of: see `ConsoleApp`. `export` gets what the console displays; without a terminal the console then plays
    for it alone, and is left when the scenario has ended.

    Raises:
        RecordingError: The file is missing, no recording, or of a newer version.
    """
    async with Tail.open(file) as tail:
        await tail.read_first()
        live = LiveRecording(tail)
        mailbox = live if not read_only and os.access(file, os.W_OK) else None  # its keys could not work
        return await _show(
            live,
            file,
            preferences,
            mailbox=mailbox,
            failure_reason=failure_reason,
            controls=controls,
            export=export,
            reveal=reveal,
        )


async def watch_replay(
    file: str, *, begin: Callable[[int, int], int], speed: float, preferences: Preferences = DEFAULT
) -> int:
    """Open the console on a replay of a recording, playing at `speed`; return the exit code.

    `begin` says where, from the recording's own beginning and end; all three are UTC microseconds.

    Raises:
        RecordingError: The file is missing, no recording, or of a newer version.
    """
    from fuseboard_console.sources.replay import Replay

    async with Replay.open(file) as replay:
        await replay.seek(begin(replay.start, replay.end))
        replay.set_speed(speed)
        replay.toggle()
        return await _show(replay, file, preferences, replay=replay)


async def _show(
    feed: Feed,
    file: str,
    preferences: Preferences,
    *,
    mailbox: Mailbox | None = None,
    replay: Replay | None = None,
    failure_reason: Callable[[], str] | None = None,
    controls: Controls | None = None,
    export: Asciicast | None = None,
    reveal: bool = False,
) -> int:
    os.environ.setdefault("TEXTUAL_FPS", FRAMES)  # Textual looks at it when it is imported
    from fuseboard_console.app.app import ConsoleApp  # after the file is known to be one: refusing is quick

    if replay is None:
        await feed.advance()  # the import may have taken seconds, in which engines went on giving signs of life
    app = ConsoleApp(
        feed,
        file=Path(file).name,
        mailbox=mailbox,
        replay=replay,
        glyphs=glyphs_for(preferences.glyphs, os.environ),
        theme=theme_id(preferences.theme),
        failure_reason=failure_reason,
        controls=controls,
        preferences=preferences,
        show_hints_at_start=first_start(state_folder()),
        reveal=reveal,
    )
    if preferences.clock == "utc":
        os.environ["TZ"] = "UTC0"
        time.tzset()
    for size in ("COLUMNS", "LINES"):  # where they are exported, as into containers, Textual would resize no more
        os.environ.pop(size, None)
    gc.freeze()  # what is there now stays to the end: no collection need look at it again
    if export is not None:
        app.driver_class = exporting(app.driver_class, export)
        if not sys.stdout.isatty():
            return await _run_for_export(app, export, controls)
    _leave_when_told(app)
    await app.run_async(mouse=preferences.mouse)
    return app.return_code or exit_codes.OK


async def _run_for_export(app: ConsoleApp, export: Asciicast, controls: Controls | None) -> int:
    """Run the console without a terminal until the scenario has ended; one that is stopped goes on once it is shown."""
    from textual.drivers.headless_driver import HeadlessDriver

    async def leave_at_end() -> None:
        while (step := app.feed.board.scenario) is None or not step.ends:
            if app.sessions.current.failure_reason is not None and app.sessions.current.failure_reason():
                break
            if step is not None and controls is not None and controls.paused:
                controls.toggle()
            await asyncio.sleep(LOOK)
        await asyncio.sleep(LAST)
        app.exit()

    app.driver_class = exporting(HeadlessDriver, export)
    leave_on_signals(lambda code: app.exit(return_code=code))
    leaving = asyncio.create_task(leave_at_end())
    try:
        await app.run_async(size=EXPORTED, mouse=False)
    finally:
        leaving.cancel()
    return app.return_code or exit_codes.OK


def _leave_when_told(app: ConsoleApp) -> None:
    """Make signals close the console as `q` does: the terminal gets back its screen, its cursor and its mouse.

    The same when the terminal itself is gone, whether or not a signal says so.
    """
    leave_on_signals(lambda code: app.exit(return_code=code))
    loop = asyncio.get_running_loop()
    on_hangup(lambda: call_in_loop(loop, app.exit))

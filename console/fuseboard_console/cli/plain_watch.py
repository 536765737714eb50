"""`fuseboard watch --plain`: a recording as plain lines, for screen readers and logs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from fuseboard_console.cli.output import flush_out, print_out
from fuseboard_console.sources.follow import follow
from fuseboard_console.text.formatting import clock
from fuseboard_console.text.line import text_of
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.adapters.engine_presence import connection_of
from fuseboard_console.views.events.narrator import EventNarrator
from fuseboard_console.views.events.text import adapters_of
from fuseboard_console.views.frame.banner import banner, file_change_line
from fuseboard_console.views.lists.status import status_text
from fuseboard_storage.board.presence import time_of
from fuseboard_storage.recording.file_change import FileChange


async def watch_plain(file: str, now: Callable[[], int]) -> None:
    """Print the state of every adapter, then each event as a line, until cancelled.

    Args:
        file: The recording.
        now: Returns the current time in UTC microseconds.

    Raises:
        RecordingError: As for `Recording.open`.
    """
    name = safe_text(Path(file).name, 200)
    narrator = EventNarrator(None)
    before: tuple[object, ...] | None = None
    changed: FileChange | None = None
    async with aclosing(follow(file)) as updates:
        async for board, entries, trouble, file_change in updates:
            at = time_of(board, now())
            connection = connection_of(board, at)
            state = connection.state, connection.silent, connection.gone, trouble
            if before is None:
                print_out(status_text(board, name, at, colour=False))
                print_out("")
                before = (*state[:3], "")
            if file_change is not None and file_change != changed:
                told = text_of(file_change_line(file_change, name)).strip()
                print_out(f"{clock(file_change.at)}  {told}")
            changed = file_change
            engines = engine_names(board)
            for entry in entries:
                if line := narrator.narrate(entry.event, engines.of(entry.instance, adapters_of(entry.event))):
                    print_out(line)
            if state != before:
                normal = "No engine has written to it yet." if connection.state == "empty" else "An engine is writing."
                print_out(f"{clock(at)}  {text_of(banner(connection, trouble)).strip() or normal}")
            before = state
            flush_out()

"""The line above the breakers that says why the shown states may be out of date."""

from __future__ import annotations

from typing import Final

from fuseboard_console.text.formatting import SECOND, clock, plural, whole_span
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_console.views.events.sentences import event_sentence
from fuseboard_engine.events import RecordingRestarted
from fuseboard_storage.recording.file_change import FileChange

RESTART_SHOWN: Final = 900 * SECOND
"""How long the banner says that a new recording started in place of another."""


def banner(
    connection: Connection,
    trouble: str = "",
    restarted: RecordingRestarted | None = None,
    now: int = 0,
    file_change: FileChange | None = None,
    file: str = "The file",
) -> Line:
    """Return the line that says why the shown states may be out of date or incomplete; empty if they are not.

    Args:
        connection: The state of the engines.
        trouble: Why the file cannot be read now; it comes first. Safe text.
        restarted: Why the recording started in place of another one.
        now: UTC microseconds.
        file_change: What happened to the file that was followed before.
        file: The name of the file, as safe text.
    """
    state = (Span(f" {trouble}", "banner-bad"),) if trouble else _state(connection)
    if file_change is not None and now - file_change.at < RESTART_SHOWN:
        if restarted is None or not restarted.moved_to:
            letters = 0 if restarted is None else restarted.letters
            return (*state, *file_change_line(file_change, file, letters))
    elif state:
        return state
    if restarted is not None and now - restarted.at < RESTART_SHOWN:
        return (*state, Span(f" {clock(restarted.at)} {event_sentence(restarted)}.", "banner-strong"))
    return state


def file_change_line(change: FileChange, file: str, letters: int = 0) -> Line:
    """Return what happened to a file and where its past is.

    Args:
        change: What happened.
        file: The name of the file, as safe text.
        letters: How many active dead letters the previous file holds.
    """
    at, moved_to = clock(change.at), safe_text(change.moved_to, 200)
    said = {
        "moved": f" {file} was moved to {moved_to} at {at}.",
        "deleted": f" {file} was deleted at {at}.",
        "replaced": f" {file} was replaced by another file at {at}.",
        "gone": f" {file} was moved or deleted at {at}.",
    }
    past = {
        "moved": " The past is there; another file at the path begins at its own start.",
        "deleted": " Its past was lost with it; another file at the path begins at its own start.",
        "replaced": " What is shown comes from the new file only.",
        "gone": " The past is in that file; another file at the path begins at its own start.",
    }
    stay = f" {plural(letters, 'active dead letter')} {'stays' if letters == 1 else 'stay'} in it." if letters else ""
    earlier = f" Kept beside it: {safe_text(', '.join(change.earlier), 300)}." if change.earlier else ""
    return (Span(said[change.what], "banner-strong"), Span(f"{past[change.what]}{stay}{earlier}", "banner"))


def _state(connection: Connection) -> Line:
    """Return why the states may be out of date, because of the engines."""
    if connection.state == "silent" and connection.gone:
        return (
            Span(" The engine's process is gone.", "banner-bad"),
            Span(f" Last sign of life {whole_span(connection.age)} ago; last known states.", "banner"),
        )
    if connection.state == "silent":
        return (
            Span(f" No engine has written for {whole_span(connection.age)}.", "banner-bad"),
            Span(" These are its last known states.", "banner"),
        )
    if connection.state == "ended":
        return (
            Span(f" The engine ended at {clock(connection.since)}.", "banner-strong"),
            Span(" Last known states; goes on when it starts again.", "banner"),
        )
    if connection.silent:
        silent = connection.silent
        one = len(silent) == 1
        gone = cut(silent[0], 30) if one else plural(len(silent), "engine")
        return (
            Span(f" No sign of life from {gone}.", "banner-bad"),
            Span(f" {'Its' if one else 'Their'} states are the last known.", "banner"),
        )
    return ()

"""The line above the breakers that says why the shown states may be out of date."""

from __future__ import annotations

from typing import Final

from fuseboard_console.text.formatting import SECOND, clock, plural, whole_span
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.engine_presence import Connection
from fuseboard_console.views.events.sentences import event_sentence
from fuseboard_engine.events import RecordingRestarted

RESTART_SHOWN: Final = 900 * SECOND
"""How long the banner says that a new recording started in place of another."""


def banner(
    connection: Connection, trouble: str = "", restarted: RecordingRestarted | None = None, now: int = 0
) -> Line:
    """Return the line that says why the shown states may be out of date or incomplete; empty if they are not.

    Args:
        connection: The state of the engines.
        trouble: Why the file cannot be read now; it comes first. Safe text.
        restarted: Why the recording started in place of another one.
        now: UTC microseconds.
    """
    if trouble:
        return (Span(f" {trouble}", "banner-bad"),)
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
    if restarted is not None and now - restarted.at < RESTART_SHOWN:
        return (Span(f" {clock(restarted.at)} {event_sentence(restarted)}.", "banner-strong"),)
    return ()

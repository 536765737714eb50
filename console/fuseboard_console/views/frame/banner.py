"""The line above the breakers that says why the shown states may be out of date."""

from __future__ import annotations

from fuseboard_console.text.formatting import clock, plural, whole
from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.width import cut
from fuseboard_console.views.adapters.engine_presence import Connection


def banner(connection: Connection, trouble: str = "") -> Line:
    """Return the line that says why the shown states may be out of date, or an empty string.

    `trouble` says why the file cannot be read now and comes first. It is safe text.
    """
    if trouble:
        return (Span(f" {trouble}", "banner-bad"),)
    if connection.state == "silent" and connection.gone:
        return (
            Span(" The engine's process is gone.", "banner-bad"),
            Span(f" Last sign of life {whole(connection.age)} ago; last known states.", "banner"),
        )
    if connection.state == "silent":
        return (
            Span(f" No engine has written for {whole(connection.age)}.", "banner-bad"),
            Span(" These are its last known states.", "banner"),
        )
    if connection.state == "ended":
        return (
            Span(f" The engine ended at {clock(connection.since)}.", "banner-strong"),
            Span(" Last known states; goes on when it starts again.", "banner"),
        )
    if connection.silent:
        silent = connection.silent
        gone = cut(silent[0], 30) if len(silent) == 1 else plural(len(silent), "engine")
        return (
            Span(f" No sign of life from {gone}.", "banner-bad"),
            Span(" Its states are the last known.", "banner"),
        )
    return ()

"""The line above the breakers that says why they may not be believed."""

from __future__ import annotations

from fuseboard_console.views.connection import Connection
from fuseboard_console.views.line import Line, Span
from fuseboard_console.views.times import clock, plural, whole


def banner(connection: Connection, file: str, trouble: str = "") -> Line:
    """Return the line above the breakers that says why they may not be believed; empty when they may.

    `trouble` is why the file can't be followed just now; it comes before everything else. Both texts are safe.
    """
    if trouble:
        return (Span(f" {trouble}", "banner-bad"),)
    if connection.state == "silent":
        return (
            Span(f" No engine has written to {file} for {whole(connection.age)}.", "banner-bad"),
            Span(" Its last known states are below.", "banner"),
        )
    if connection.state == "ended":
        return (
            Span(f" The engine ended at {clock(connection.since)}.", "banner-strong"),
            Span(" These are its last known states. This screen follows when it starts again.", "banner"),
        )
    if connection.silent:
        silent = connection.silent
        gone = silent[0] if len(silent) == 1 else plural(len(silent), "engine")
        return (
            Span(f" No word from {gone}.", "banner-bad"),
            Span(" The states of its adapters are the last known.", "banner"),
        )
    return ()

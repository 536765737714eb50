"""What came of an operator's command, as sentences."""

from __future__ import annotations

from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.connection import Connection
from fuseboard_console.views.times import clock, whole


def nobody_took_it(connection: Connection, file: str) -> str:
    """Return why a command came to nothing. `file` is safe text."""
    if connection.state == "silent":
        return f"Nobody took this command: no engine has written to {file} for {whole(connection.age)}."
    if connection.state == "ended":
        return f"Nobody took this command: the engine of {file} ended at {clock(connection.since)}."
    if connection.state == "empty":
        return f"Nobody took this command: no engine has ever written to {file}."
    return "Nobody took this command: its engine is alive but did not take it in time. Try again."


def outcome_text(verb: str, adapter: str, done: bool, detail: str) -> str:
    """Return what an engine did with a command, or why it refused; `detail` is in the engine's words."""
    name = safe_text(adapter, 80)
    said = safe_text(detail, 300).strip().rstrip(".")
    if not done:
        return f"This was not done: {said or 'the engine refused it'}."
    if verb == "reset":
        return f"{name} was reset."
    return f"{said or 'All open breakers were reset'}."

"""Commands that were asked and have not been answered, and the sentences that say what came of them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fuseboard_console.safe_text import safe_text
from fuseboard_console.views.connection import Connection
from fuseboard_console.views.times import clock, whole


class Asked(NamedTuple):
    """A command on its way: what for, in words, and until when somebody may take it (UTC microseconds)."""

    command: int
    verb: str
    adapter: str
    expires_at: int


class Said(NamedTuple):
    """A sentence for the operator, and how serious it is."""

    text: str
    severity: Literal["information", "warning", "error"]


def nobody_took_it(connection: Connection, file: str) -> str:
    """Return why a command came to nothing, and what that means."""
    if connection.state == "silent":
        return f"Nobody took this command: no engine has written to {file} for {whole(connection.age)}."
    if connection.state == "ended":
        return f"Nobody took this command: the engine of {file} ended at {clock(connection.since)}."
    if connection.state == "empty":
        return f"Nobody took this command: no engine has ever written to {file}."
    return "Nobody took this command: the engine is alive but did not answer in time. Try again."


def outcome_text(verb: str, adapter: str, ok: bool, detail: str) -> str:
    """Return what an engine did, as a sentence."""
    name = safe_text(adapter, 80)
    said = safe_text(detail, 300)
    if not ok:
        return f"Refused: {said or verb}"
    if verb == "reset":
        return f"{name} was reset."
    if verb == "reset_all":
        return said if said.endswith(".") else f"{said or 'All open breakers were reset'}."
    return f"{name}: {said or verb}"

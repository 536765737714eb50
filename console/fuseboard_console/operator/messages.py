"""What came of an operator's command, as sentences."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_console.text.formatting import clock, span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import Connection


def nobody_took_it(connection: Connection, file: str) -> str:
    """Return why a command came to nothing. `file` is safe text."""
    return f"No engine took this command: {_why(connection, file)}"


def nobody_can_take_it(connection: Connection, file: str) -> str:
    """Return why a command is not even asked. `file` is safe text."""
    return f"Nobody can take this command: {_why(connection, file)}"


def _why(connection: Connection, file: str) -> str:
    sign = f"last sign of life {span(connection.age)} ago"
    if connection.state == "empty":
        return f"no engine has ever written to {file}."
    if connection.state == "ended":
        return f"the engine of {file} ended at {clock(connection.since)}."
    if connection.gone:
        return f"the process of the engine of {file} is gone, {sign}."
    if connection.state == "silent":
        return f"the engine of {file} is silent, {sign}."
    return f"its engine did not answer in time, {sign}. Try again."


_IN_FULL = ("dlq_retry", "resume")  # what an engine says of these is a sentence, well or not


_DONE = {
    "reset": "{} was reset.",
    "force_open": "{} is held open.",
    "open_for": "{} is open.",
    "half_open": "{} probes at its next call.",
    "disable": "{} is disabled: every call goes through.",
    "metrics_only": "{} only watches: every call goes through and is counted.",
    "enable": "{} decides again.",
}
_UNDONE_BY = {"force_open": "reset", "open_for": "reset", "disable": "enable", "metrics_only": "enable"}


def key_that_undoes(verb: str, key: Callable[[str], str] | None) -> str:
    """Return the key that takes back what was done; empty: none does. `key` gives the key of an action."""
    return key(_UNDONE_BY[verb]) if key is not None and verb in _UNDONE_BY else ""


def outcome_text(verb: str, adapter: str, done: bool, detail: str, key: Callable[[str], str] | None = None) -> str:
    """Return what an engine did with a command, or why it refused; `detail` is in the engine's words.

    `key` gives the key of an action: where one takes back what was done, it is named.
    """
    name = safe_text(adapter, 80)
    said = safe_text(detail, 300).strip().rstrip(".")
    if said and verb in _IN_FULL:
        return f"{said[0].upper()}{said[1:]}."
    if not done:
        return f"This was not done: {said or 'the engine refused it'}."
    if verb in _DONE:
        undo = key_that_undoes(verb, key)
        return _DONE[verb].format(name) + (f" {undo} takes it back." if undo else "")
    return f"{said or 'All open breakers were reset'}."

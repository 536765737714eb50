"""Sentences about the outcome of an operator's command."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_console.text.formatting import clock, span
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import with_engine
from fuseboard_console.views.adapters.engine_presence import Connection


def not_taken_message(connection: Connection, file: str, engine: str = "") -> str:
    """Return the sentence about a command that expired.

    `file` is safe text, and so is `engine`, the name of the engine if there are several.
    """
    return f"No engine took this command: {_engine_state(connection, file, engine)}"


def no_engine_message(connection: Connection, file: str, engine: str = "") -> str:
    """Return the sentence about a command that is not sent because its engine is gone.

    `file` is safe text, and so is `engine`, the name of the engine if there are several.
    """
    return f"No engine can take this command: {_engine_state(connection, file, engine)}"


def _engine_state(connection: Connection, file: str, engine: str) -> str:
    name = f"engine {engine}" if engine else "engine"
    last_seen = f"last sign of life {span(connection.age)} ago"
    if connection.state == "empty":
        return f"no engine has ever written to {file}."
    if connection.state == "ended":
        return f"the {name} of {file} ended at {clock(connection.since)}."
    if connection.gone:
        return f"the process of the {name} of {file} is gone, {last_seen}."
    if connection.state == "silent":
        return f"the {name} of {file} is silent, {last_seen}."
    return f"{f'the {name}' if engine else 'its engine'} did not answer in time, {last_seen}. Try again."


_FULL_SENTENCES = ("dlq_retry", "dlq_stop", "resume")  # the engine answers these with a whole sentence, done or not

_DONE = {
    "reset": "{} was reset.",
    "force_open": "{} is held open.",
    "open_for": "{} is open.",
    "half_open": "{} probes at its next call.",
    "disable": "{} is disabled: every call goes through.",
    "metrics_only": "{} is set to watch only: every call goes through and is counted.",
    "enable": "{} is enabled.",
}
_ALREADY = {
    "reset": "{} was closed already.",
    "force_open": "{} was held open already.",
    "half_open": "{} was probing already.",
    "disable": "{} was disabled already.",
    "metrics_only": "{} was set to watch only already.",
}
_NOT_ENABLED = {
    "closed": "{} was closed already.",
    "open": "{} stays open: only a reset closes it.",
    "half_open": "{} goes on probing: only a reset closes it.",
}
_UNDO = {"force_open": "reset", "open_for": "reset", "disable": "enable", "metrics_only": "enable"}


def undo_key(verb: str, key: Callable[[str], str] | None) -> str:
    """Return the key that undoes a verb; empty if there is none. `key` returns the key of an action."""
    return key(_UNDO[verb]) if key is not None and verb in _UNDO else ""


def outcome_text(
    verb: str,
    adapter: str,
    done: bool,
    detail: str,
    key: Callable[[str], str] | None = None,
    engine: str = "",
) -> str:
    """Return what an engine did with a command, or why it refused.

    Args:
        verb: The verb of the command.
        adapter: The adapter it concerns.
        done: Whether the engine did it.
        detail: The engine's answer.
        key: Returns the key of an action, for a hint how to undo the command.
        engine: The name of the engine as safe text, if the adapter's name does not tell which engine it was.
    """
    name = with_engine(safe_text(adapter, 80), engine)
    answer = safe_text(detail, 300).strip().rstrip(".")
    if answer and verb in _FULL_SENTENCES:
        return f"{engine}: {answer}." if engine else f"{answer[0].upper()}{answer[1:]}."
    if not done:
        target = f" for {name if adapter else engine}" if engine else ""
        return f"This was not done{target}: {answer or 'the engine refused it'}."
    if kept := _kept_text(verb, adapter, detail):
        return kept.format(name)
    if verb in _DONE:
        undo = undo_key(verb, key)
        return _DONE[verb].format(name) + (f" {undo} undoes it." if undo else "")
    return f"{f'{engine}: ' if engine else ''}{answer or 'All open breakers were reset'}."


def _kept_text(verb: str, adapter: str, detail: str) -> str:
    """Return the sentence about a breaker that was in that state before; empty if the command changed it."""
    stays = f"{adapter} stays "
    if not detail.startswith(stays):
        return ""
    return _NOT_ENABLED.get(detail[len(stays) :], "") if verb == "enable" else _ALREADY.get(verb, "")

"""The prompts before commands that are hard to undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_console.text.formatting import plural
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import NO_ENGINES, EngineNames, with_engine
from fuseboard_engine.events import REFUSING_STATES
from fuseboard_storage.board.board import AdapterRow, Board

_NAMED = 6


class ResetAllPrompt(NamedTuple):
    """The question before a reset of all breakers, the label of its button, and the instances concerned."""

    title: str
    text: str
    yes: str
    instances: tuple[int, ...]


def refusing_adapters(board: Board) -> list[AdapterRow]:
    """Return the adapters whose breakers refuse calls."""
    return [row for row in board.rows() if row.state in REFUSING_STATES]


def reset_all_prompt(rows: Sequence[AdapterRow], engines: EngineNames = NO_ENGINES) -> ResetAllPrompt:
    """Return the question before a reset of the breakers of these adapters, at least one."""
    names = ", ".join(engines.adapter(row.key, 40) for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
    one = len(rows) == 1
    calls, adapters = ("Its next call goes", "the adapter has") if one else ("Their next calls go", "the adapters have")
    return ResetAllPrompt(
        f"Reset {plural(len(rows), 'breaker')}?",
        f"{names}{more}\n\n{calls} through, even if {adapters} not recovered.",
        f"Reset {len(rows):,}",
        tuple(sorted({row.key.instance for row in rows})),
    )


class Prompt(NamedTuple):
    """The question before a command for one breaker, and the label of its button."""

    title: str
    text: str
    yes: str


_OPEN_MANY = "Their calls are refused until then; after that they probe."

_PROMPTS = {
    "force_open": (
        "Hold {} open?",
        "Every call is refused until someone resets it. There is no countdown.",
        "Hold open",
    ),
    "half_open": (
        "Let {} probe?",
        "It is held open by hand. Its next call is a probe, and if that succeeds, it closes.",
        "Probe",
    ),
    "open_for": (
        "Open {} for a while?",
        "Its calls are refused until then; after that it probes.",
        "Open",
    ),
    "disable": ("Disable {}?", "Every call goes through, however many fail, until someone enables it.", "Disable"),
    "metrics_only": ("Set {} to watch only?", "It counts and never opens, until someone enables it.", "Watch only"),
}


def prompt_for(verb: str, adapter: str, engine: str = "") -> Prompt:
    """Return the question before a command for an adapter.

    `engine` is its engine as safe text; empty if only one engine has an adapter of this name.
    """
    title, text, yes = _PROMPTS[verb]
    return Prompt(title.format(with_engine(safe_text(adapter, 60), engine)), text, yes)


def open_many_prompt(count: int) -> Prompt:
    """Return the question before many breakers are opened for a time."""
    title, text, yes = _PROMPTS["open_for"]
    return Prompt(title.format(plural(count, "breaker")), text if count == 1 else _OPEN_MANY, yes)

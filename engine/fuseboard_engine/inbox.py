"""Carrying out an operator's command on the breakers of an engine."""

from __future__ import annotations

from fuseboard_engine.commands import VERBS, Command
from fuseboard_engine.registry import Registry

SHUT = ("open", "half_open", "forced_open")


def carry_out(registry: Registry, command: Command) -> str:
    """Do what a command says, at once, and return in words what came of it.

    Raises:
        ValueError: the verb is unknown, or its seconds are no number.
        UnknownAdapter: nothing is registered under the command's adapter.
    """
    verb, actor = command.verb, command.actor
    if verb not in VERBS:
        raise ValueError(f"this engine does not know the command {verb!r}; it knows {', '.join(VERBS)}")
    if verb == "reset_all":
        shut = [adapter for adapter in registry if adapter.breaker.state in SHUT]
        for adapter in shut:
            adapter.breaker.reset(actor=actor)
        return f"{', '.join(adapter.name for adapter in shut)} reset" if shut else "no breaker was open"
    breaker = registry[command.adapter].breaker
    before = breaker.state
    if verb == "open_for":
        breaker.open_for(_seconds(command.args.get("seconds")), actor=actor)
    else:
        getattr(breaker, verb)(actor=actor)
    return f"{command.adapter} went from {before} to {breaker.state}"


def _seconds(value: object) -> float | None:
    """Read the seconds of a command; None is the policy's own wait."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"open_for needs a number of seconds, not {value!r}")

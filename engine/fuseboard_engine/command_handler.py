"""Carrying out operators' commands on an engine."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.commands import VERBS, Command
from fuseboard_engine.errors import UnknownAdapter, describe
from fuseboard_engine.events import REFUSING_STATES, CommandDone
from fuseboard_engine.workflow.operator_resume import ask as ask_resume

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine

log = logging.getLogger("fuseboard.engine")


def execute_command(engine: Engine, command: Command) -> CommandDone | None:
    """Do what an operator asked, at once, from whichever thread. Never raises: the outcome says what happened.

    None: it takes its time (a retry of dead letters, a resume), and the outcome follows as an event.
    """

    def done(ok: bool, detail: str) -> CommandDone:
        event = CommandDone(
            at=engine.wall(),
            command=command.id,
            verb=command.verb,
            actor=command.actor,
            ok=ok,
            adapter=command.adapter,
            detail=detail,
            requested_at=command.requested_at,
        )
        engine.emit(event)
        return event

    try:
        if command.verb == "dlq_retry":
            if engine.dead_letters is None:
                raise ValueError("this engine keeps no dead letters")
            engine.dead_letters.start_operator_retry(command, done, engine.sync.home)
            return None
        if command.verb == "resume":
            ask_resume(engine, command, done)
            return None
        return done(True, carry_out(engine.registry, command))
    except (UnknownAdapter, ValueError) as error:
        return done(False, str(error))
    except Exception as error:
        log.exception("command %s failed", command.verb)
        return done(False, describe(error))


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
        shut = [adapter for adapter in registry if adapter.breaker.state in REFUSING_STATES]
        for adapter in shut:
            adapter.breaker.reset(actor=actor)
        return f"{', '.join(adapter.name for adapter in shut)} reset" if shut else "no breaker was open"
    breaker = registry[command.adapter].breaker
    before = breaker.state
    lasting = ""
    if verb == "open_for":
        seconds = _seconds(command.args.get("seconds"))
        breaker.open_for(seconds, actor=actor)
        lasting = "" if seconds is None else f" for {seconds:g} s"
    else:
        getattr(breaker, verb)(actor=actor)
    change = f"went from {before} to" if before != breaker.state else "stays"
    return f"{command.adapter} {change} {breaker.state}{lasting}"


def _seconds(value: object) -> float | None:
    """Read the seconds of a command; None is the policy's own wait."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"open_for needs a number of seconds, not {value!r}")

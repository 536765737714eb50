"""Carries out operators' commands: a table of handlers by verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fuseboard_engine.adapters.registry import Registry
from fuseboard_engine.commands import Command
from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.errors import FuseboardError, describe, text_of
from fuseboard_engine.events import REFUSING_STATES, CommandDone, Event

log = get_logger("fuseboard.engine")

Report = Callable[[bool, str], object]
"""Publishes the outcome of a command: whether it succeeded, and a text for the operator."""

Handler = Callable[[Command, Report], str | None]
"""Carries out a command and returns what was done, or None if it takes longer; it then calls the report at the end.

It raises ValueError or a FuseboardError when the command cannot be carried out.
"""

BREAKER_VERBS = ("reset", "force_open", "half_open", "disable", "metrics_only", "enable")
"""Verbs that are methods of a breaker without arguments but the actor."""

_LISTED: Final = 5  # values of an argument that are named in the audit
_MOST_TEXT: Final = 200


class CommandHandler:
    """Carries out commands. The verbs that act on breakers are built in; others are registered.

    Args:
        registry: the adapters whose breakers are operated.
        emit: publishes the outcome of each command.
        wall: UTC microseconds.
    """

    def __init__(self, registry: Registry, emit: Callable[[Event], None], wall: Callable[[], int]) -> None:
        self._registry = registry
        self._emit = emit
        self._wall = wall
        self._handlers: dict[str, Handler] = {
            **dict.fromkeys(BREAKER_VERBS, self._operate_breaker),
            "open_for": self._open_for,
            "reset_all": self._reset_all,
        }

    def register(self, verb: str, handler: Handler) -> None:
        """Have a handler carry out a verb; it replaces the one before."""
        self._handlers[verb] = handler

    def execute(self, command: Command) -> CommandDone | None:
        """Carry out a command; see `Engine.execute_command`."""

        def report(ok: bool, detail: str) -> CommandDone:
            event = CommandDone(
                at=self._wall(),
                command=command.id,
                verb=command.verb,
                actor=command.actor,
                ok=ok,
                adapter=command.adapter,
                detail=detail,
                requested_at=command.requested_at,
                what=args_text(command.args),
            )
            self._emit(event)
            return event

        handler = self._handlers.get(command.verb)
        if handler is None:
            known = ", ".join(self._handlers)
            return report(False, f"this engine does not know the command {command.verb!r}; it knows {known}")
        try:
            detail = handler(command, report)
        except (FuseboardError, ValueError) as error:
            return report(False, text_of(error))
        except Exception as error:
            log.exception("command %s failed", command.verb)
            return report(False, describe(error))
        return None if detail is None else report(True, detail)

    def _operate_breaker(self, command: Command, _: Report) -> str:
        breaker = self._registry[command.adapter].breaker
        before = breaker.state
        getattr(breaker, command.verb)(actor=command.actor)
        return _change(command.adapter, before, breaker.state)

    def _open_for(self, command: Command, _: Report) -> str:
        breaker = self._registry[command.adapter].breaker
        before = breaker.state
        seconds = _seconds(command.args.get("seconds"))
        breaker.open_for(seconds, actor=command.actor)
        change = _change(command.adapter, before, breaker.state)
        return change if seconds is None else f"{change} for {seconds:g} s"

    def _reset_all(self, command: Command, _: Report) -> str:
        refusing = [adapter for adapter in self._registry if adapter.breaker.state in REFUSING_STATES]
        for adapter in refusing:
            adapter.breaker.reset(actor=command.actor)
        return f"{', '.join(adapter.name for adapter in refusing)} reset" if refusing else "no breaker was open"


def _change(adapter: str, before: str, after: str) -> str:
    return f"{adapter} went from {before} to {after}" if before != after else f"{adapter} stays {after}"


def _seconds(value: object) -> float | None:
    """Return the seconds of a command; None selects the policy's own wait. Raise ValueError for anything else."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"open_for needs a number of seconds, not {value!r}")


def args_text(args: Mapping[str, object]) -> str:
    """Return what the arguments of a command say, without secrets: `12, 14 and 3 more`, `for 30 s`, `all`."""
    parts = []
    for name, value in args.items():
        if isinstance(value, list | tuple):
            more = f" and {len(value) - _LISTED:,} more" if len(value) > _LISTED else ""
            listed = ", ".join(str(one) for one in value[:_LISTED]) + more
            parts.append(listed if name == "ids" else f"{name} {listed}")
        elif isinstance(value, Mapping):
            parts.append(", ".join(f"{key} {one}" for key, one in [*value.items()][:_LISTED]))
        elif name == "seconds":
            parts.append("" if value is None else f"for {value:g} s" if type(value) is float else f"for {value} s")
        elif name == "all":
            parts.append("all" if value is True else "")
        else:
            parts.append(f"{name} {value}")
    return safe_error_text("; ".join(part for part in parts if part))[:_MOST_TEXT]

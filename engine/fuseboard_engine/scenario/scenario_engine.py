"""The engine of a scenario, and the one that stands for engines that are killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fuseboard_engine.command_handler import Handler
from fuseboard_engine.commands import Command
from fuseboard_engine.dead_letters.queue import DeadLetters
from fuseboard_engine.dead_letters.store import DeadLetterStore
from fuseboard_engine.engine import Engine
from fuseboard_engine.events import CommandDone, Event


class ScenarioEngine(Engine):
    """An engine that also takes the commands of a scenario.

    Args:
        name: its name.
        handlers: carry out the commands of a scenario, by verb.
        operators_clock: the clock of those who send commands, UTC microseconds.
        options: those of `Engine`.
    """

    def __init__(
        self, name: str, handlers: Mapping[str, Handler], operators_clock: Callable[[], int], **options: Any
    ) -> None:
        super().__init__(name, **options)
        self.operators_clock = operators_clock
        """Commands are asked for by this clock, whatever the pace of `wall` is. The recorder reads it."""
        for verb, handler in handlers.items():
            self._commands.register(verb, handler)


class OutlivingEngine(ScenarioEngine):
    """An engine without adapters that stands for others of its name, which are killed and started again.

    Its listeners, such as a recorder, receive the events of whichever engine runs, and operators' commands reach it.
    """

    running: ScenarioEngine | None = None
    """The engine that runs; None from a kill until the next start."""
    _end: Callable[[], None] | None = None
    _letters: DeadLetterStore | None = None  # of the engine that was killed last

    @property
    def dead_letters(self) -> DeadLetters | None:
        """The dead letters of the engine that runs. Their store outlives it."""
        return None if self.running is None else self.running.dead_letters

    @dead_letters.setter
    def dead_letters(self, letters: DeadLetters | None) -> None:
        """Keep none: it has no adapters."""

    def start_running(self, engine: ScenarioEngine) -> None:
        """Let an engine run: publish its events from now on, and let it use the same checkpoints and dead letters."""
        self._end = engine.subscribe(self.emit)
        engine.checkpoints = self.checkpoints
        if self._letters is not None and engine.dead_letters is not None:
            engine.dead_letters.attach_store(self._letters)
        self.running = engine

    def kill(self) -> ScenarioEngine | None:
        """Return the engine that ran, whose events are not published any more; None if none ran."""
        killed, self.running = self.running, None
        if killed is not None and killed.dead_letters is not None:
            self._letters = killed.dead_letters.store
        if self._end is not None:
            self._end()
            self._end = None
        return killed

    def describe(self) -> list[Event]:
        """Return the state of the engine that runs as events; see `Engine.describe`."""
        return [] if self.running is None else self.running.describe()

    def gauges(self) -> dict[str, tuple[int, int]]:
        """Return the gauges of the engine that runs; see `Engine.gauges`."""
        return {} if self.running is None else self.running.gauges()

    def execute_command(self, command: Command) -> CommandDone | None:
        """Let the engine that runs carry out a command; while none does, it has no answer."""
        return None if self.running is None else self.running.execute_command(command)

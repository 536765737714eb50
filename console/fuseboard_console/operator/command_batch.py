"""Commands for many adapters that are sent together and reported in one sentence."""

from __future__ import annotations

from fuseboard_console.operator.bulk_prompts import Outcome, batch_text


class CommandBatch:
    """Collects the outcomes of `expected` commands. `undo` is the key that undoes them; empty if there is none."""

    def __init__(self, verb: str, expected: int, undo: str = "") -> None:
        self.verb = verb
        self._undo = undo
        self._expected = expected
        self._outcomes: list[Outcome] = []
        self.done: list[int] = []
        """The commands that were done."""

    def add(self, adapter: str, done: bool, why: str = "", command: int | None = None) -> None:
        """Add one outcome; `command` is the number of a command that was done."""
        self._outcomes.append(Outcome(adapter, done, why))
        if command is not None:
            self.done.append(command)

    @property
    def over(self) -> bool:
        """Whether all outcomes are known."""
        return len(self._outcomes) >= self._expected

    @property
    def succeeded(self) -> bool:
        """Whether all commands were done."""
        return all(outcome.done for outcome in self._outcomes)

    @property
    def text(self) -> str:
        """The outcomes in one sentence."""
        return batch_text(self.verb, self._outcomes, self._undo)

"""Commands for many adapters that were asked together, and are told of together."""

from __future__ import annotations

from fuseboard_console.operator.bulk_prompts import Outcome, bulk_text


class CommandBatch:
    """Gathers what came of each of `expected` commands. `undo` is the key that takes them back; empty: none does."""

    def __init__(self, verb: str, expected: int, undo: str = "") -> None:
        self.verb = verb
        self._undo = undo
        self._expected = expected
        self._outcomes: list[Outcome] = []

    def take(self, adapter: str, done: bool, why: str = "") -> None:
        """Take what came of one."""
        self._outcomes.append(Outcome(adapter, done, why))

    @property
    def over(self) -> bool:
        """Whether all are known."""
        return len(self._outcomes) >= self._expected

    @property
    def well(self) -> bool:
        """Whether all were done."""
        return all(outcome.done for outcome in self._outcomes)

    @property
    def text(self) -> str:
        """What came of them, in a sentence."""
        return bulk_text(self.verb, self._outcomes, self._undo)

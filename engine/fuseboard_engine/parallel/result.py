"""What became of a task that was given to several adapters at once."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_engine.events import Attempt, Outcome
from fuseboard_engine.routing.route import RouteResult


class AdapterResult(msgspec.Struct, kw_only=True):
    """What one adapter of a fan-out did.

    `outcome` is that of its last attempt: `success`, `failure`, `ignored` (its error says nothing about it),
    `cancelled` (cut short, no verdict), `rejected` (never called). `attempts` are its calls and rejections in order.
    `duration` is how many seconds it was at work, retries included, and `waited` how many it waited for a slot.
    """

    adapter: str
    success: bool
    outcome: Outcome
    result: Any = None
    error: str | None = None
    exception: BaseException | None = None
    duration: float = 0.0
    waited: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    context: dict[str, str] | None = None


class ParallelResult(RouteResult, kw_only=True):
    """What became of a fan-out: a `RouteResult`, and what each adapter did.

    `success`: at least one adapter did it, and the answers could be combined. `result` is what `combine` made of the
    answers. `adapter` is who answered first, `answered` all who did, first one first. `results` has an entry for each
    adapter that was called or refused, in the order they were given; `left` names those that never had their turn.
    """

    strategy: str = "all"
    answered: tuple[str, ...] = ()
    results: dict[str, AdapterResult] = msgspec.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every adapter that was asked for answered."""
        return not self.left and bool(self.results) and all(result.success for result in self.results.values())

    @property
    def answers(self) -> dict[str, Any]:
        """The answers by adapter, in the order the adapters were given."""
        return {name: result.result for name, result in self.results.items() if result.success}

    @property
    def failed(self) -> dict[str, str]:
        """Who did not answer, and why."""
        return {name: result.error or result.outcome for name, result in self.results.items() if not result.success}

"""Results of parallel execution."""

from __future__ import annotations

from typing import Any

import msgspec

from fuseboard_engine.events import Attempt, Outcome
from fuseboard_engine.routing.route import RouteResult, reduce_result


class AdapterResult(msgspec.Struct, kw_only=True):
    """The result of one adapter of a fan-out.

    `outcome` is that of its last attempt: `success`, `failure`, `ignored` (the error is not the adapter's fault),
    `cancelled` (cut short, no verdict), `rejected` (never called). `attempts` are its calls and rejections in order.
    `duration` is the seconds it worked, retries included; `waited` the seconds it waited for a slot.
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

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_result(self)


class ParallelResult(RouteResult, kw_only=True):
    """The result of a fan-out: a `RouteResult`, and the result of each adapter.

    `success`: at least one adapter answered, and the answers could be combined. `result` is what `combine` returned.
    `adapter` is the adapter that answered first, `answered` all that answered, by time of the answer. `results` has an
    entry for each adapter that was called or rejected, in the order they were given; `left` names those never reached.
    """

    strategy: str = "all"
    answered: tuple[str, ...] = ()
    results: dict[str, AdapterResult] = msgspec.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every requested adapter answered."""
        return not self.left and bool(self.results) and all(result.success for result in self.results.values())

    @property
    def answers(self) -> dict[str, Any]:
        """The answers by adapter, in the order the adapters were given."""
        return {name: result.result for name, result in self.results.items() if result.success}

    @property
    def failed(self) -> dict[str, str]:
        """The reason for each adapter that did not answer, by name."""
        return {name: result.error or result.outcome for name, result in self.results.items() if not result.success}

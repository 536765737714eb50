"""What a routing policy switches on in an engine. What is off is not there, so a route pays nothing for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fuseboard_engine.adaptive import AdaptiveOrders
from fuseboard_engine.events import Event
from fuseboard_engine.registry import Registry
from fuseboard_engine.routing_policy import RoutingPolicy


class Routed(Protocol):
    """What routing needs of an engine."""

    registry: Registry

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` told of every event; return what ends that."""


class Routing:
    """The routing of one engine.

    Args:
        engine: whose chains are ordered.
        policy: what is on, and how.
        clock: seconds, never going back. rng: like `random.random`.
    """

    def __init__(
        self, engine: Routed, policy: RoutingPolicy, clock: Callable[[], float], rng: Callable[[], float]
    ) -> None:
        self.policy = policy
        self._engine = engine
        self._clock = clock
        self._adaptive = AdaptiveOrders(engine.registry, policy, clock, rng)
        self._learning: Callable[[], None] | None = None
        self.use(policy)

    def use(self, policy: RoutingPolicy) -> None:
        """Go on with another policy. What was learnt stays."""
        self.policy = self._adaptive.policy = policy
        self._switch_learning()

    def set_adaptive(self, task_type: str, adaptive: bool) -> None:
        """Make the chain of a task type adaptive, or fixed again; the empty type is the default chain."""
        if adaptive:
            self._adaptive.chains.add(task_type)
        else:
            self._adaptive.chains.discard(task_type)
        self._switch_learning()

    def is_adaptive(self, task_type: str) -> bool:
        """Say whether the chain of a task type is adaptive."""
        return self.policy.adaptive or task_type in self._adaptive.chains

    def _switch_learning(self) -> None:
        wanted = self.policy.adaptive or bool(self._adaptive.chains)
        registry = self._engine.registry
        if wanted and self._learning is None:
            self._learning = self._engine.subscribe(self._adaptive.observe)
            registry.order_for = self._adaptive.order_for
        elif not wanted and self._learning is not None:
            self._learning()
            self._learning = None
            registry.order_for = registry.fixed_order

"""The optional routing features of an engine. A feature that is off is not subscribed and costs a route nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Protocol

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.events import AdapterAdded, AdapterRemoved, Event, PreferenceSet
from fuseboard_engine.routing.adaptive_order import AdaptiveOrders
from fuseboard_engine.routing.all_unavailable import AllUnavailableHandler
from fuseboard_engine.routing.policy import RouteLimits, RoutingPolicy


class Router(Protocol):
    """The attributes of a router that the features set."""

    all_out: AllUnavailableHandler | None
    limits: RouteLimits | None


class RoutingFeatures:
    """The routing of one engine.

    Args:
        registry: the adapters and their chains.
        router: routes tasks along the chains.
        subscribe: adds a listener for every event; returns a function that removes it.
        emit: publishes an event; must not raise.
        policy: which features are on, and how they work.
        clock: monotonic seconds. wall: UTC microseconds. rng: like `random.random`.
    """

    def __init__(
        self,
        registry: Registry,
        router: Router,
        subscribe: Callable[[Callable[[Event], None]], Callable[[], None]],
        emit: Callable[[Event], None],
        policy: RoutingPolicy,
        *,
        clock: Callable[[], float],
        wall: Callable[[], int],
        rng: Callable[[], float],
    ) -> None:
        self.policy = policy
        self._registry = registry
        self._router = router
        self._subscribe = subscribe
        self._emit = emit
        self._clock = clock
        self._wall = wall
        self._adaptive = AdaptiveOrders(registry, policy, clock, rng)
        self._unsubscribe_adaptive: Callable[[], None] | None = None
        self._unsubscribe_all_out: Callable[[], None] | None = None
        self._unsubscribe_members: Callable[[], None] | None = None
        self._ejection_limits: EjectionLimits | None = None
        self.update_policy(policy)

    def update_policy(self, policy: RoutingPolicy) -> None:
        """Replace the policy. Observed latencies and outcomes are kept."""
        before, self.policy = self.policy, policy
        self._adaptive.policy = policy
        self._adaptive.forget_orders()
        self._update_adaptive()
        self._update_all_out()
        limits = RouteLimits(policy.max_adapters, policy.max_attempts)
        self._router.limits = None if limits == RouteLimits() else limits
        if self._ejection_limits is None or ejection_shares(before) != ejection_shares(policy):
            self._set_ejection_limits(ejection_shares(policy))

    def use(self, policy: RoutingPolicy) -> None:
        """Deprecated name of `update_policy`."""
        warnings.warn("Engine.routing.use is now called update_policy", DeprecationWarning, stacklevel=2)
        self.update_policy(policy)

    def set_chain(
        self,
        task_type: str,
        order: Iterable[str] | None,
        *,
        adaptive: bool = False,
        restartable: bool = False,
        registered: bool = True,
    ) -> None:
        """Set the chain of a task type and emit `PreferenceSet`; see `Registry.set_chain`.

        An adaptive chain is ordered by what was observed of its adapters.
        """
        names = self._registry.set_chain(task_type, order, restartable=restartable, registered=registered)
        self.set_adaptive(task_type, adaptive)
        self._emit(PreferenceSet(at=self._wall(), order=names, task_type=task_type, adaptive=adaptive))

    def set_adaptive(self, task_type: str, adaptive: bool) -> None:
        """Make the chain of a task type adaptive, or fixed again; the empty type is the default chain."""
        if adaptive:
            self._adaptive.chains.add(task_type)
        else:
            self._adaptive.chains.discard(task_type)
        self._adaptive.forget_orders()
        self._update_adaptive()

    def is_adaptive(self, task_type: str) -> bool:
        """Return whether the chain of a task type is adaptive."""
        return self.policy.adaptive or task_type in self._adaptive.chains

    def _update_adaptive(self) -> None:
        wanted = self.policy.adaptive or bool(self._adaptive.chains)
        registry = self._registry
        if wanted and self._unsubscribe_adaptive is None:
            self._unsubscribe_adaptive = self._subscribe(self._adaptive.observe)
            registry.order_for = self._adaptive.order_for
        elif not wanted and self._unsubscribe_adaptive is not None:
            self._unsubscribe_adaptive()
            self._unsubscribe_adaptive = None
            registry.order_for = registry.fixed_order

    def _update_all_out(self) -> None:
        router = self._router
        if self.policy.all_out == "fail":
            if self._unsubscribe_all_out is not None:
                self._unsubscribe_all_out()
            self._unsubscribe_all_out = router.all_out = None
        elif router.all_out is None:
            router.all_out = AllUnavailableHandler(self._registry, self.policy, self._clock)
            self._unsubscribe_all_out = self._subscribe(router.all_out.observe)
        else:
            router.all_out.policy = self.policy

    def _set_ejection_limits(self, shares: dict[str, float]) -> None:
        if self._unsubscribe_members is not None:
            self._unsubscribe_members()
        self._ejection_limits = EjectionLimits(shares) if shares else None
        self._unsubscribe_members = self._subscribe(self._follow_members) if shares else None
        for adapter in self._registry:
            self._limit(adapter)

    def _follow_members(self, event: Event) -> None:
        if type(event) is AdapterAdded:
            adapter = self._registry.find(event.adapter)
            if adapter is not None:
                self._limit(adapter)
        elif type(event) is AdapterRemoved and self._ejection_limits is not None:
            self._ejection_limits.remove(event.adapter)

    def _limit(self, adapter: Adapter) -> None:
        adapter.breaker.ejection_limits = self._ejection_limits
        if self._ejection_limits is not None:
            self._ejection_limits.add(adapter.name, adapter.tags, adapter.breaker.state)


def ejection_shares(policy: RoutingPolicy) -> dict[str, float]:
    """Return the share that may be out by tag; the empty tag is all adapters."""
    whole = {} if policy.max_out_share is None else {"": policy.max_out_share}
    return {**policy.max_out_by_tag, **whole}

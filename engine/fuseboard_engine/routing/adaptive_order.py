"""The adaptive orders of an engine: learns from the outcomes of attempts, and ranks chains on demand."""

from __future__ import annotations

from collections.abc import Callable

from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.events import (
    AdapterAdded,
    AdapterRemoved,
    Attempt,
    AttemptFailed,
    Event,
    HealthChecked,
    RouteFinished,
    StateChanged,
)
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.routing.ranking import (
    AdapterScore,
    Evidence,
    RankedChain,
    explain,
    exploration_share,
    least_loaded,
    rank,
)

AT_ONCE = 100  # a longer chain is ranked less often, and not again at every breaker change
SPREAD = 16  # adapters of a chain that a burst is spread over
STALE = (StateChanged, HealthChecked, AdapterAdded, AdapterRemoved)


class AdaptiveOrders:
    """The adaptive chains of an engine.

    Args:
        registry: the adapters and the fixed chains, which are the initial orders and break ties.
        policy: how fast evidence fades, the cost of a failure, and the share of exploration.
        clock: monotonic seconds. rng: like `random.random`; used only for exploration.
    """

    def __init__(
        self, registry: Registry, policy: RoutingPolicy, clock: Callable[[], float], rng: Callable[[], float]
    ) -> None:
        self.chains: set[str] = set()
        """The task types whose chain is adaptive; the empty type is the default chain."""
        self._registry = registry
        self.policy = policy
        self._clock = clock
        self._rng = rng
        self._evidence: dict[tuple[str, str], Evidence] = {}
        self._orders: dict[str, RankedChain] = {}

    def order_for(self, task_type: str) -> tuple[tuple[str, ...], str]:
        """Return the chain for a task type and the reason for it; the fixed chain if it is not adaptive."""
        order = self._orders.get(task_type)
        if order is None or self._clock() >= order.due:
            key = self._key(task_type)
            if not self._is_adaptive(key):
                return self._registry.fixed_order(task_type)
            now, order = self._clock(), self._orders.get(key)
            if order is None or now >= order.due:
                order = self._orders[key] = self._ranked(key, self._registry.fixed_order(key)[0], now)
        names, why = order.choose(self._rng)
        if why is order.why and order.admissible > 1:  # not explored
            first = self._registry.find(names[0])
            if first is not None and first.in_flight > order.calls:
                return self._spread(order)
        return names, why

    def _spread(self, order: RankedChain) -> tuple[tuple[str, ...], str]:
        """Return a computed order for one task, by the calls that are in flight now."""
        names = order.names[: len(order.idle_costs)]
        adapters = [self._registry.find(name) for name in names]
        calls = [0 if adapter is None else adapter.in_flight for adapter in adapters]
        index = least_loaded(order.idle_costs, calls, self.policy.load)
        if index == 0:
            return order.names, order.why
        return order.beginning_with(index), f"{order.why}; {names[index]} first, as {names[0]} is busier"

    def forget_orders(self) -> None:
        """Discard all computed orders, because a chain or the policy has changed."""
        self._orders.clear()

    def observe(self, event: Event) -> None:
        """Learn from an event: a failure when it happens, a success when its route ends."""
        if type(event) is RouteFinished:
            for attempt in event.attempts:
                if attempt.outcome == "success":
                    self._learn(event.task_type, attempt)
        elif type(event) is AttemptFailed:
            if event.attempt.outcome == "failure":
                self._learn(event.task_type, event.attempt)
        elif isinstance(event, STALE):
            changed = type(event) is AdapterAdded or type(event) is AdapterRemoved
            for key, order in list(self._orders.items()):
                if changed or len(order.names) <= AT_ONCE:
                    self._orders.pop(key, None)
            if type(event) is AdapterRemoved:
                for known in [known for known in self._evidence if known[1] == event.adapter]:
                    del self._evidence[known]

    def figures(self, task_type: str, names: tuple[str, ...], now: float) -> list[AdapterScore]:
        """Return the score of each adapter of a chain at `now`. An unregistered name is not admissible."""
        half_life = self.policy.half_life
        result = []
        for name in names:
            adapter = self._registry.find(name)
            seen = self._evidence.get((task_type, name), _NOTHING)
            if seen is not _NOTHING:
                seen.fade(now, half_life)
            result.append(
                AdapterScore(
                    name,
                    seen.success_rate,
                    seen.latency,
                    adapter.in_flight if adapter is not None else 0,
                    adapter is not None and might_admit(adapter, now),
                )
            )
        return result

    def _learn(self, task_type: str, attempt: Attempt) -> None:
        found = self._evidence.get((task_type, attempt.adapter))
        now = self._clock()
        if found is None:
            key = self._key(task_type)
            if not self._is_adaptive(key) or attempt.adapter not in self._registry:
                return
            found = self._evidence.get((key, attempt.adapter))
            if found is None:
                found = self._evidence[key, attempt.adapter] = Evidence(at=now)
        found.add(attempt.outcome == "success", attempt.duration, now, self.policy.half_life)

    def _key(self, task_type: str) -> str:
        return task_type if task_type in self._registry.orders or task_type in self.chains else ""

    def _is_adaptive(self, key: str) -> bool:
        return self.policy.adaptive or key in self.chains

    def _ranked(self, key: str, base: tuple[str, ...], now: float) -> RankedChain:
        policy = self.policy
        # Drop duplicates: ranking would put them side by side.
        names = tuple(dict.fromkeys(base))
        ranked = rank(self.figures(key, names, now), policy.failure_seconds, policy.load)
        pause = policy.refresh_seconds * max(1.0, len(names) / AT_ONCE)
        admissible = sum(f.admissible for f in ranked)
        return RankedChain(
            tuple(f.name for f in ranked),
            explain(ranked, key),
            exploration_share(admissible, policy.exploration),
            admissible,
            now + pause,
            tuple(f.idle_cost(policy.failure_seconds) for f in ranked[: min(admissible, SPREAD)]),
            ranked[0].in_flight if ranked else 0,
        )


_NOTHING = Evidence()


def might_admit(adapter: Adapter, now: float) -> bool:
    """Return whether an adapter is not known to be down and its breaker may admit a call.

    Affects only the order. Every adapter that is reached is still tried, so none is skipped for ever.
    """
    if adapter.down is not None and now < adapter.down.until:
        return False
    breaker = adapter.breaker
    state = breaker.state
    if state == "open":
        wait = breaker.snapshot().retry_after
        return wait is not None and wait <= 0
    return state != "forced_open"

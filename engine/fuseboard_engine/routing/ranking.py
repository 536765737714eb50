"""The ranking of an adaptive chain: discounted evidence about each adapter, and the order computed from it.

An attempt on an adapter succeeds with probability p and costs c seconds. Asked one after the other until one
succeeds, adapters cost least in all when they stand by rising c/p: the least-cost testing sequence of L. G. Mitten
("An Analytic Solution to the Least Cost Testing Sequence Problem", 1960). Here

    c = (latency + (1 - p) * failure_seconds) * (1 + load * in_flight)

so a better success rate, a lower latency or fewer calls in flight never rank lower. The calls in flight are those of
the moment at which a task starts, so that a burst spreads over adapters that cost about the same. Outcomes are
discounted exponentially by age, as Kocsis and Szepesvári did for bandits whose arms change ("Discounted UCB", 2006),
but by time instead of by play: old evidence fades even without calls, and learning never stops. Exploration is a
floor: each adapter that might be admitted keeps a small share of first places.

Pure: neither waits nor reads a clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from fuseboard_engine.runtime.formatting import format_duration

PRIOR = 1.0
"""Outcomes of each kind that every adapter is credited with: unknown is 0.5, and one outcome proves little."""

MAX_EXPLORED = 0.2  # of all first places, at most

SHOWN = 3  # adapters named in the explanation of an order


class Evidence(msgspec.Struct):
    """Discounted outcomes of one adapter; the weight of each halves with every half-life."""

    good: float = 0.0
    bad: float = 0.0
    seconds: float = 0.0
    at: float = 0.0

    def add(self, success: bool, seconds: float, now: float, half_life: float) -> None:
        """Add one outcome. `seconds` is the attempt's duration, `now` the engine's clock."""
        self.fade(now, half_life)
        if success:
            self.good += 1
        else:
            self.bad += 1
        self.seconds += seconds

    def fade(self, now: float, half_life: float) -> None:
        """Discount all weights to `now`. No effect if the clock stops or steps back."""
        if now > self.at:
            factor = 0.5 ** ((now - self.at) / half_life)
            self.good *= factor
            self.bad *= factor
            self.seconds *= factor
            self.at = now

    @property
    def success_rate(self) -> float:
        """Discounted share of successes, 0..1, drawn towards 0.5 by the prior."""
        return (self.good + PRIOR) / (self.good + self.bad + 2 * PRIOR)

    @property
    def latency(self) -> float:
        """Discounted mean duration of an attempt in seconds; 0.0 when nothing was seen or all of it has faded."""
        weight = self.good + self.bad
        return self.seconds / weight if weight > 1e-9 else 0.0


class AdapterScore(msgspec.Struct, frozen=True, gc=False):
    """The figures one adapter is ranked by. `admissible`: it might be admitted now, if only as a probe."""

    name: str
    success_rate: float
    latency: float
    in_flight: int = 0
    admissible: bool = True

    def cost(self, failure_seconds: float, load: float) -> float:
        """Return the expected seconds per success, c/p."""
        return self.idle_cost(failure_seconds) * (1 + load * self.in_flight)

    def idle_cost(self, failure_seconds: float) -> float:
        """Return what it would cost without calls in flight."""
        return (self.latency + (1 - self.success_rate) * failure_seconds) / self.success_rate

    def __str__(self) -> str:
        if self.latency == 0 and self.success_rate == 0.5:
            return f"{self.name} (untried)"
        return f"{self.name} {self.success_rate:.2f} at {format_duration(self.latency)}"


def rank(figures: Sequence[AdapterScore], failure_seconds: float, load: float) -> tuple[AdapterScore, ...]:
    """Return the same adapters, cheapest first, those that cannot be admitted last.

    Equal adapters keep their order.
    """
    return tuple(sorted(figures, key=lambda f: (not f.admissible, f.cost(failure_seconds, load), f.in_flight)))


def least_loaded(idle_costs: Sequence[float], in_flight: Sequence[int], load: float) -> int:
    """Return the index of the adapter that costs least with its calls in flight; the first of equals."""
    best, least = 0, (math.inf, 0)
    for index, (cost, calls) in enumerate(zip(idle_costs, in_flight, strict=True)):
        if (found := (cost * (1 + load * calls), calls)) < least:
            best, least = index, found
    return best


def exploration_share(admissible: int, share: float) -> float:
    """Return each adapter's share of first places: `share`, limited so that all get at most `MAX_EXPLORED`."""
    return min(share, MAX_EXPLORED / admissible) if admissible > 1 else 0.0


def explored_index(admissible: int, share: float, random: float) -> int | None:
    """Return the index of the admissible adapter to try first for exploration; None for none this time.

    Each gets `share` of the first places. `random` is a number from [0, 1).
    """
    if random >= share * admissible:
        return None
    return min(int(random / share), admissible - 1)


def explain(ranked: Sequence[AdapterScore], task_type: str = "") -> str:
    """Return the reason for the order, in words."""
    shown = [str(f) if f.admissible else f"{f.name} (out)" for f in ranked[:SHOWN]]
    more = len(ranked) - len(shown)
    text = " before ".join(shown) + (f" and {more} more" if more else "")
    return f"adaptive for {task_type}: {text}" if task_type else f"adaptive: {text}"


class RankedChain(msgspec.Struct):
    """The computed order of one chain, valid until `due` by the engine's clock.

    The first `admissible` of its names might be admitted; each comes first in `share` of all cases. `idle_costs` are
    the costs of those without calls in flight, `calls` is how many calls the first had in flight when it was ranked.
    """

    names: tuple[str, ...]
    why: str
    share: float
    admissible: int
    due: float
    idle_costs: tuple[float, ...] = ()
    calls: int = 0

    def choose(self, random: Callable[[], float]) -> tuple[tuple[str, ...], str]:
        """Return the order for one task and the reason for it; sometimes an explored adapter comes first."""
        if not self.share:
            return self.names, self.why
        index = explored_index(self.admissible, self.share, random())
        if index is None:
            return self.names, self.why
        name = self.names[index]
        if index == 0:
            return self.names, f"{self.why}; explored {name}"
        return self.beginning_with(index), f"{self.why}; explored {name}"

    def beginning_with(self, index: int) -> tuple[str, ...]:
        """Return the names with that one first."""
        return (self.names[index], *self.names[:index], *self.names[index + 1 :])

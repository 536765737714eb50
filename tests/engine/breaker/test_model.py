"""The breaker and a slow, obvious model of it are given the same life, and always agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, LateResult, StateChanged
from models.breaker import Model
from support.fake_clock import FakeClock

# Quarters of a second add up exactly, so the two can never differ by rounding.
quarters = st.integers(0, 40).map(lambda n: n / 4)
some_quarters = st.integers(1, 20).map(lambda n: n / 4)
rates = st.none() | st.sampled_from([0.1, 0.25, 0.5, 0.55, 0.75, 1.0])


@st.composite
def policies(draw: st.DrawFn) -> BreakerPolicy:
    window = draw(st.sampled_from(["none", "calls", "seconds"]))
    fields: dict[str, Any] = {
        "failure_threshold": draw(st.none() | st.integers(1, 4)),
        "failure_rate": draw(rates),
        "minimum_calls": draw(st.integers(1, 5)),
        "window_size": draw(st.integers(1, 6)) if window == "calls" else None,
        "window_seconds": draw(some_quarters) if window == "seconds" else None,
        "recovery_timeout": draw(quarters),
        "backoff_multiplier": draw(st.sampled_from([1, 1.5, 2])),
        "jitter": draw(st.sampled_from([0, 0.5, 1])),
        "success_threshold": draw(st.integers(1, 3)),
        "half_open_calls": draw(st.none() | st.integers(1, 5)),
        "half_open_concurrency": draw(st.integers(1, 4)),
        "probe_lease": draw(st.none() | some_quarters),
    }
    if draw(st.booleans()):
        fields |= {"slow_call_seconds": draw(some_quarters), "slow_call_rate": draw(rates.filter(bool))}
    if draw(st.booleans()):
        fields["max_recovery_timeout"] = fields["recovery_timeout"] + draw(quarters)
    if draw(st.booleans()) and fields["half_open_calls"] and (fields["failure_rate"] or "slow_call_rate" in fields):
        fields["success_threshold"] = None
    elif fields["half_open_calls"]:
        fields["success_threshold"] = min(fields["success_threshold"], fields["half_open_calls"])
    if fields["failure_threshold"] and fields["window_size"]:
        fields["failure_threshold"] = min(fields["failure_threshold"], fields["window_size"])
    return BreakerPolicy(**fields)


class BreakerAndModel(RuleBasedStateMachine):
    permits: Bundle[int] = Bundle("permits")

    @initialize(policy=policies(), random=st.sampled_from([0.0, 0.5]))
    def begin(self, policy: BreakerPolicy, random: float) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.policy = policy
        self.breaker = CircuitBreaker(
            "a", policy, clock=self.clock, wall=self.clock.wall, rng=lambda: random, on_event=self.events.append
        )
        self.model = Model(policy, random)
        self.real: dict[int, Permit] = {}
        self.generation = 0

    @rule(target=permits, count=st.integers(1, 4))
    def admit(self, count: int) -> Any:
        return multiple(*(key for _ in range(count) if (key := self.ask()) is not None))

    def ask(self) -> int | None:
        key = len(self.real)
        refusal = self.model.admit(key)
        foretold = self.breaker.retry_after()
        if refusal is None:
            assert foretold == 0
            self.real[key] = self.breaker.admit()
            return key
        with pytest.raises(CircuitOpen) as caught:
            self.breaker.admit()
        if refusal == "forced_open":
            assert foretold == math.inf
            assert (caught.value.reason, caught.value.retry_after) == ("forced_open", None)
        else:
            assert caught.value.retry_after == refusal
            assert refusal > 0
            # A call in flight that has become slow may open it only when the next one asks.
            assert foretold == refusal or self.policy.slow_call_seconds is not None
        return None

    @rule(key=permits, took=st.none() | quarters)
    def success(self, key: int, took: float | None) -> None:
        self.real[key].success(took)
        self.model.settle(key, "success", took)

    @rule(key=permits, took=st.none() | quarters)
    def failure(self, key: int, took: float | None) -> None:
        self.real[key].failure(duration=took)
        self.model.settle(key, "failure", took)

    @rule(key=permits, wait=st.none() | quarters)
    def rate_limited(self, key: int, wait: float | None) -> None:
        self.real[key].failure("rate_limited", retry_after=wait)
        self.model.settle(key, "failure", rate_limited=True, wait=wait)

    @rule(key=permits)
    def ignored(self, key: int) -> None:
        self.real[key].ignored()
        self.model.settle(key, "ignored")

    @rule(key=permits)
    def release(self, key: int) -> None:
        self.real[key].release()
        self.model.settle(key, "cancelled")

    @rule(outcomes=st.lists(st.sampled_from(["success", "failure"]), min_size=1, max_size=6))
    def whole_calls(self, outcomes: list[str]) -> None:
        for outcome in outcomes:
            key = self.ask()
            if key is not None:
                getattr(self.real[key], outcome)()
                self.model.settle(key, outcome)

    @rule(seconds=quarters)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now

    @rule()
    def wait_until_it_may_probe(self) -> None:
        if self.model.state == "open":
            self.clock.now = max(self.clock.now, self.model.until)
            self.model.now = self.clock.now

    @rule(seconds=st.integers(-7200, 7200))
    def step_the_wall_clock(self, seconds: int) -> None:
        self.clock.wall_offset += seconds

    @rule(verb=st.sampled_from(["reset", "force_open", "half_open", "disable", "metrics_only", "enable", "open_for"]))
    def by_hand(self, verb: str) -> None:
        getattr(self.breaker, verb)()
        self.model.by_hand(verb)

    @rule(seconds=quarters)
    def open_for(self, seconds: float) -> None:
        self.breaker.open_for(seconds)
        self.model.by_hand("open_for", seconds)

    @invariant()
    def they_agree(self) -> None:
        seen, model = self.breaker.snapshot(), self.model
        view = model.in_view()
        failed, slow = sum(one[1] for one in view), sum(one[2] for one in view)
        judged = len(view) >= model.minimum()
        assert (seen.state, seen.generation) == (model.state, model.generation)
        assert self.breaker.state == model.state
        assert (seen.calls, seen.failed, seen.slow) == (len(view), failed, slow)
        assert seen.failure_rate == (failed / len(view) if judged else None)
        assert seen.slow_rate == (slow / len(view) if judged and self.policy.slow_call_seconds else None)
        assert seen.failures == self.breaker.failures == model.failures()
        assert seen.successes == model.good_probes
        assert seen.probes_in_flight == len(model.probes())
        assert (seen.rejected, seen.openings) == (model.rejected, model.openings)
        assert seen.last_error == model.last_error
        assert seen.retry_after == (max(0.0, model.until - model.now) if model.state == "open" else None)

    @invariant()
    def its_figures_make_sense(self) -> None:
        seen = self.breaker.snapshot()
        assert 0 <= seen.failed <= seen.calls
        assert 0 <= seen.slow <= seen.calls
        assert seen.probes_in_flight <= min(self.policy.half_open_concurrency, self.model.round_size())
        assert seen.probes_in_flight == 0 or seen.state == "half_open"
        assert seen.retry_after is None or seen.retry_after >= 0
        assert seen.generation >= self.generation
        self.generation = seen.generation
        if self.policy.window_size is not None and seen.state == "closed":
            assert seen.calls <= self.policy.window_size

    @invariant()
    def its_events_tell_the_same_story(self) -> None:
        changes = [event for event in self.events if isinstance(event, StateChanged)]
        assert [event.generation for event in changes] == list(range(1, len(changes) + 1))
        state = "closed"
        for event in changes:
            assert event.before == state
            state = event.after
        assert state == self.breaker.state
        assert all(event.generation <= event.current for event in self.events if isinstance(event, LateResult))


BreakerAndModel.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
test_the_breaker_and_its_model_agree = BreakerAndModel.TestCase

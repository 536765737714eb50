"""What five earlier systems pinned about breakers, and the faults found in them, as data and as tests by hand."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.decorator import guard
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, StateChanged
from fuseboard_engine.retry.policy import RetryPolicy
from support.breakers import in_threads
from support.fake_clock import FakeClock
from support.paths import CASES

FILE = CASES / "seed_behaviours.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
BREAKER_CASES = [case for case in DOCUMENT["cases"] + DOCUMENT["regressions"] if case.get("kind") == "breaker"]


class Play:
    """One case being played; calls in flight are settled oldest first."""

    def __init__(self, config: dict[str, Any]) -> None:
        known = {"failure_threshold": 5, "success_threshold": 1, "half_open_max": 1, "recovery_s": 60}
        assert config.keys() <= known.keys(), f"unknown configuration: {config.keys() - known.keys()}"
        settings = known | config
        self.clock = FakeClock()
        self.breaker = CircuitBreaker(
            "seed",
            BreakerPolicy(
                failure_threshold=settings["failure_threshold"],
                success_threshold=settings["success_threshold"],
                half_open_concurrency=settings["half_open_max"],
                recovery_timeout=settings["recovery_s"],
                backoff_multiplier=1,
                jitter=0,
            ),
            clock=self.clock,
        )
        self.in_flight: list[Permit] = []

    def step(self, word: str, value: Any) -> None:
        match word:
            case "admit":
                assert self.admitted() is value
            case "ok" | "fail":
                for _ in range(value):
                    assert self.in_flight or self.admitted(), f"{word}: the call was refused"
                    self.settle(word)
            case "late_ok" | "late_fail":
                for _ in range(value):
                    self.settle(word.removeprefix("late_"))
            case "cancel":
                for _ in range(value):
                    self.in_flight.pop(0).release()
            case "advance":
                self.clock.advance(value)
            case "reset":
                self.breaker.reset()
            case "state":
                assert self.breaker.state == value
            case _:
                raise AssertionError(f"unknown step {word!r}")

    def admitted(self) -> bool:
        try:
            self.in_flight.append(self.breaker.admit())
        except CircuitOpen:
            return False
        return True

    def settle(self, how: str) -> None:
        permit = self.in_flight.pop(0)
        permit.success() if how == "ok" else permit.failure()


@pytest.mark.parametrize("case", BREAKER_CASES, ids=[case["id"] for case in BREAKER_CASES])
def test_the_breaker_behaves_as_the_case_states(case: dict[str, Any]) -> None:
    play = Play(case["config"])
    for step in case["steps"]:
        for word, value in step.items():
            play.step(word, value)


def test_cb18_a_reset_is_reported_as_a_reset_and_clears_backoff_and_probes() -> None:
    clock, events = FakeClock(), list[Event]()
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=10, backoff_multiplier=2, jitter=0)
    breaker = CircuitBreaker("a", policy, clock=clock, on_event=events.append)
    for wait in (10, 20, 40):
        breaker.admit().failure()
        clock.advance(wait)
    breaker.admit()  # a probe in flight
    breaker.reset(actor="ann")
    told = events[-1]
    assert isinstance(told, StateChanged)
    assert (told.after, told.reason, told.actor) == ("closed", "reset", "ann")
    assert breaker.snapshot().openings == breaker.snapshot().probes_in_flight == 0
    breaker.admit().failure()
    assert breaker.snapshot().retry_after == 10


def test_cb19_only_listed_errors_count() -> None:
    """Every count is one failure in a row here. The listed errors follow each other in a window, because an error that
    is not on the list counts as a success of the adapter, and that would begin a row anew."""
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=2, window_size=10))
    listed = guard(breaker, record=(ConnectionError,))

    @listed
    def call(error: Exception) -> None:
        raise error

    with pytest.raises(ConnectionError):
        call(ConnectionError())
    assert breaker.failures == 1
    with pytest.raises(ValueError):
        call(ValueError())
    assert breaker.failures == 1
    assert breaker.state == "closed"
    with pytest.raises(ConnectionError):
        call(ConnectionError())
    assert breaker.state == "open"


def test_cb20_threads_that_race_open_it_once() -> None:
    events = list[Event]()
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=3), on_event=events.append)
    permits = [breaker.admit() for _ in range(10)]
    in_threads(10, lambda: permits.pop().failure())
    assert breaker.state == "open"
    assert sum(isinstance(event, StateChanged) for event in events) == 1
    assert breaker.snapshot().failed == 3  # the other seven are results of an earlier generation
    assert sum(event.__class__.__name__ == "LateResult" for event in events) == 7


def test_cb20_counts_are_exact_under_threads() -> None:
    breaker = CircuitBreaker("a", BreakerPolicy(failure_threshold=100))
    fails = [False] * 20 + [True] * 15
    in_threads(35, lambda: breaker.admit().failure() if fails.pop() else breaker.admit().success())
    snapshot = breaker.snapshot()
    assert (snapshot.calls, snapshot.failed) == (35, 15)


@pytest.mark.parametrize("raising", [False, True], ids=["a good listener", "a listener that raises"])
def test_cb21_listeners_hear_every_change_with_its_reason(raising: bool, caplog: pytest.LogCaptureFixture) -> None:
    clock, heard = FakeClock(), list[tuple[str, str]]()

    def listener(event: Event) -> None:
        if isinstance(event, StateChanged):
            heard.append((event.after, event.reason))
        if raising:
            raise RuntimeError("listener")

    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=0.1, success_threshold=1)
    breaker = CircuitBreaker("a", policy, clock=clock, on_event=listener)
    with caplog.at_level(logging.ERROR, "fuseboard.breaker"):
        breaker.admit().failure()
        clock.advance(0.3)
        breaker.admit().success()
        breaker.reset()
    assert heard == [
        ("open", "failures"),
        ("half_open", "probe_due"),
        ("closed", "probes_succeeded"),
        ("closed", "reset"),
    ]
    assert breaker.state == "closed"
    assert bool(caplog.records) is raising


def test_cb22_slow_calls_open_it_without_one_failure() -> None:
    policy = BreakerPolicy(failure_threshold=10, slow_call_seconds=0.1, slow_call_rate=0.5, minimum_calls=1)
    breaker = CircuitBreaker("a", policy)
    permits = [breaker.admit() for _ in range(5)]
    for permit in permits:
        permit.success(duration=0.2)
    assert breaker.state == "open"
    assert breaker.snapshot().slow > 0
    assert breaker.snapshot().failed == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
@pytest.mark.parametrize("field", ["window_seconds", "probe_lease", "failure_rate"])
def test_cb25_a_value_that_is_not_finite_and_positive_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        BreakerPolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_cb25_a_recovery_timeout_may_be_zero_but_not_negative_or_endless(value: float) -> None:
    with pytest.raises(ValidationError):
        BreakerPolicy(recovery_timeout=value)


def openings(policy: BreakerPolicy, count: int, *, rng: float = 0.0) -> list[float]:
    """Return the waits of that many openings in a row of a real breaker."""
    clock = FakeClock()
    breaker = CircuitBreaker("a", policy, clock=clock, rng=lambda: rng)
    waits = []
    for _ in range(count):
        breaker.admit().failure()
        wait = breaker.snapshot().retry_after
        assert wait is not None
        waits.append(wait)
        clock.now = round(clock.now + wait, 6) + 1e-6
    return waits


@pytest.mark.parametrize("rng", [0.0, 0.5, 0.999])
def test_bo01_the_wait_doubles_up_to_its_cap_jitter_included(rng: float) -> None:
    policy = BreakerPolicy(
        failure_threshold=1, recovery_timeout=10, backoff_multiplier=2, max_recovery_timeout=100, jitter=0.1
    )
    ranges = [(10, 11), (20, 22), (40, 44), (80, 88), (100 / 1.1, 100)]
    for wait, (least, most) in zip(openings(policy, 5, rng=rng), ranges, strict=True):
        assert least - 1e-6 <= wait <= most


def test_bo02_a_retry_delay_grows_by_two_and_is_capped_and_attempt_0_counts_as_1() -> None:
    policy = RetryPolicy(strategy="exponential", base_delay=1, max_delay=30)
    assert [policy.delay(n) for n in (0, 1, 2, 3, 6)] == [1, 1, 2, 4, 30]


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        ("immediate", [0, 0, 0, 0]),
        ("linear", [1.5, 3, 4.5, 6]),
        ("exponential", [1.5, 3, 6, 12]),
        ("fibonacci", [1.5, 1.5, 3, 4.5]),
    ],
)
def test_bo03_four_strategies(strategy: Any, delays: list[float]) -> None:
    policy = RetryPolicy(strategy=strategy, base_delay=1.5, max_delay=60)
    assert [policy.delay(n) for n in range(1, 5)] == delays


def test_bo04_the_first_wait_is_the_recovery_timeout_and_then_it_grows_by_half() -> None:
    """The seed counts its first wait as 1.5 s; here the first wait is the recovery timeout as it was set."""
    policy = BreakerPolicy(failure_threshold=1, jitter=0, recovery_timeout=1.5)
    expected = [1.5, 2.25, 3.38, 5.06, 7.59, 11.39, 17.09, 25.63, 38.44, 57.67, 60, 60]
    assert openings(policy, 12) == pytest.approx(expected, abs=0.01)


def test_bo04_after_a_healthy_period_the_wait_is_back_at_its_start() -> None:
    clock = FakeClock()
    policy = BreakerPolicy(failure_threshold=1, jitter=0, success_threshold=1, recovery_timeout=4, backoff_multiplier=2)
    breaker = CircuitBreaker("a", policy, clock=clock)
    breaker.admit().failure()
    clock.advance(4)
    breaker.admit().failure()
    assert breaker.snapshot().retry_after == 8
    clock.advance(8)
    breaker.admit().success()
    clock.advance(7)
    breaker.admit().failure()  # closed for less than it was last open: not healthy yet
    assert breaker.snapshot().retry_after == 16
    clock.advance(16)
    breaker.admit().success()
    clock.advance(16)
    breaker.admit().failure()
    assert breaker.snapshot().retry_after == 4


def test_r07_a_failed_probe_restarts_the_wait() -> None:
    play = Play({"failure_threshold": 1, "recovery_s": 30})
    for word, value in [("fail", 1), ("advance", 30), ("fail", 1), ("admit", False), ("advance", 29), ("admit", False)]:
        play.step(word, value)
    play.step("advance", 1)
    play.step("admit", True)


def test_r09_eleven_hundred_openings_or_attempts_overflow_nothing() -> None:
    policy = BreakerPolicy(failure_threshold=1, recovery_timeout=1, backoff_multiplier=10, jitter=0)
    assert openings(policy, 1100)[-1] == 60
    assert policy.wait(10**9) == 60
    for strategy in ("linear", "exponential", "fibonacci"):
        retry = RetryPolicy(strategy=strategy, max_delay=45)
        assert retry.delay(1100) == retry.delay(10**12) == 45

"""Player of the cases of breaker_peers.yaml: one breaker, a manual clock, steps and expectations.

A word that is not in the vocabulary is an error in the case, never silently passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, LateResult, StateChanged
from support.fake_clock import FakeClock
from support.paths import CASES

FILE = CASES / "breaker_peers.yaml"

CONFIG_WORDS = frozenset(
    [
        "window",
        "window_size",
        "window_seconds",
        "min_calls",
        "failure_rate",
        "slow_seconds",
        "slow_rate",
        "open_seconds",
        "open_multiplier",
        "open_max_seconds",
        "jitter",
        "half_open_calls",
        "half_open_concurrent",
        "half_open_probe_lease",
        "half_open_max_seconds",
        "half_open_max_to",
        "auto_half_open",
        "real_time",
        "ignore",
        "record",
        "record_result",
        "trip_on",
        "half_open_close",
        "failure_threshold",
        "failure_capacity",
        "success_threshold",
        "success_capacity",
        "note",
    ]
)
OUTCOMES = frozenset(
    ["success", "failure", "slow_success", "slow_failure", "ignored", "unrecorded", "bad_result", "crash"]
)
STEP_WORDS = frozenset(["at", "do", "ref", "outcome", "seconds", "took", "note"])


class BadCase(Exception):
    """The case itself is invalid: an unknown word, or a ref to a permit that is not held."""


def load(path: Path = FILE) -> list[dict[str, Any]]:
    """Return the cases of the file."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases: list[dict[str, Any]] = document["cases"]
    return cases


def policy_of(case: dict[str, Any]) -> BreakerPolicy:
    """Return a case's configuration as a policy."""
    config = case["config"]
    unknown = config.keys() - CONFIG_WORDS
    if unknown:
        raise BadCase(f"{case['id']}: unknown configuration {sorted(unknown)}")
    fields: dict[str, Any] = {
        "failure_threshold": None,
        "minimum_calls": config.get("min_calls", 100),
        "recovery_timeout": config.get("open_seconds", 60),
        "backoff_multiplier": config.get("open_multiplier", 1),
        "jitter": config.get("jitter", 0),
        "probe_lease": config.get("half_open_probe_lease"),
    }
    if "open_max_seconds" in config:
        fields["max_recovery_timeout"] = config["open_max_seconds"]
    kind = config.get("window")
    if kind == "count":
        fields["window_size"] = config.get("window_size", 100)
    elif kind in ("time", "tumbling"):
        fields["window_seconds"] = config["window_seconds"]
    elif kind is not None:
        raise BadCase(f"{case['id']}: unknown window {kind!r}")
    if "failure_threshold" in config:
        threshold, capacity = config["failure_threshold"], config.get("failure_capacity", config["failure_threshold"])
        fields["failure_threshold"] = threshold
        if capacity != threshold and kind is None:
            fields["window_size"] = capacity
    if "failure_rate" in config:
        fields["failure_rate"] = config["failure_rate"]
    if "slow_seconds" in config:
        fields["slow_call_seconds"] = config["slow_seconds"]
        fields["slow_call_rate"] = config.get("slow_rate", 1.0)
    fields |= _half_open(config)
    return BreakerPolicy(**fields)


def _half_open(config: dict[str, Any]) -> dict[str, Any]:
    by_rate = "failure_rate" in config or "slow_seconds" in config
    if "success_threshold" in config or not by_rate or config.get("half_open_close") == "consecutive_successes":
        needed = config.get("success_threshold", config.get("half_open_calls", 1))
        probes = config.get("success_capacity", config.get("half_open_calls", needed))
        return {
            "success_threshold": needed,
            "half_open_calls": probes,
            "half_open_concurrency": config.get("half_open_concurrent", probes),
        }
    probes = config.get("half_open_calls", 10)
    return {
        "success_threshold": None,
        "half_open_calls": probes,
        "half_open_concurrency": config.get("half_open_concurrent", probes),
    }


class Play:
    """One case being played. Collects unmet expectations in `mismatches`."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.policy = policy_of(case)
        self.breaker = CircuitBreaker(
            case["id"], self.policy, clock=self.clock, wall=self.clock.wall, on_event=self.events.append
        )
        self.permits: dict[str, Permit] = {}
        self.early = self.breaker.admit()  # admitted before everything else; only `ignored_stale` uses it
        self.rejection: CircuitOpen | None = None
        self.mismatches: list[str] = []
        self.step: dict[str, Any] = {}

    def run(self) -> list[str]:
        """Play every step and return the mismatches."""
        for step in self.case["steps"]:
            self.one(step)
        return self.mismatches

    def one(self, step: dict[str, Any]) -> None:
        """Play one step."""
        self.step = step
        unknown = [word for word in step if word not in STEP_WORDS and word not in EXPECTATIONS and not _counts(word)]
        if unknown:
            raise BadCase(f"{self.case['id']}: unknown words {unknown} in {step}")
        self.clock.now = max(self.clock.now, float(step["at"]))
        self.rejection = None
        action = step["do"]
        if action in OUTCOMES:
            permit = self.admit(expected=True)
            if permit is not None:
                self.settle(permit, action, instant=True)
        elif action in ACTIONS:
            ACTIONS[action](self)
        else:
            raise BadCase(f"{self.case['id']}: unknown step {action!r}")
        for word, wanted in step.items():
            if word in EXPECTATIONS:
                self.compare(word, EXPECTATIONS[word](self), wanted)
            elif _counts(word):
                self.compare(word, EVENTS[word.removeprefix("expect_").removesuffix("_events")](self), wanted)

    def compare(self, what: str, seen: object, wanted: object) -> None:
        if isinstance(wanted, float) and isinstance(seen, (int, float)):
            same = seen == pytest.approx(wanted, abs=1e-6)
        else:
            same = seen == wanted
        if not same:
            self.mismatches.append(f"at {self.step['at']}, {self.step['do']}: {what} is {seen!r}, not {wanted!r}")

    def admit(self, expected: bool) -> Permit | None:
        try:
            permit = self.breaker.admit()
        except CircuitOpen as error:
            self.rejection = error
            self.compare("admitted", False, expected)
            return None
        self.compare("admitted", True, expected)
        return permit

    def acquire(self) -> None:
        permit = self.admit(expected=self.step.get("expect_admitted", True))
        if permit is not None:
            self.permits[self.step["ref"]] = permit

    def reject(self) -> None:
        permit = self.admit(expected=False)
        if permit is not None:
            permit.release()

    def held(self) -> Permit:
        ref = self.step.get("ref")
        if ref not in self.permits:
            raise BadCase(f"{self.case['id']}: {ref!r} is not held in {self.step}")
        return self.permits[ref]

    def settle(self, permit: Permit, outcome: str, *, instant: bool) -> None:
        took = self.step.get("took")
        if took is None and outcome.startswith("slow_"):
            took = 2 * self.case["config"]["slow_seconds"]
        elif took is None and instant:
            took = 0.0
        if outcome in ("success", "slow_success", "unrecorded"):
            permit.success(took)
        elif outcome in ("failure", "slow_failure"):
            permit.failure(duration=took)
        elif outcome == "bad_result":
            permit.failure("result", duration=took)
        elif outcome == "ignored":
            permit.ignored()
        elif outcome == "crash":
            permit.release()
        else:
            raise BadCase(f"{self.case['id']}: unknown outcome {outcome!r}")

    def finish(self) -> None:
        self.settle(self.held(), self.step["outcome"], instant=False)

    def give_back(self) -> None:
        self.held().release()

    def ignored_stale(self) -> None:
        (self.held() if "ref" in self.step else self.early).ignored()

    def step_wall_clock(self) -> None:
        self.clock.wall_offset += self.step["seconds"]

    def open_for(self) -> None:
        self.breaker.open_for(self.step["seconds"])

    def transitions(self, state: str) -> int:
        return sum(isinstance(e, StateChanged) and e.after == state and e.before != state for e in self.events)

    def last_state(self) -> str:
        return self.breaker.state


ACTIONS: dict[str, Callable[[Play], object]] = {
    "acquire": Play.acquire,
    "reject": Play.reject,
    "finish": Play.finish,
    "cancel": Play.give_back,
    "release": Play.give_back,
    "ignored_stale": Play.ignored_stale,
    "clock_step": Play.step_wall_clock,
    "check": lambda play: None,
    "open": lambda play: play.breaker.open_for(),
    "open_for": Play.open_for,
    "half_open": lambda play: play.breaker.half_open(),
    "force_open": lambda play: play.breaker.force_open(),
    "disable": lambda play: play.breaker.disable(),
    "metrics_only": lambda play: play.breaker.metrics_only(),
    "enable": lambda play: play.breaker.enable(),
    "reset": lambda play: play.breaker.reset(),
}
EXPECTATIONS: dict[str, Callable[[Play], object]] = {
    "expect_state": Play.last_state,
    "expect_admitted": lambda play: play.rejection is None,
    "expect_calls": lambda play: play.breaker.snapshot().calls,
    "expect_failed": lambda play: play.breaker.snapshot().failed,
    "expect_slow": lambda play: play.breaker.snapshot().slow,
    "expect_failure_rate": lambda play: play.breaker.snapshot().failure_rate,
    "expect_slow_rate": lambda play: play.breaker.snapshot().slow_rate,
    "expect_not_permitted": lambda play: play.breaker.snapshot().rejected,
    "expect_retry_after": lambda play: play.rejection and play.rejection.retry_after,
    "expect_open_attempt": lambda play: play.breaker.snapshot().openings - 1,
    "expect_illegal": lambda play: False,
}
EVENTS: dict[str, Callable[[Play], int]] = {
    "opened": lambda play: play.transitions("open"),
    "half_opened": lambda play: play.transitions("half_open"),
    "closed": lambda play: play.transitions("closed"),
    "forced_open": lambda play: play.transitions("forced_open"),
    "disabled": lambda play: play.transitions("disabled"),
    "metrics_only": lambda play: play.transitions("metrics_only"),
    "reset": lambda play: sum(isinstance(e, StateChanged) and e.reason == "reset" for e in play.events),
    "late": lambda play: sum(isinstance(e, LateResult) for e in play.events),
}


def _counts(word: str) -> bool:
    return word.startswith("expect_") and word.endswith("_events") and word[7:-7] in EVENTS

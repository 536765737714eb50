"""A simple model of the breaker: every outcome is kept in a list, every permit in a dictionary.

Slow on purpose. It is written from the design, not from the breaker, and says what the breaker must say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fuseboard_engine.breaker.policy import BreakerPolicy

RATE_WINDOW = 100  # calls, where rates are judged and the policy names no window


@dataclass
class Given:
    """A permit as the model knows it."""

    generation: int
    start: float
    state: str  # the state it was given in
    lease_end: float = 0.0
    settled: bool = False
    given_up: bool = False  # a probe whose lease ended and whose place was needed
    overdue: bool = False
    forgotten: bool = False  # overdue for so long that it no longer counts


@dataclass
class Model:
    policy: BreakerPolicy
    jitter: float  # what the random source always says
    now: float = 0.0
    state: str = "closed"
    generation: int = 0
    outcomes: list[tuple[float, bool, bool]] = field(default_factory=list)  # time, failed, slow
    of_window: bool = True  # the outcomes are looked at through the policy's window
    in_a_row: int = 0
    good_probes: int = 0
    rejected: int = 0
    openings: int = 0
    until: float = 0.0
    last_wait: float = 0.0
    closed_at: float | None = None
    last_error: str = ""
    permits: dict[int, Given] = field(default_factory=dict)

    # ------------------------------------------------------------ what can be seen

    def in_view(self) -> list[tuple[float, bool, bool]]:
        policy = self.policy
        if not self.of_window:
            return self.outcomes
        if policy.window_seconds is not None:
            return [one for one in self.outcomes if self.now - one[0] < policy.window_seconds]
        if policy.window_size is not None:
            return self.outcomes[-policy.window_size :]
        if policy.failure_rate is not None or policy.slow_call_rate is not None:
            return self.outcomes[-RATE_WINDOW:]
        return self.outcomes

    def failures(self) -> int:
        if self.policy.window_size is None and self.policy.window_seconds is None:
            return self.in_a_row
        return sum(failed for _, failed, _ in self.in_view())

    def minimum(self) -> int:
        return min(self.policy.minimum_calls, self.policy.window_size or self.policy.minimum_calls)

    def round_size(self) -> int:
        return self.policy.half_open_calls or self.policy.success_threshold or 1

    def probes(self) -> list[Given]:
        """Probes in flight, in the order they were given."""
        return [
            one
            for one in self.permits.values()
            if one.generation == self.generation
            and one.state == self.state == "half_open"
            and not one.settled
            and not one.given_up
        ]

    # ------------------------------------------------------------ asking

    def admit(self, key: int) -> str | float | None:
        """Return None when a permit is given, else the reason or the seconds to wait."""
        if self.state == "closed" and self.someone_became_overdue():
            self.judge_closed()
        if self.state == "open":
            if self.now < self.until:
                self.rejected += 1
                return self.until - self.now
            self.enter("half_open")
        if self.state == "forced_open":
            self.rejected += 1
            return "forced_open"
        given = Given(self.generation, self.now, self.state)
        if self.state == "half_open":
            probes = self.probes()
            if len(probes) >= min(self.policy.half_open_concurrency, self.round_size() - len(self.outcomes)):
                late = [probe for probe in probes if self.now >= probe.lease_end]
                if not late:
                    self.rejected += 1
                    return min(probe.lease_end for probe in probes) - self.now
                late[0].given_up = True
            given.lease_end = self.now + (self.policy.probe_lease or self.own_wait() or 1.0)
        self.permits[key] = given
        return None

    # ------------------------------------------------------------ reporting

    def settle(
        self, key: int, outcome: str, took: float | None = None, rate_limited: bool = False, wait: float | None = None
    ) -> None:
        given = self.permits[key]
        if given.settled:
            return
        given.settled = True
        if given.generation != self.generation or given.given_up or self.state == "disabled":
            if outcome == "failure" and wait is not None:
                self.extend(wait)
            return
        if outcome in ("ignored", "cancelled"):
            return
        failed = outcome == "failure"
        if took is None:
            took = self.now - given.start
        slow = self.policy.slow_call_seconds is not None and took > self.policy.slow_call_seconds
        self.outcomes.append((self.now, failed, slow))
        self.in_a_row = self.in_a_row + 1 if failed else 0
        if failed:
            self.last_error = "rate_limited" if rate_limited else "error"
        if self.state == "half_open" and not failed and not slow:
            self.good_probes += 1
        if self.state == "metrics_only":
            return
        if failed and (rate_limited or wait is not None):
            self.open(wait)
        elif self.state == "half_open":
            self.judge_probes()
        else:
            self.judge_closed()

    def judge_closed(self) -> None:
        policy, view = self.policy, self.in_view()
        if policy.failure_threshold is not None and self.failures() >= policy.failure_threshold:
            self.open()
            return
        failed = sum(one[1] for one in view)
        slow = sum(one[2] for one in view)
        enough = self.minimum()
        if policy.failure_rate is not None and len(view) >= enough and failed / len(view) >= policy.failure_rate:
            self.open()
            return
        if policy.slow_call_rate is None:
            return
        overdue = self.overdue()
        if len(view) + overdue >= enough and (slow + overdue) / (len(view) + overdue) >= policy.slow_call_rate:
            self.open()

    def judge_probes(self) -> None:
        policy, size = self.policy, self.round_size()
        done = len(self.outcomes)
        if policy.success_threshold is not None:
            if self.good_probes >= policy.success_threshold:
                self.close()
            elif self.good_probes + (size - done) < policy.success_threshold:
                self.open()
            return
        rules = [(policy.failure_rate, 1), (policy.slow_call_rate, 2)]
        verdicts = []
        for rate, column in rules:
            if rate is None:
                continue
            least = sum(one[column] for one in self.outcomes)
            most = least + size - done
            verdicts.append("bad" if least / size >= rate else "good" if most / size < rate else "?")
        if "bad" in verdicts:
            self.open()
        elif "?" not in verdicts:
            self.close()

    # ------------------------------------------------------------ slow calls still in flight

    def waiting(self) -> list[Given]:
        return [
            one
            for one in self.permits.values()
            if one.generation == self.generation and one.state == self.state == "closed" and not one.settled
        ]

    def is_late(self, one: Given) -> bool:
        limit = self.policy.slow_call_seconds
        return limit is not None and self.now - one.start > limit

    def someone_became_overdue(self) -> bool:
        return any(self.is_late(one) and not one.overdue for one in self.waiting())

    def overdue(self) -> int:
        policy, limit = self.policy, self.policy.slow_call_seconds
        assert limit is not None
        for one in self.waiting():
            one.overdue = one.overdue or self.is_late(one)
        late = [one for one in self.waiting() if one.overdue and not one.forgotten]
        if policy.window_seconds is not None:
            gone = [one for one in late if self.now - one.start >= limit + policy.window_seconds]
        else:
            gone = late[: -(policy.window_size or RATE_WINDOW)]
        for one in gone:
            one.forgotten = True
        return len(late) - len(gone)

    # ------------------------------------------------------------ changing state

    def own_wait(self) -> float:
        policy = self.policy
        grown = policy.recovery_timeout
        for _ in range(max(self.openings, 1) - 1):
            grown *= policy.backoff_multiplier
        return min(grown, max(policy.max_recovery_timeout, policy.recovery_timeout))

    def jittered_wait(self) -> float:
        jitter, cap = self.policy.jitter, max(self.policy.max_recovery_timeout, self.policy.recovery_timeout)
        spread = 1 + jitter * self.jitter
        if self.own_wait() * (1 + jitter) <= cap:
            return self.own_wait() * spread
        return cap * spread / (1 + jitter)

    def open(self, seconds: float | None = None, *, counts: bool = True) -> None:
        self.leave_closed()
        if counts:
            self.openings += 1
        self.last_wait = self.jittered_wait() if seconds is None else seconds
        self.until = self.now + self.last_wait
        self.state = "open"
        self.generation += 1
        self.rejected = 0  # what was counted stays to be looked at

    def extend(self, seconds: float) -> None:
        if self.state == "open" and self.now + seconds > self.until:
            self.last_wait += self.now + seconds - self.until
            self.until = self.now + seconds

    def close(self) -> None:
        self.closed_at = self.now
        self.enter("closed")

    def leave_closed(self) -> None:
        if self.closed_at is not None and self.now - self.closed_at >= self.last_wait:
            self.openings = 0
        self.closed_at = None

    def enter(self, state: str) -> None:
        self.state = state
        self.generation += 1
        self.outcomes = []
        self.of_window = state != "half_open"
        self.in_a_row = self.good_probes = self.rejected = 0

    # ------------------------------------------------------------ by hand

    def by_hand(self, verb: str, seconds: float | None = None) -> None:
        if verb == "reset":
            self.openings, self.closed_at, self.last_error = 0, None, ""
            self.enter("closed")
        elif verb == "open_for":
            self.open(seconds, counts=seconds is None)
        elif verb == "half_open":
            self.leave_closed()
            self.enter("half_open")
        elif verb == "enable":
            if self.state in ("forced_open", "disabled", "metrics_only"):
                self.openings, self.closed_at = 0, None
                self.enter("closed")
        else:
            state = {"force_open": "forced_open"}.get(verb, {"disable": "disabled"}.get(verb, verb))
            if self.state != state:
                self.leave_closed()
                self.enter(state)

"""The circuit breaker of one adapter: a state machine without I/O, timers or sleep.

A breaker changes only when a call asks (`admit`), reports (the permit's methods), or an operator intervenes. An open
breaker whose wait is over therefore stays `open` until the next call asks. Every change of state starts a new
generation; an outcome that belongs to an earlier one changes nothing. All methods are thread-safe; no lock is held
while a call runs or a listener is called.
"""

from __future__ import annotations

import math
import random
import threading
import warnings
from collections.abc import Callable
from operator import attrgetter
from typing import Literal

from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.breaker.event_outbox import EventOutbox
from fuseboard_engine.breaker.fast_path import FastPath
from fuseboard_engine.breaker.permit import OPENING, Permit
from fuseboard_engine.breaker.policy import BreakerPolicy, default_policy
from fuseboard_engine.breaker.sliding_window import AtomicCounter, CountWindow, StateWindow, TimeWindow, Window
from fuseboard_engine.breaker.slow_calls import CallsInFlight
from fuseboard_engine.breaker.snapshot import BreakerSnapshot
from fuseboard_engine.breaker.trip_rules import (
    Counts,
    active_rules,
    has_window,
    judge_probes,
    minimum_calls,
    probes_per_round,
)
from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import (
    Event,
    LateResult,
    Outcome,
    ProbeChanged,
    State,
    StateChanged,
    TripSuppressed,
    WaitExtended,
)
from fuseboard_engine.policy_base import LONGEST_WAIT
from fuseboard_engine.runtime.clock import engine_clocks
from fuseboard_engine.runtime.forks import call_after_fork

DEFAULT_RATE_WINDOW = 100  # calls in the window of a rate when the policy sets no window
SHORTEST_LEASE = 1.0  # seconds a probe has to report when the policy sets neither a lease nor a wait

_started = attrgetter("started")


class CircuitBreaker:
    """Decides from the outcomes of its calls whether an adapter may be called.

    Args:
        name: the adapter's name in events and errors.
        policy: when to trip, how long to wait, and what closes the breaker again.
        clock: monotonic seconds; every decision is based on it.
        on_event: called with each event after the decision, in order and without the lock. If it raises, the error is
            logged.
        wall: UTC microseconds; only used to label events.
        rng: source of jitter, a function like `random.random`.
    """

    __slots__ = (
        "__weakref__", "_calls_in_flight", "_closed_at", "_consecutive_only", "_generation", "_last_wait", "_lock",
        "_may_probe_early", "_minimum_calls", "_open_until", "_openings", "_outbox", "_probe_lease", "_probes",
        "_recoveries", "_rejected", "_relapses", "_rng", "_rules", "_slow_after", "_state", "_streak", "_successes",
        "_suppression_reported", "_window", "_windowed", "clock", "ejection_limits", "fast_path", "name", "policy",
        "threshold", "wall",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] | None = None,
        on_event: Callable[[Event], None] | None = None,
        wall: Callable[[], int] | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        usual = engine_clocks()
        self.name = name
        self.clock = clock or usual.monotonic
        self.wall = wall or usual.wall
        self.fast_path = FastPath()
        """Counts that permits and `guard` update without the lock. Internal."""
        self.ejection_limits: EjectionLimits | None = None
        """Limits how large a share of a group may be out; None for no limit."""
        self._rng = rng
        self._lock = threading.Lock()
        self._outbox = None if on_event is None else EventOutbox(name, self._lock, on_event)
        self._state: State = "closed"
        self._generation = 0
        self._openings = 0
        self._recoveries = 0
        self._relapses = 0
        self._open_until: float | None = None  # open: when the next call is a probe; None for never by itself
        self._last_wait = 0.0
        self._probe_lease = 0.0
        self._closed_at: float | None = None  # when its probes closed it; the healthy period counts from here
        self._probes: list[Permit] | None = None  # half-open: the probes in flight
        self._rejected: AtomicCounter | None = None
        self._may_probe_early = True  # open: whether the wait may be cut short
        self._suppression_reported = False  # TripSuppressed was emitted since the last success
        self._apply_policy(policy or default_policy())
        self._reset_counts()
        call_after_fork(self)

    def _apply_policy(self, policy: BreakerPolicy) -> None:
        # Fields of a policy are slow to read, so those that every outcome needs are copied.
        self.policy = policy
        self.threshold = policy.failure_threshold
        self.fast_path.limit = math.inf if self.threshold is None else self.threshold
        self._slow_after = math.inf if policy.slow_call_seconds is None else policy.slow_call_seconds
        self._windowed = has_window(policy)
        self._minimum_calls = minimum_calls(policy)
        self._rules = active_rules(policy)
        # A success while closed then needs neither clock nor window.
        self._consecutive_only = not self._windowed and all(rule.consecutive_only for rule in self._rules)

    def _reset_counts(self) -> None:
        """Start counting from zero, for the state just entered."""
        policy, fast = self.policy, self.fast_path
        fast.window = None
        if self._state == "half_open" or self._consecutive_only:
            self._window: Window = StateWindow(self._generation)
            if self._state == "closed":
                fast.window = self._window
        elif policy.window_seconds is not None:
            self._window = TimeWindow(policy.window_seconds)
        else:
            self._window = CountWindow(policy.window_size or DEFAULT_RATE_WINDOW)
        fast.failures = 0
        self._successes = 0  # good probes of this round
        self._streak = 0  # successes in a row; on the fast path, what the window's successes are to be corrected by
        # Refusals; what is closed has none, and a breaker costs a sixth less.
        self._rejected = None if self._state == "closed" else AtomicCounter()
        self._probes = [] if self._state == "half_open" else None
        self._calls_in_flight: CallsInFlight | None = None  # only while closed and slow calls are limited
        if policy.slow_call_seconds is not None and self._state == "closed":
            most = policy.window_size or DEFAULT_RATE_WINDOW
            self._calls_in_flight = CallsInFlight(policy.slow_call_seconds, policy.window_seconds, most)

    # ---------------------------------------------------------------- admission

    @property
    def state(self) -> State:
        """The current state. Call `admit` to find out whether a call may be made."""
        return self._state

    def admit(self) -> Permit:
        """Return a permit for one call.

        Raises:
            CircuitOpen: the breaker refuses the call; the error says why and when to try again.
        """
        window = self.fast_path.window
        if window is not None:
            return Permit(self, window.generation, 0.0)
        now = self.clock()
        if self._state == "open":
            until = self._open_until
            if until is not None and now < until:
                if (rejected := self._rejected) is not None:  # None: another thread has just closed it
                    rejected.tick()
                raise CircuitOpen(self.name, until - now, "open", self.fast_path.last_error)
        try:
            with self._lock:
                return self._admit(now)
        finally:
            self._deliver_events()

    def _admit(self, now: float) -> Permit:
        if self._calls_in_flight is not None and self._calls_in_flight.any_due(now):
            self._check_trip_rules(now)  # a call in flight has become slow since the last check
        state = self._state
        if state == "open":
            if self._open_until is not None and now < self._open_until:  # another thread has just opened it
                raise self._refusal(self._open_until - now, "open")
            self._enter_half_open("probe_due", "the wait is over; the next call is a probe")
            state = "half_open"
        if state == "half_open":
            return self._admit_probe(now)
        if state == "forced_open":
            raise self._refusal(None, "forced_open")
        permit = Permit(self, self._generation, now)
        if self._calls_in_flight is not None:
            self._calls_in_flight.start(permit, now)
        return permit

    def _admit_probe(self, now: float) -> Permit:
        probes = self._probes
        assert probes is not None
        if len(probes) >= self._probe_capacity():
            oldest = min(probes, key=_started)
            end = oldest.started + self._probe_lease
            if now < end:
                raise self._refusal(end - now, "probe_in_flight")
            probes.remove(oldest)
            self._emit_probe("expired")
        permit = Permit(self, self._generation, now)
        probes.append(permit)
        self._emit_probe("admitted")
        return permit

    def _refusal(
        self, retry_after: float | None, reason: Literal["open", "forced_open", "probe_in_flight"]
    ) -> CircuitOpen:
        if self._rejected is not None:
            self._rejected.tick()
        return CircuitOpen(self.name, retry_after, reason, self.fast_path.last_error)

    def _probe_capacity(self) -> int:
        """Return how many probes may be in flight now, while half-open."""
        return min(self.policy.half_open_concurrency, probes_per_round(self.policy) - self._window.calls)

    # ---------------------------------------------------------------- outcomes

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        duration: float | None = None,
        kind: str = "error",
        retry_after: float | None = None,
        error: str = "",
        at_least: float | None = None,
    ) -> None:
        """Record the outcome of a permit's call. Internal: applications call the permit's methods.

        Args:
            permit: the call; only its first outcome counts.
            outcome: the outcome.
            duration: seconds it took; None to measure from when it was admitted.
            kind: what happened; those in `OPENING` open the breaker.
            retry_after: seconds the adapter asked to wait; opens the breaker for that long.
            error: type and text of the failure.
            at_least: seconds a trip rule that this outcome meets opens the breaker at least.
        """
        now = self.clock()
        if retry_after is not None and not 0 <= retry_after <= LONGEST_WAIT:
            retry_after = None  # the adapter sent a value that makes no sense
        with self._lock:
            if not permit.live:
                return
            permit.live = False
            probes = self._probes
            if permit.generation != self._generation or (probes is not None and permit not in probes):
                asked = at_least if retry_after is None else retry_after
                if outcome == "failure" and asked is not None and self._extend_wait(now, asked):
                    pass
                elif outcome in ("success", "failure"):
                    self._emit(LateResult, outcome=outcome, generation=permit.generation, current=self._generation)
            else:
                if self._calls_in_flight is not None:
                    self._calls_in_flight.finish(permit)
                if probes is not None:
                    probes.remove(permit)
                if outcome == "ignored" or outcome == "cancelled":
                    if probes is not None:
                        self._emit_probe("released")
                elif self._state != "disabled":
                    took = now - permit.started if duration is None else duration
                    self._record(now, outcome == "failure", took, kind, retry_after, error, at_least)
        outbox = self._outbox
        if outbox is not None and outbox.pending:
            outbox.deliver()

    def _record(
        self,
        now: float,
        failed: bool,
        took: float,
        kind: str,
        retry_after: float | None,
        error: str,
        at_least: float | None,
    ) -> None:
        """Count an outcome, then open or close if a rule is met."""
        fast, probing, slow = self.fast_path, self._probes is not None, took > self._slow_after
        if failed:
            fast.last_error = safe_error_text(error or kind) if probing else error or kind
            fast.last_error_at = now
            fast.failures += 1
            self._streak = 0
        else:
            self._suppression_reported = False
            if fast.window is None:
                self._streak += 1
            elif fast.failures:
                self._streak = -fast.window.successes()
            fast.failures = 0
        self._window.record(now, failed, slow)
        if probing:
            self._successes += not failed and not slow
            self._emit_probe("failure" if failed else "success", took if slow else None)
        if self._state == "metrics_only":
            return
        if failed and (kind in OPENING or retry_after is not None):
            reason = kind if kind in OPENING else "rate_limited"
            self._open(now, reason, OPENING[reason], wait=retry_after)
        elif probing:
            self._check_probes(now, at_least, took if slow and not failed else None)
        elif failed or not self._consecutive_only:
            self._check_trip_rules(now, at_least)

    def _check_trip_rules(self, now: float, at_least: float | None = None) -> None:
        """Open if a trip rule is met. A success can meet one too: it may complete the minimum of a rate."""
        window, in_flight, policy = self._window, self._calls_in_flight, self.policy
        window.expire(now)
        overdue = 0 if in_flight is None else in_flight.count_overdue(now)
        failures = window.failed if self._windowed else self.fast_path.failures
        counts = Counts(window, failures, overdue, self._minimum_calls)
        for rule in self._rules:
            detail = rule.evaluate(policy, counts)
            if detail:
                self._open(now, rule.reason, detail, at_least=at_least)
                return

    def _check_probes(self, now: float, at_least: float | None = None, slow: float | None = None) -> None:
        """Close or reopen as soon as the verdict of this round of probes is certain.

        `slow` is the seconds of the probe that has just succeeded too slowly.
        """
        verdict = judge_probes(self.policy, self._window, self._successes, slow)
        if verdict is None:
            return
        if verdict.closes:
            self._closed_at = now
            self._recoveries += 1
            self._enter("closed", "probes_succeeded", verdict.detail)
        else:
            self._open(now, "probe_failed", verdict.detail, at_least=at_least)

    # ---------------------------------------------------------------- transitions

    def _enter(self, state: State, reason: str, detail: str, actor: str = "", wait: float | None = None) -> None:
        fast = self.fast_path
        fast.window = None  # first of all: nothing is counted without the lock from here on
        fast.last_error = safe_error_text(fast.last_error)  # refusals repeat it
        before, failures = self._state, self.failures
        self._state = state
        self._suppression_reported = False
        if self.ejection_limits is not None:
            self.ejection_limits.update(self.name, state)
        self._generation += 1
        if state == "open":  # the counts that opened it stay, for the snapshot
            self._rejected = AtomicCounter()
            self._probes = None
            self._calls_in_flight = None
        else:
            failures = 0
            self._open_until = None
            self._reset_counts()
        if self._outbox is None:
            return
        self._emit(
            StateChanged,
            before=before,
            after=state,
            reason=reason,
            detail=detail,
            actor=actor,
            generation=self._generation,
            openings=self._openings,
            wait=wait,
            until=None if wait is None else self.wall() + round(wait * 1e6),
            failures=failures,
            threshold=self.policy.failure_threshold,
            needed=self.policy.success_threshold or probes_per_round(self.policy),
        )

    def _open(
        self,
        now: float,
        reason: str,
        detail: str,
        *,
        wait: float | None = None,
        at_least: float | None = None,
        actor: str = "",
    ) -> None:
        by_hand = bool(actor) or reason == "by_hand"
        if self._state == "closed" and not by_hand and self._is_suppressed(reason, detail):
            return
        self._leave_closed(now)
        self._relapses += self._state == "half_open" and not by_hand
        self._may_probe_early = not by_hand and reason not in OPENING
        if not (by_hand and wait is not None):
            self._openings += 1
        if wait is None:
            wait = self.policy.wait_with_jitter(self._openings, self._rng())
            if at_least is not None and wait < at_least <= LONGEST_WAIT:
                wait, self._may_probe_early = at_least, False
        self._open_until = now + wait
        self._last_wait = wait
        self._enter("open", reason, detail, actor, wait)

    def _extend_wait(self, now: float, seconds: float) -> bool:
        """Wait longer while open, because an earlier call was asked to. Return False if it waits that long."""
        until = self._open_until
        if self._state != "open" or until is None or seconds > LONGEST_WAIT or now + seconds <= until:
            return False
        self._last_wait += now + seconds - until
        self._open_until = now + seconds
        self._may_probe_early = False
        self._emit(WaitExtended, wait=seconds, until=self.wall() + round(seconds * 1e6))
        return True

    def _is_suppressed(self, reason: str, detail: str) -> bool:
        """Return whether the ejection limits forbid opening. Reports the first refusal since the last success."""
        reached = None if self.ejection_limits is None else self.ejection_limits.try_eject(self.name)
        if reached is not None and not self._suppression_reported:
            self._suppression_reported = True
            self._emit(
                TripSuppressed,
                reason=reason,
                detail=f"{detail}; it stays closed: {reached}",
                group=reached.group,
                out=reached.out,
                size=reached.size,
                share=reached.share,
            )
        return reached is not None

    def _leave_closed(self, now: float) -> None:
        """Reset the growth of waits if the breaker was closed for at least as long as it was last open."""
        if self._closed_at is not None and now - self._closed_at >= self._last_wait:
            self._openings = 0
        self._closed_at = None

    def _enter_half_open(self, reason: str, detail: str, actor: str = "") -> None:
        self._probe_lease = self.policy.probe_lease or self.policy.wait(self._openings) or SHORTEST_LEASE
        self._enter("half_open", reason, detail, actor)

    # ---------------------------------------------------------------- manual control

    def reset(self, *, actor: str = "") -> None:
        """Close the breaker in any state, and forget failures, backoff and probes. `actor` is who asked."""
        with self._lock:
            self._openings = 0
            self._closed_at = None
            self.fast_path.last_error, self.fast_path.last_error_at = "", None
            self._enter("closed", "reset", "reset by hand", actor)
        self._deliver_events()

    def force_open(self, *, actor: str = "") -> None:
        """Hold the breaker open until `enable` or `reset`."""
        self._set_by_hand("forced_open", "held open", actor)

    def open_for(self, seconds: float | None = None, *, actor: str = "") -> None:
        """Open the breaker now. After `seconds` (None for the policy's own wait) the next call is a probe.

        Raises:
            ValueError: `seconds` is negative, not finite, or more than a hundred years.
        """
        if seconds is not None and not 0 <= seconds <= LONGEST_WAIT:
            raise ValueError(f"open_for needs a number of seconds from 0 to {LONGEST_WAIT:.0f}, not {seconds!r}")
        now = self.clock()
        with self._lock:
            self._open(now, "by_hand", "opened by hand", wait=seconds, actor=actor)
        self._deliver_events()

    def half_open(self, *, actor: str = "") -> None:
        """Admit probes now; they decide whether the breaker closes."""
        now = self.clock()
        with self._lock:
            self._leave_closed(now)
            self._enter_half_open("by_hand", "half-opened by hand", actor)
        self._deliver_events()

    def disable(self, *, actor: str = "") -> None:
        """Admit every call and record nothing until `enable`."""
        self._set_by_hand("disabled", "disabled", actor)

    def metrics_only(self, *, actor: str = "") -> None:
        """Admit every call and record outcomes, but never open, until `enable`."""
        self._set_by_hand("metrics_only", "set to watch only", actor)

    def enable(self, *, actor: str = "") -> None:
        """Undo `force_open`, `disable` or `metrics_only`: close and count from zero. No effect in other states."""
        with self._lock:
            if self._state in ("forced_open", "disabled", "metrics_only"):
                self._openings = 0
                self._closed_at = None
                self._enter("closed", "by_hand", "enabled", actor)
        self._deliver_events()

    def _set_by_hand(self, state: Literal["forced_open", "disabled", "metrics_only"], detail: str, actor: str) -> None:
        now = self.clock()
        with self._lock:
            if self._state != state:
                self._leave_closed(now)
                self._enter(state, "by_hand", f"{detail} by hand", actor)
        self._deliver_events()

    # ---------------------------------------------------------------- reconfiguration and restore

    def half_open_early(self, detail: str) -> bool:
        """End the wait of an open breaker, so that the next call is a probe. `detail` is the reason in words.

        Returns:
            False when nothing changed: the breaker is not open, or was opened by hand or by a rate limit.
        """
        with self._lock:
            ended = self._state == "open" and self._may_probe_early
            if ended:
                self._enter_half_open("probe_due", detail)
        self._deliver_events()
        return ended

    def update_policy(self, policy: BreakerPolicy) -> bool:
        """Replace the policy. State, counts, probes and the current wait stay as they are where possible.

        Returns:
            True when the new policy counts differently, so that counting restarted; a call in flight then belongs to
            an earlier generation.
        """
        now = self.clock()
        with self._lock:
            before, was_consecutive_only = self.policy, self._consecutive_only
            self._apply_policy(policy)
            kinds = [(p.window_size, p.window_seconds, p.slow_call_seconds is None) for p in (before, policy)]
            counts_differently = kinds[0] != kinds[1] or was_consecutive_only != self._consecutive_only
            restarted = counts_differently and self._state not in ("open", "half_open")
            if restarted:
                self._generation += 1
                self._reset_counts()
            elif self._state == "half_open" and self._window.calls:
                self._check_probes(now)  # the probes so far may be enough for the new policy
        self._deliver_events()
        return restarted

    def restore(
        self, state: State, *, wait: float = 0.0, openings: int = 0, failures: int = 0, last_error: str = ""
    ) -> None:
        """Take up the state that an earlier run of the application left, before the first call.

        Half-open becomes open with no wait left, since the probes of that run are gone. Failures are restored where
        they count in a row or opened the breaker; those of a window are too old to matter.

        Args:
            state: the state at the end of the earlier run.
            wait: seconds left of an open breaker's wait.
            openings: how many times in a row it had opened.
            failures: failures counted towards `failure_threshold`.
            last_error: type and text of the last failure.

        Raises:
            ValueError: a number is negative, not finite, or too large.
        """
        if not (0 <= wait <= LONGEST_WAIT and 0 <= openings < 1 << 32 and 0 <= failures < 1 << 32):
            raise ValueError(f"a breaker cannot be restored to {wait=}, {openings=}, {failures=}")
        now, fast = self.clock(), self.fast_path
        with self._lock:
            self._openings, fast.last_error = openings, last_error
            fast.last_error_at = now if last_error else None
            if state in ("open", "half_open"):
                self._window = StateWindow(self._generation)
                self._window.failed = fast.failures = failures
                left = wait if state == "open" else 0.0
                self._open_until, self._last_wait = now + left, self.policy.wait(openings)
                self._enter("open", "restored", "as the last run left it", wait=left)
            elif state == "closed":
                self._closed_at = now if openings else None
                self._last_wait = self.policy.wait(openings)
                if self._consecutive_only:
                    self._window.failed = fast.failures = failures
            else:
                self._enter(state, "restored", "as the last run left it")
        self._deliver_events()

    def after_fork(self) -> None:
        """Replace the lock in a forked child: a thread of the parent may have held it."""
        self._lock = threading.Lock()
        if self._outbox is not None:
            self._outbox.after_fork(self._lock)

    # ---------------------------------------------------------------- inspection

    def snapshot(self) -> BreakerSnapshot:
        """Return the current state and counts. Changes nothing."""
        now = self.clock()
        with self._lock:
            window, policy, fast = self._window, self.policy, self.fast_path
            window.expire(now)
            calls = window.calls
            judged = calls >= self._minimum_calls and calls > 0
            wait = None
            if self._state == "open" and self._open_until is not None:
                wait = max(0.0, self._open_until - now)
            error_at = fast.last_error_at
            return BreakerSnapshot(
                state=self._state,
                generation=self._generation,
                calls=calls,
                failed=window.failed,
                slow=window.slow,
                failure_rate=window.failed / calls if judged else None,
                slow_rate=window.slow / calls if judged and policy.slow_call_seconds is not None else None,
                rejected=0 if self._rejected is None else self._rejected.read(),
                retry_after=wait,
                openings=self._openings,
                failures=self.failures,
                successes=self._successes,
                probes_in_flight=len(self._probes or ()),
                last_error=safe_error_text(fast.last_error),
                last_error_at=None if error_at is None else self.wall() - round((now - error_at) * 1e6),
                recoveries=self._recoveries,
                relapses=self._relapses,
                consecutive_successes=self._successes_in_a_row(),
            )

    def _successes_in_a_row(self) -> int:
        window, failures = self.fast_path.window, self.fast_path.failures
        return self._streak if window is None else 0 if failures else window.successes() + self._streak

    @property
    def failures(self) -> int:
        """Failures that count towards `failure_threshold` as of the last recorded outcome."""
        return self._window.failed if self._windowed else self.fast_path.failures

    def retry_after(self) -> float:
        """Return the seconds until the breaker may admit a call; 0.0 if it may now. Changes nothing.

        Infinite while the breaker is held open by hand. Only an estimate for callers that can wait: `admit` decides.
        """
        if self.fast_path.window is not None:
            return 0.0
        now = self.clock()
        with self._lock:
            if self._state == "open" and self._open_until is not None:
                return max(0.0, self._open_until - now)
            probes = self._probes
            if probes and len(probes) >= self._probe_capacity():
                return max(0.0, min(probes, key=_started).started + self._probe_lease - now)
            return math.inf if self._state == "forced_open" else 0.0

    # ---------------------------------------------------------------- events

    def _emit_probe(
        self, what: Literal["admitted", "success", "failure", "released", "expired"], slow: float | None = None
    ) -> None:
        """Queue an event about a probe. `slow` is the seconds it took, if that was too long."""
        self._emit(
            ProbeChanged,
            what=what,
            slow=slow is not None,
            duration=slow or 0.0,
            limit=0.0 if slow is None else self._slow_after,
            in_flight=len(self._probes or ()),
            successes=self._successes,
            needed=self.policy.success_threshold or probes_per_round(self.policy),
        )

    def _emit(self, event: type[Event], **fields: object) -> None:
        """Queue an event while the lock is held; `_deliver_events` passes it on once the lock is free."""
        if self._outbox is not None:
            self._outbox.add(event(at=self.wall(), adapter=self.name, **fields))  # type: ignore[call-arg]

    def _deliver_events(self) -> None:
        outbox = self._outbox
        if outbox is not None and outbox.pending:
            outbox.deliver()

    # ---------------------------------------------------------------- deprecated names

    def use(self, policy: BreakerPolicy) -> bool:
        """Deprecated name of `update_policy`."""
        warnings.warn("CircuitBreaker.use is now called update_policy", DeprecationWarning, stacklevel=2)
        return self.update_policy(policy)

    def probe_early(self, detail: str) -> bool:
        """Deprecated name of `half_open_early`."""
        warnings.warn("CircuitBreaker.probe_early is now called half_open_early", DeprecationWarning, stacklevel=2)
        return self.half_open_early(detail)

    def refuses_for(self) -> float:
        """Deprecated name of `retry_after`."""
        warnings.warn("CircuitBreaker.refuses_for is now called retry_after", DeprecationWarning, stacklevel=2)
        return self.retry_after()

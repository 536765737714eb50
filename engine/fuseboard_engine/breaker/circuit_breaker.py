"""The circuit breaker of one adapter: a state machine without I/O, timers or sleep.

It changes when a call asks (`admit`) or reports (the permit's methods), never by itself: an open breaker whose wait
is over says `open` until the next call asks. Every change of state begins a new generation, and a result of an
earlier one changes nothing. All methods may be called from any thread; no lock is held while a call runs or while
a listener is told.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
import warnings
from collections.abc import Callable
from operator import attrgetter
from typing import Literal

import msgspec

from fuseboard_engine.breaker.ejection_limit import EjectionLimits
from fuseboard_engine.breaker.permit import Permit
from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.breaker.sliding_window import AtomicCounter, CountWindow, StateWindow, TimeWindow, Window
from fuseboard_engine.breaker.slow_calls import CallsInFlight
from fuseboard_engine.errors import CircuitOpen
from fuseboard_engine.events import Event, LateResult, Outcome, ProbeChanged, State, StateChanged, TripSuppressed
from fuseboard_engine.policy_base import LONGEST_WAIT
from fuseboard_engine.runtime.clock import wall_clock

log = logging.getLogger("fuseboard.breaker")

DEFAULT_RATE_WINDOW = 100  # calls; what a rate judges when the policy names no window
SHORTEST_LEASE = 1.0  # seconds; a policy that does not wait at all still has to give a probe some time


_started = attrgetter("started")


class BreakerSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A breaker at one moment. Counts are those of the present window; a rate is None below `minimum_calls`.

    `rejected` counts refusals in the present state. `retry_after` is None where no wait is counted, 0.0 when the next
    call will be admitted as a probe. `failures` counts towards `failure_threshold`; `successes` towards closing.
    `openings` is how many times in a row it has opened. `last_error_at` is UTC microseconds. `recoveries` counts how
    often its probes closed it since it was made, `relapses` how often they opened it again.
    """

    state: State
    generation: int
    calls: int
    failed: int
    slow: int
    failure_rate: float | None
    slow_rate: float | None
    rejected: int
    retry_after: float | None
    openings: int
    failures: int
    successes: int
    probes_in_flight: int
    last_error: str
    last_error_at: int | None
    recoveries: int = 0
    relapses: int = 0


class CircuitBreaker:
    """Decides whether an adapter may be called, from how its calls went.

    Args:
        name: the adapter's name, as it stands in events and errors.
        policy: when to trip, how long to wait, what closes.
        clock: seconds, never going back; every decision is taken from it.
        on_event: told of each event after the decision, outside the lock and in order. If it raises, that is logged
            and changes nothing.
        wall: UTC microseconds, only ever a label on an event.
        rng: where jitter comes from, a function like `random.random`.
    """

    __slots__ = (
        "_closed_at",
        "_early",
        "_failures",
        "_generation",
        "_held",
        "_in_flight",
        "_last_error",
        "_last_error_at",
        "_last_wait",
        "_lease",
        "_limit",
        "_lock",
        "_on_event",
        "_openings",
        "_plain",
        "_probes",
        "_queue",
        "_recoveries",
        "_rejected",
        "_relapses",
        "_rng",
        "_state",
        "_successes",
        "_tally",
        "_telling",
        "_times",
        "_until",
        "_window",
        "_windowed",
        "cap",
        "clock",
        "name",
        "policy",
        "threshold",
        "wall",
    )

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[Event], None] | None = None,
        wall: Callable[[], int] = wall_clock,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy()
        self.clock = clock
        self.wall = wall
        self._rng = rng
        self._on_event = on_event
        self._lock = threading.Lock()
        self._queue: list[Event] | None = None
        self._telling = False
        self._state: State = "closed"
        self._generation = 0
        self._openings = 0
        self._recoveries = 0
        self._relapses = 0
        self._until: float | None = None  # open: when it may probe; None: not by itself
        self._last_wait = 0.0
        self._lease = 0.0
        self._closed_at: float | None = None  # closed by its probes: when; the healthy period counts from here
        self._probes: list[Permit] | None = None  # half-open: the probes in flight
        self._last_error = ""
        self._last_error_at: float | None = None  # by the breaker's clock
        self._early = True  # open: whether the wait may end before its time
        self._held = False  # a trip was not made for the cap's sake, and that was told
        self.cap: EjectionLimits | None = None
        """What keeps too large a share of a group from being out; None: nothing does."""
        self._use(self.policy)
        self._fresh()

    def _use(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.threshold = policy.failure_threshold  # read with every failure, and a policy's fields take their time
        self._limit = float("inf") if self.threshold is None else self.threshold
        self._times = policy.slow_call_seconds is not None
        self._windowed = policy.window_size is not None or policy.window_seconds is not None
        # Only failures in a row count: a success while closed then needs neither clock nor window.
        self._plain = not (self._windowed or self._times or policy.failure_rate is not None)

    def _fresh(self) -> None:
        """Begin counting anew, for the state just entered."""
        policy = self.policy
        # The short way: closed, and nothing but failures in a row to count. None in any other case.
        self._tally: StateWindow | None = None
        if self._state == "half_open" or self._plain:
            self._window: Window = StateWindow(self._generation)
            if self._state == "closed":
                self._tally = self._window
        elif policy.window_seconds is not None:
            self._window = TimeWindow(policy.window_seconds)
        else:
            self._window = CountWindow(policy.window_size or DEFAULT_RATE_WINDOW)
        self._failures = 0  # in a row
        self._successes = 0  # good probes of this round
        self._rejected = AtomicCounter()
        self._probes = [] if self._state == "half_open" else None
        self._in_flight: CallsInFlight | None = None  # only where slow calls are a rule, and closed
        if policy.slow_call_seconds is not None and self._state == "closed":
            most = policy.window_size or DEFAULT_RATE_WINDOW
            self._in_flight = CallsInFlight(policy.slow_call_seconds, policy.window_seconds, most)

    # ---------------------------------------------------------------- asking

    @property
    def state(self) -> State:
        """The present state. Never decide by it whether to call: ask `admit`."""
        return self._state

    def admit(self) -> Permit:
        """Give leave for one call, or refuse.

        Raises:
            CircuitOpen: the breaker does not let this call through; the error says why and when it may.
        """
        tally = self._tally
        if tally is not None:
            return Permit(self, tally.generation, 0.0)
        now = self.clock()
        if self._state == "open":
            until = self._until
            if until is not None and now < until:
                self._rejected.tick()
                raise CircuitOpen(self.name, until - now, "open", self._last_error)
        try:
            with self._lock:
                return self._admit(now)
        finally:
            if self._queue:
                self._tell()

    def _admit(self, now: float) -> Permit:
        if self._in_flight is not None and self._in_flight.any_due(now):
            self._judge(now)  # a call in flight has become slow since the last verdict
        state = self._state
        if state == "open":
            if self._until is not None and now < self._until:  # another thread opened it just now
                self._rejected.tick()
                raise CircuitOpen(self.name, self._until - now, "open", self._last_error)
            self._enter_half_open("probe_due", "the wait is over; the next call is a probe")
            state = "half_open"
        if state == "half_open":
            return self._admit_probe(now)
        if state == "forced_open":
            self._rejected.tick()
            raise CircuitOpen(self.name, None, "forced_open", self._last_error)
        permit = Permit(self, self._generation, now)
        if self._in_flight is not None:
            self._in_flight.enter(permit, now)
        return permit

    def _admit_probe(self, now: float) -> Permit:
        probes = self._probes
        assert probes is not None
        if len(probes) >= self._room():
            oldest = min(probes, key=_started)
            end = oldest.started + self._lease
            if now < end:
                self._rejected.tick()
                raise CircuitOpen(self.name, end - now, "probe_in_flight", self._last_error)
            probes.remove(oldest)
            self._note_probe("expired")
        permit = Permit(self, self._generation, now)
        probes.append(permit)
        self._note_probe("admitted")
        return permit

    def _room(self) -> int:
        """How many probes may be in flight as things stand, half-open."""
        return min(self.policy.half_open_concurrency, self._round() - self._window.calls)

    def _round(self) -> int:
        """How many probes one half-open round has at the most."""
        return self.policy.half_open_calls or self.policy.success_threshold or 1

    # ---------------------------------------------------------------- reporting

    def _settle(
        self,
        permit: Permit,
        outcome: Outcome,
        duration: float | None = None,
        kind: str = "error",
        retry_after: float | None = None,
        error: str = "",
    ) -> None:
        now = self.clock()
        with self._lock:
            if not permit.live:
                return
            permit.live = False
            self._report(permit, outcome, now, duration, kind, retry_after, error)
        if self._queue:
            self._tell()

    def _report(
        self,
        permit: Permit,
        outcome: Outcome,
        now: float,
        duration: float | None,
        kind: str,
        retry_after: float | None,
        error: str,
    ) -> None:
        probes = self._probes
        expired = probes is not None and permit not in probes
        if permit.generation != self._generation or expired:
            if outcome in ("success", "failure"):
                self._note(LateResult, outcome=outcome, generation=permit.generation, current=self._generation)
            return
        if self._in_flight is not None:
            self._in_flight.leave(permit)
        if probes is not None:
            probes.remove(permit)
        if self._state == "disabled":
            return
        if outcome == "ignored" or outcome == "cancelled":
            if probes is not None:
                self._note_probe("released")
            return
        failed = outcome == "failure"
        if failed:
            self._last_error = error or kind
            self._last_error_at = now
        else:
            self._held = False
        slow = self._times and self._is_slow(now - permit.started if duration is None else duration)
        self._window.record(now, failed, slow)
        self._failures = self._failures + 1 if failed else 0
        if probes is not None:
            self._successes += not failed and not slow
            self._note_probe("failure" if failed else "success")
        if self._state == "metrics_only":
            return
        if retry_after is not None and not 0 <= retry_after <= LONGEST_WAIT:
            retry_after = None  # it came from outside and makes no sense
        if failed and (kind == "rate_limited" or retry_after is not None):
            self._open(now, "rate_limited", "it asked for fewer calls", wait=retry_after)
        elif probes is not None:
            self._judge_probes(now)
        else:
            self._judge(now)

    def _is_slow(self, duration: float) -> bool:
        limit = self.policy.slow_call_seconds
        return limit is not None and duration > limit

    def _judge(self, now: float) -> None:
        """Open if a trip rule is met. Any recorded outcome is judged, a success too."""
        policy, window = self.policy, self._window
        window.expire(now)
        threshold = policy.failure_threshold
        if threshold is not None and (counted := self._counted()) >= threshold:
            self._open(now, "failures", f"{counted} failures{'' if self._windowed else ' in a row'}")
            return
        if policy.failure_rate is None and policy.slow_call_rate is None:
            return
        # Division, not multiplication: 11 of 20 is a rate of 0.55, though 0.55 * 20 comes out above 11.
        minimum, calls = self._minimum(), window.calls
        if policy.failure_rate is not None and calls >= minimum and window.failed / calls >= policy.failure_rate:
            self._open(now, "failure_rate", f"{window.failed} of {calls} calls failed")
            return
        if policy.slow_call_rate is None:
            return
        overdue = 0 if self._in_flight is None else self._in_flight.count_overdue(now)
        calls, slow = calls + overdue, window.slow + overdue
        if calls >= minimum and slow / calls >= policy.slow_call_rate:
            detail = f"{slow} of {calls} calls were slower than {policy.slow_call_seconds} s"
            self._open(now, "slow_call_rate", detail)

    def _counted(self) -> int:
        """Failures that count towards the threshold: those in the window, or in a row where there is none."""
        return self._window.failed if self._windowed else self._failures

    def _minimum(self) -> int:
        size = self.policy.window_size
        return self.policy.minimum_calls if size is None else min(self.policy.minimum_calls, size)

    def _judge_probes(self, now: float) -> None:
        """Close or reopen as soon as the verdict of this round of probes is certain."""
        policy, window, probes = self.policy, self._window, self._round()
        bad = window.calls - self._successes
        if policy.success_threshold is not None:
            if self._successes >= policy.success_threshold:
                self._close(now)
            elif bad > probes - policy.success_threshold:
                self._open(now, "probe_failed", f"{bad} of at most {probes} probes failed")
            return
        left = probes - window.calls
        rules = (
            (policy.failure_rate, window.failed, "failed"),
            (policy.slow_call_rate, window.slow, "were slow"),
        )
        for rate, count, word in rules:
            if rate is not None and count / probes >= rate:
                self._open(now, "probe_failed", f"{count} of {probes} probes {word}")
                return
        if all(rate is None or (count + left) / probes < rate for rate, count, _ in rules):
            self._close(now)

    # ---------------------------------------------------------------- changing state

    def _enter(self, state: State, reason: str, detail: str, actor: str = "", wait: float | None = None) -> None:
        self._tally = None  # from here on nothing is counted the short way
        before, failures = self._state, self._counted()
        self._state = state
        self._held = False
        if self.cap is not None:
            self.cap.note(self.name, state)
        self._generation += 1
        if state != "open":
            self._until = None
        keep = state == "open"  # the figures that opened it stay to be looked at
        if keep:
            self._rejected = AtomicCounter()
            self._probes = None
            self._in_flight = None
        else:
            self._fresh()
        if self._on_event is None:
            return
        self._note(
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
            failures=failures if keep else 0,
            threshold=self.policy.failure_threshold,
            needed=self.policy.success_threshold or self._round(),
        )

    def _open(self, now: float, reason: str, detail: str, *, wait: float | None = None, actor: str = "") -> None:
        by_hand = bool(actor) or reason == "by_hand"
        if self.cap is not None and self._state == "closed" and not by_hand and not self._may_trip(reason, detail):
            return
        self._leave_closed(now)
        self._relapses += self._state == "half_open" and not by_hand
        self._early = not by_hand and reason != "rate_limited"
        if not (by_hand and wait is not None):
            self._openings += 1
        if wait is None:
            wait = self.policy.wait(self._openings) * (1 + self.policy.jitter * self._rng())
        self._until = now + wait
        self._last_wait = wait
        self._enter("open", reason, detail, actor, wait)

    def _may_trip(self, reason: str, detail: str) -> bool:
        """Ask the cap for leave to open; told once when it refuses."""
        full = self.cap.take(self.name) if self.cap is not None else None
        if full is not None and not self._held:
            self._held = True
            self._note(
                TripSuppressed,
                reason=reason,
                detail=f"{detail}; it stays closed: {full}",
                group=full.group,
                out=full.out,
                size=full.size,
                share=full.share,
            )
        return full is None

    def _leave_closed(self, now: float) -> None:
        """Let the growth of waits start again if it was closed for as long as it was last open: it was healthy."""
        if self._closed_at is not None and now - self._closed_at >= self._last_wait:
            self._openings = 0
        self._closed_at = None

    def _enter_half_open(self, reason: str, detail: str, actor: str = "") -> None:
        self._lease = self.policy.probe_lease or self.policy.wait(self._openings) or SHORTEST_LEASE
        self._enter("half_open", reason, detail, actor)

    def _close(self, now: float) -> None:
        good = self._successes if self.policy.success_threshold is not None else self._window.calls
        self._closed_at = now
        self._recoveries += 1
        self._enter("closed", "probes_succeeded", f"{good} good probe{'s' if good != 1 else ''}")

    # ---------------------------------------------------------------- by hand

    def reset(self, *, actor: str = "") -> None:
        """Close it, whatever its state, and forget failures, growth and probes. `actor` is who asked."""
        with self._lock:
            self._openings = 0
            self._closed_at = None
            self._last_error, self._last_error_at = "", None
            self._enter("closed", "reset", "reset by hand", actor)
        self._tell()

    def force_open(self, *, actor: str = "") -> None:
        """Hold it open until someone enables or resets it."""
        self._by_hand("forced_open", "held open", actor)

    def open_for(self, seconds: float | None = None, *, actor: str = "") -> None:
        """Open it now. After `seconds` (None: the policy's own wait) the next call probes, as after a trip.

        Raises:
            ValueError: `seconds` is negative, not finite, or more than a hundred years.
        """
        if seconds is not None and not 0 <= seconds <= LONGEST_WAIT:
            raise ValueError(f"open_for needs a number of seconds from 0 to {LONGEST_WAIT:.0f}, not {seconds!r}")
        now = self.clock()
        with self._lock:
            self._open(now, "by_hand", "opened by hand", wait=seconds, actor=actor)
        self._tell()

    def half_open(self, *, actor: str = "") -> None:
        """Let probes through now and let them decide."""
        now = self.clock()
        with self._lock:
            self._leave_closed(now)
            self._enter_half_open("by_hand", "half-opened by hand", actor)
        self._tell()

    def disable(self, *, actor: str = "") -> None:
        """Let every call through and record nothing, until enabled."""
        self._by_hand("disabled", "disabled", actor)

    def metrics_only(self, *, actor: str = "") -> None:
        """Let every call through and only watch, until enabled."""
        self._by_hand("metrics_only", "set to watch only", actor)

    def enable(self, *, actor: str = "") -> None:
        """Take back `force_open`, `disable` or `metrics_only`: closed, counting from zero. Else nothing changes."""
        with self._lock:
            if self._state in ("forced_open", "disabled", "metrics_only"):
                self._openings = 0
                self._closed_at = None
                self._enter("closed", "by_hand", "enabled", actor)
        self._tell()

    # ---------------------------------------------------------------- from outside

    def half_open_early(self, detail: str) -> bool:
        """End the wait of an open breaker now, so that the next call is a probe. `detail` says in words why.

        Returns:
            False when nothing changed: it is not open, or was opened by hand, or because it asked for fewer calls.
        """
        with self._lock:
            ended = self._state == "open" and self._early
            if ended:
                self._enter_half_open("probe_due", detail)
        self._tell()
        return ended

    def update_policy(self, policy: BreakerPolicy) -> bool:
        """Go on with another policy. State, counts, probes and the present wait stay as they are.

        Returns:
            True when what is counted is of another kind now, so that counting began anew; a call under way then
            counts as one of an earlier generation.
        """
        now = self.clock()
        with self._lock:
            before, was_plain = self.policy, self._plain
            self._use(policy)
            kinds = [(p.window_size, p.window_seconds, p.slow_call_seconds is None) for p in (before, policy)]
            anew = (kinds[0] != kinds[1] or was_plain != self._plain) and self._state not in ("open", "half_open")
            if anew:
                self._generation += 1
                self._fresh()
            elif self._state == "half_open" and self._window.calls:
                self._judge_probes(now)  # the probes so far may be enough for the new policy
        self._tell()
        return anew

    def restore(
        self, state: State, *, wait: float = 0.0, openings: int = 0, failures: int = 0, last_error: str = ""
    ) -> None:
        """Take up what an earlier run of the application left behind, before the first call.

        Half-open becomes open with no wait left: the probes of that run are gone. Failures are taken up where they
        count in a row, or opened the breaker; those of a window are too old to go by.

        Args:
            state: the state it was left in.
            wait: how many seconds of an open breaker's wait are left.
            openings: how many times in a row it had opened.
            failures: what it had counted towards `failure_threshold`.
            last_error: type and text of the last failure.

        Raises:
            ValueError: a number is negative, not finite, or out of all proportion.
        """
        if not (0 <= wait <= LONGEST_WAIT and 0 <= openings < 1 << 32 and 0 <= failures < 1 << 32):
            raise ValueError(f"a breaker cannot be restored to {wait=}, {openings=}, {failures=}")
        now = self.clock()
        with self._lock:
            self._openings, self._last_error = openings, last_error
            self._last_error_at = now if last_error else None
            if state in ("open", "half_open"):
                self._window = StateWindow(self._generation)
                self._window.failed = self._failures = failures
                left = wait if state == "open" else 0.0
                self._until, self._last_wait = now + left, self.policy.wait(openings)
                self._enter("open", "restored", "as the last run left it", wait=left)
            elif state == "closed":
                self._closed_at = now if openings else None
                self._last_wait = self.policy.wait(openings)
                if self._plain:
                    self._window.failed = self._failures = failures
            else:
                self._enter(state, "restored", "as the last run left it")
        self._tell()

    def _by_hand(self, state: Literal["forced_open", "disabled", "metrics_only"], detail: str, actor: str) -> None:
        now = self.clock()
        with self._lock:
            if self._state != state:
                self._leave_closed(now)
                self._enter(state, "by_hand", f"{detail} by hand", actor)
        self._tell()

    # ---------------------------------------------------------------- looking

    def snapshot(self) -> BreakerSnapshot:
        """Return its figures at this moment. Changes nothing."""
        now = self.clock()
        with self._lock:
            window, policy = self._window, self.policy
            window.expire(now)
            calls = window.calls
            judged = calls >= self._minimum() and calls > 0
            wait = None
            if self._state == "open" and self._until is not None:
                wait = max(0.0, self._until - now)
            return BreakerSnapshot(
                state=self._state,
                generation=self._generation,
                calls=calls,
                failed=window.failed,
                slow=window.slow,
                failure_rate=window.failed / calls if judged else None,
                slow_rate=window.slow / calls if judged and policy.slow_call_seconds is not None else None,
                rejected=self._rejected.read(),
                retry_after=wait,
                openings=self._openings,
                failures=self._counted(),
                successes=self._successes,
                probes_in_flight=len(self._probes or ()),
                last_error=self._last_error,
                last_error_at=None
                if self._last_error_at is None
                else self.wall() - round((now - self._last_error_at) * 1e6),
                recoveries=self._recoveries,
                relapses=self._relapses,
            )

    @property
    def failures(self) -> int:
        """Failures that count towards `failure_threshold` as of the last recorded outcome."""
        return self._window.failed if self._windowed else self._failures

    def retry_after(self) -> float:
        """Return for how many seconds it would refuse a call as things stand; 0.0: it would not. Changes nothing.

        For whoever may as well wait. Whether to call is decided by `admit` alone, which has to be asked when they are
        over. Infinite: until something is done by hand.
        """
        if self._tally is not None:
            return 0.0
        now = self.clock()
        with self._lock:
            if self._state == "open" and self._until is not None:
                return max(0.0, self._until - now)
            probes = self._probes
            if probes and len(probes) >= self._room():
                return max(0.0, min(probes, key=_started).started + self._lease - now)
            return math.inf if self._state == "forced_open" else 0.0

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

    # ---------------------------------------------------------------- telling

    def _note_probe(self, what: Literal["admitted", "success", "failure", "released", "expired"]) -> None:
        self._note(
            ProbeChanged,
            what=what,
            in_flight=len(self._probes or ()),
            successes=self._successes,
            needed=self.policy.success_threshold or self._round(),
        )

    def _note(self, event: type[Event], **fields: object) -> None:
        """Queue an event. Called with the lock held; `_tell` passes it on once the lock is free."""
        if self._on_event is None:
            return
        if self._queue is None:
            self._queue = []
        self._queue.append(event(at=self.wall(), adapter=self.name, **fields))  # type: ignore[call-arg]

    def _tell(self) -> None:
        """Pass queued events on. One thread at a time does it, so the listener hears them in order."""
        while True:
            with self._lock:
                if self._telling or not self._queue or self._on_event is None:
                    return
                self._telling = True
                events, self._queue = self._queue, []
                listener = self._on_event
            try:
                for event in events:
                    try:
                        listener(event)
                    except Exception:
                        log.exception("a listener of %s raised on %s", self.name, type(event).__name__)
            finally:
                self._telling = False

"""The catalogue of events: every decision of the engine, as an immutable value.

Events are the engine's only output. A recorder stores them unchanged, a board is folded from them, and log lines are
written from them. An event says what was decided and why; it never holds an exception object or a task's payload.

Every `at` is UTC in integer microseconds, a label only: no decision depends on it. Every duration is in seconds. The
`kind` of an event is its tag in a recording, and its meaning never changes.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import msgspec

State = Literal["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"]
"""The states of a breaker; the last three are only set by hand."""

REFUSING_STATES: Final[frozenset[State]] = frozenset(("open", "half_open", "forced_open"))
"""The states in which a breaker refuses calls (half-open: all but its probes)."""

HELD_STATES: Final[frozenset[State]] = frozenset(("forced_open", "disabled", "metrics_only"))
"""The states that only an operator or the application enters and leaves."""

Outcome = Literal["success", "failure", "ignored", "cancelled", "rejected"]
"""How an attempt ended. `ignored`: an error that says nothing about the adapter. `rejected`: the adapter was not
called.
"""

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer that a recording can hold. A row with a larger one is unreadable."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind"):
    """Base of all events: the time at which it happened."""

    sheddable: ClassVar[bool] = False
    """Whether a recorder with a full buffer may drop the type. False if a Board without the event would stay wrong."""

    at: Int64

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and `kind`, as a dictionary that `json.dumps` takes; a number that is not finite is None.

        Fields that have their default are left out.
        """
        fields: dict[str, Any] = _finite(msgspec.to_builtins(self, str_keys=True))
        return fields


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One attempt of a route: a call of one adapter, or its rejection.

    `number` counts this adapter's calls within the route from 1 (0: not called). `rule` names the attribution row that
    applied. `why` is the reason of a rejection, or the decision after a failure. `failures` is its breaker's count
    towards the threshold after this attempt. A stream is one attempt: `duration` is its whole time, `first_item` the
    seconds until its first item, `items` the number of items. `limit` is how many attempts the retry policy of the call
    allowed; 0: as many as the adapter's own.
    """

    adapter: str
    outcome: Outcome
    number: Int64 = 0
    wait: float = 0.0
    duration: float = 0.0
    rule: str = ""
    error_type: str = ""
    error: str = ""
    why: str = ""
    failures: Int64 = 0
    retry_after: float | None = None
    first_item: float | None = None
    items: Int64 = 0
    limit: Int64 = 0


class EngineStarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="engine_started"):
    """The recording of an engine started.

    `replaces` is the ended instance of the same name whose place it takes; 0: none. `restored` says that the engine
    has continued from that instance's state and figures.
    """

    name: str
    host: str
    pid: Int64
    replaces: Int64 = 0
    restored: bool = False


LOST: Final = "lost"
"""The stop reason of an engine that was found dead: it was killed, or its host stopped."""


class EngineStopped(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="engine_stopped"):
    """An engine stopped in an orderly way or, with the reason `lost`, was found dead."""

    reason: str = "closed"


class AdapterAdded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapter_added"):
    """An adapter was registered; `policy` is its breaker policy by field name.

    `figures` are the counts restored from an earlier run, if any. `retry` is its retry policy by field name, without
    exception types; empty in recordings of older versions.
    """

    adapter: str
    policy: dict[str, Any]
    tags: tuple[str, ...] = ()
    figures: dict[str, float] | None = None
    retry: dict[str, Any] = {}


class AdapterRemoved(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapter_removed"):
    """An adapter was removed."""

    adapter: str


class PreferenceSet(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="preference_set"):
    """The chain of a task type was set; an empty `task_type` is the default for all other types."""

    order: tuple[str, ...]
    task_type: str = ""
    adaptive: bool = False


class RoutingPolicySet(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="routing_policy_set"):
    """A routing policy took effect; `policy` is its fields by name. An engine without this event has the default."""

    policy: dict[str, Any]


class StateChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="state_changed"):
    """A breaker changed its state.

    `reason` is a short constant: `failures`, `failure_rate`, `slow_call_rate`, `rate_limited`, `quota`, `credentials`,
    `probe_failed`, `probe_due`, `probes_succeeded`, `reset`, `by_hand`, `restored`. `detail` describes it. `wait` is
    how many seconds an open breaker stays open and `until` when that ends; both None without a wait. `needed` is the
    number of good probes that close a half-open breaker. `actor` is empty for the engine's own decisions.
    """

    adapter: str
    before: State
    after: State
    reason: str
    detail: str = ""
    actor: str = ""
    generation: Int64 = 0
    openings: Int64 = 0
    wait: float | None = None
    until: Int64 | None = None
    failures: Int64 = 0
    threshold: Int64 | None = None
    needed: Int64 = 0


class WaitExtended(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="wait_extended"):
    """A call that had begun before asked an open breaker to wait longer than it does.

    `wait` is the seconds from now, `until` when that is.
    """

    adapter: str
    wait: float
    until: Int64


class TripSuppressed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trip_held"):
    """A trip rule applied but the breaker stayed closed: too large a share of its group is already out.

    `reason` and `detail` name the rule; `group` is a tag (empty: all adapters), `out` of its `size` adapters are out
    and the allowed share is `share`. Emitted once, until a call succeeds or the breaker changes its state.
    """

    adapter: str
    reason: str
    detail: str = ""
    group: str = ""
    out: Int64 = 0
    size: Int64 = 0
    share: float = 0.0


class HealthChecked(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="health_checked"):
    """The first health check of an adapter, or one that changed its health.

    `status` and `before`: `healthy`, `degraded`, `unhealthy` or `unknown`. `detail` is the check's explanation.
    """

    adapter: str
    status: str
    before: str = "unknown"
    detail: str = ""
    duration: float = 0.0


class HealthAlert(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="health_alert"):
    """`failures` health checks of an adapter failed in a row; emitted once per such row."""

    adapter: str
    failures: Int64
    detail: str = ""


class FailureRateAlert(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="failure_rate_alert"):
    """The failure rate of an adapter reached a threshold (`high`), or fell below it again.

    `rate` is the share, 0..1, of the `calls` of the last `seconds` that failed.
    """

    adapter: str
    high: bool
    rate: float
    threshold: float
    calls: Int64
    seconds: float


class FaultInjected(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="fault_injected"):
    """A fault was injected into an adapter: its calls meet it in place of the service.

    `fault` is the fault's name, `value` the number that it takes (None: none), `share` the share of the calls, 0..1.
    It ends by itself at `until`. `actor` injected it.
    """

    adapter: str
    fault: str
    until: Int64
    share: float = 1.0
    value: float | None = None
    actor: str = ""


class FaultEnded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="fault_ended"):
    """An injected fault ended.

    `reason`: `healed` (by `actor`), `over` (its time was over, noticed at the next call), `replaced` by another fault,
    `removed` with its adapter, `refused` by a new configuration.
    """

    adapter: str
    fault: str
    reason: str
    actor: str = ""


class ProbeChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="probe_changed"):
    """A probe of a half-open breaker was admitted, or ended.

    `what`: `admitted`, `success`, `failure`, `released` (no verdict), `expired` (its lease expired and another caller
    needed the place). `slow`: it took longer than `slow_call_seconds`, so that even a success is not a good probe. Only
    then `duration` is how many seconds it took, and `limit` how many it may take.
    """

    sheddable: ClassVar[bool] = True

    adapter: str
    what: Literal["admitted", "success", "failure", "released", "expired"]
    in_flight: Int64 = 0
    successes: Int64 = 0
    needed: Int64 = 0
    slow: bool = False
    duration: float = 0.0
    limit: float = 0.0


class GaugesSampled(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapters_gauged"):
    """The current load of adapters; only those that changed, at most once a second.

    Per adapter: the calls in flight, and the retries left in its budget.
    """

    gauges: dict[str, tuple[Int64, Int64]]


class LateResult(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="late_result"):
    """A call of an earlier generation reported; it changed nothing."""

    sheddable: ClassVar[bool] = True

    adapter: str
    outcome: Outcome
    generation: Int64
    current: Int64


class AttemptFailed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="attempt_failed"):
    """An attempt failed; emitted at once, because its route may continue for long.

    `then` is the router's next step: `retry` (after `delay` seconds), `failover`, `stop`.
    """

    sheddable: ClassVar[bool] = True

    task: str
    task_type: str
    attempt: Attempt
    then: Literal["retry", "failover", "stop"] = "stop"
    delay: float = 0.0
    threshold: Int64 | None = None
    context: dict[str, str] | None = None


class RouteFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="route_finished"):
    """A task's route ended: every attempt and rejection in order, who answered, who was not tried.

    `dead_letter` is the dead letter that its task became; `letter` is the one that this route retried: such a route is
    not a new task. `strategy` is empty for a chain; a fan-out sets its own, and in `answered` the adapters that
    succeeded, in order of time. `deadline` is the seconds that the route could take; None: any time.
    """

    sheddable: ClassVar[bool] = True

    task: str
    task_type: str
    success: bool
    attempts: tuple[Attempt, ...]
    adapter: str = ""
    degraded: bool = False
    duration: float = 0.0
    left: tuple[str, ...] = ()
    why: str = ""
    error: str = ""
    dead_letter: Int64 | None = None
    letter: Int64 | None = None
    context: dict[str, str] | None = None
    strategy: str = ""
    answered: tuple[str, ...] = ()
    deadline: float | None = None


class RouteCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The ordinary routes that one adapter answered: their number, their seconds in all, and histograms.

    `latency` and `first_item` count calls by bucket. `failures` is the breaker's count after the last of the routes;
    None if a later event set it.
    """

    calls: Int64
    busy: float = 0.0
    latency: dict[int, Int64] = {}
    first_item: dict[int, Int64] = {}
    failures: Int64 | None = None


class RoutesCounted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="routes_counted"):
    """Ordinary routes that a recording counts instead of keeping each: the first adapter answered at once.

    It stands in place of the last of the routes; `since` is the time of the first. The counts are by adapter. `types`
    is the number of routes by task type.
    """

    since: Int64
    adapters: dict[str, RouteCounts]
    types: dict[str, Int64] = {}

    @property
    def tasks(self) -> int:
        """The number of routes. Each ordinary route is one call."""
        return sum(counts.calls for counts in self.adapters.values())


class BatchFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="batch_finished"):
    """A batch of tasks ended. It is accepted when at least the share `needed` of its parts succeeded; degraded parts
    did not.

    `rounds` counts how often tasks were sent out, `rolled_back` the calls of the rollback hook. `tasks` are the ids of
    its tasks; empty in recordings of older versions.
    """

    batch: str
    parts: Int64
    succeeded: Int64
    degraded: Int64 = 0
    failed: Int64 = 0
    needed: float = 0.0
    accepted: bool = True
    rounds: Int64 = 1
    rolled_back: Int64 = 0
    duration: float = 0.0
    error: str = ""
    tasks: tuple[str, ...] = ()


NodeState = Literal["pending", "running", "done", "degraded", "failed", "skipped"]
"""The state of a workflow's node. `skipped`: a node that it depends on was not done."""


class WorkflowStarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="workflow_started"):
    """A workflow run started or resumed; `finished` names the nodes that were done before."""

    run: str
    workflow: str
    nodes: tuple[str, ...]
    name: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    resumed: bool = False
    finished: tuple[str, ...] = ()


class NodeChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="node_changed"):
    """A node of a run changed its state; an end is emitted only after it is saved.

    `answered` is the adapter that did it: one of its own chain, or of a fallback node's.
    """

    run: str
    workflow: str
    node: str
    state: NodeState
    answered: str = ""
    attempts: Int64 = 0
    duration: float = 0.0
    error: str = ""


class WorkflowFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="workflow_finished"):
    """A run ended. `interrupted`: it was cancelled, or the engine shut down; like a failed run it can be resumed."""

    run: str
    workflow: str
    state: Literal["done", "degraded", "failed", "interrupted"]
    duration: float = 0.0
    error: str = ""


class DeadLettered(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_lettered"):
    """A task became a dead letter; it is on disk, unless it is `in_memory`.

    `letter` is its id (negative: in memory only), `due_at` its first automatic retry (UTC microseconds or None).
    """

    letter: Int64
    task: str
    task_type: str
    category: str
    error_type: str = ""
    error: str = ""
    due_at: Int64 | None = None
    in_memory: bool = False
    detail: str = ""


class DeadLetterRefused(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letter_refused"):
    """A failed task could not be kept as a dead letter; `reason` says why."""

    task: str
    task_type: str
    reason: str


class DeadLetterChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letter_changed"):
    """Dead letters changed their status; `evicted`, `purged` and `moved` mean that they are no longer kept there.

    `actor` is who requested it; empty: the engine itself.
    """

    letters: tuple[Int64, ...]
    before: str
    status: str
    actor: str = ""
    detail: str = ""
    due_at: Int64 | None = None


class DeadLettersCounted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letters_counted"):
    """The number of dead letters by status in a recording, counted when an engine starts to use it."""

    counts: dict[str, Int64]


class ThreadsStuck(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="threads_stuck"):
    """A call of a plain function was abandoned and its thread hangs, or a hanging thread ended its call.

    `stuck` counts such threads of this adapter, `total` of all adapters; at `limit` plain functions are rejected.
    """

    adapter: str
    stuck: Int64
    total: Int64
    limit: Int64


class CallOverdue(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="call_overdue"):
    """A call that was cancelled at its time limit still runs a second later.

    `overdue` counts such calls of this adapter, `total` of all adapters. `adapter` may also be a fallback or a hook.
    """

    adapter: str
    overdue: Int64
    total: Int64


class OverdueCallEnded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="overdue_call_ended"):
    """An overdue call ended, `seconds` after its time limit; `outcome` says how.

    `overdue` counts those of this adapter that are left, `total` of all adapters.
    """

    adapter: str
    seconds: float
    overdue: Int64
    total: Int64
    outcome: str = ""


class StreamRestarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="stream_restarted"):
    """A stream failed after it had started, and starts over: the `items` items delivered so far are void."""

    task: str
    task_type: str
    adapter: str
    items: Int64
    error: str = ""


class CommandDone(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="command_done"):
    """An operator's command was carried out or refused; `detail` describes the result.

    `what` is what its arguments say, as in `12, 14 and 3 more` or `for 30 s`.
    `target` is the instance that it was sent to; 0: none in particular, None: the instance that recorded the event.
    """

    command: Int64
    verb: str
    actor: str
    ok: bool
    adapter: str = ""
    detail: str = ""
    requested_at: Int64 = 0
    target: Int64 | None = None
    what: str = ""


class ConfigReloaded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="config_reloaded"):
    """A configuration was applied to a running engine, or was refused and nothing changed.

    `changes` has one sentence per change; `restart` names what takes effect only after a restart of the application.
    `problem` is the reason of a refusal. `policies` holds each changed breaker policy by adapter, `retry_policies` each
    changed retry policy.
    """

    ok: bool
    source: str = ""
    changes: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problem: str = ""
    policies: dict[str, dict[str, Any]] = {}
    retry_policies: dict[str, dict[str, Any]] = {}


class ShutdownChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="shutdown_changed"):
    """An engine started to shut down and accepts no new work, or its work in flight has ended.

    `in_flight` counts calls, `cancelled` those that exceeded the grace time. `instructions` is the file with recovery
    instructions.
    """

    what: Literal["began", "finished"]
    reason: str
    in_flight: Int64 = 0
    cancelled: Int64 = 0
    grace: float = 0.0
    instructions: str = ""


class ListenerFailed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="listener_failed"):
    """A listener raised; the other listeners received the event and no call was affected."""

    sheddable: ClassVar[bool] = True

    listener: str
    error: str


class EventsDropped(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="events_dropped"):
    """The recorder's buffer was full and the oldest ordinary events were dropped; counters stayed exact."""

    count: Int64
    reason: str = ""


class RecordingRestarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="recording_restarted"):
    """A new recording started in place of one that is damaged or no longer at its path.

    `why` says what happened to the previous one, as in `was moved or deleted`. `moved_to` is where it is now, if the
    engine moved it aside, and `letters` how many active dead letters it holds, if that is known.
    """

    why: str
    moved_to: str = ""
    letters: Int64 = 0


class ClockChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="clock_changed"):
    """The wall clock of an engine's host was set, or the host was suspended.

    `by` is how far the clock was set, in seconds: forward if positive. `asleep` is the seconds of the suspension, in
    which timers stood still. Times of earlier events are those of the clock before.
    """

    by: float = 0.0
    asleep: float = 0.0


class ScenarioStep(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="scenario_step"):
    """A step of a scenario's timeline happened, in its author's words.

    `position` is the seconds of the scenario so far, and `duration` the whole of it. `next_text` is what comes next, in
    `next_in` seconds of the scenario; None after the last step. `ends`: the scenario is over and waits.

    A scenario that plays at a pace of its own says which: since `paced_at`, in the time of its events, and `clock_at`,
    in the time of the host's clock, `pace` seconds pass for each second of that clock. Both times are UTC microseconds,
    and 0 if the scenario plays in real time.
    """

    scenario: str
    text: str
    ends: bool = False
    title: str = ""
    position: float = 0.0
    duration: float = 0.0
    next_text: str = ""
    next_in: float | None = None
    paced_at: Int64 = 0
    clock_at: Int64 = 0
    pace: float = 1.0


class ScenarioPaced(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="scenario_paced"):
    """The pace of a scenario changed; 0 means that it was stopped. `clock_at` is the host's clock, UTC microseconds."""

    scenario: str
    pace: float
    clock_at: Int64


AnyEvent = (
    EngineStarted
    | EngineStopped
    | AdapterAdded
    | AdapterRemoved
    | PreferenceSet
    | RoutingPolicySet
    | StateChanged
    | WaitExtended
    | TripSuppressed
    | HealthChecked
    | HealthAlert
    | FailureRateAlert
    | FaultInjected
    | FaultEnded
    | ProbeChanged
    | GaugesSampled
    | LateResult
    | AttemptFailed
    | RouteFinished
    | RoutesCounted
    | BatchFinished
    | WorkflowStarted
    | NodeChanged
    | WorkflowFinished
    | DeadLettered
    | DeadLetterRefused
    | DeadLetterChanged
    | DeadLettersCounted
    | ThreadsStuck
    | CallOverdue
    | OverdueCallEnded
    | StreamRestarted
    | CommandDone
    | ConfigReloaded
    | ShutdownChanged
    | ListenerFailed
    | EventsDropped
    | RecordingRestarted
    | ClockChanged
    | ScenarioStep
    | ScenarioPaced
)
"""Every event type; `msgspec.json.Decoder(AnyEvent)` decodes one."""


_RENAMED = {"AdaptersGauged": "GaugesSampled", "TripHeld": "TripSuppressed"}
"""Deprecated names and their replacements."""

if not TYPE_CHECKING:  # a type checker must still report unknown names

    def __getattr__(name: str) -> Any:
        if name not in _RENAMED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"{__name__}.{name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_RENAMED[name]]

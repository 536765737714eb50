"""The catalogue of events: everything the engine decides, as immutable values.

Nothing else leaves the engine. A recorder stores events as they come, a board is folded from them, and a log
line is written from them. An event says what was decided and why; it never carries an exception object or a
task's payload.

Every `at` is UTC in integer microseconds, a label only: no decision is taken from it. Every duration is in
seconds. The `kind` of an event is its tag in a recording and never changes its meaning.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

State = Literal["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"]
"""The states of a breaker; the last three are only ever set by hand."""

REFUSING_STATES: Final[frozenset[State]] = frozenset(("open", "half_open", "forced_open"))
"""The states in which a breaker refuses calls (half-open: all but its probes)."""

Outcome = Literal["success", "failure", "ignored", "cancelled", "rejected"]
"""How an attempt ended. `ignored`: an error that says nothing about the adapter. `rejected`: never called."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind"):
    """The base of all events: when it happened."""

    sheddable: ClassVar[bool] = False
    """Whether a recorder with a full buffer may drop the type. False: without the event, a Board is wrong for good."""

    at: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One attempt of a route: a call of one adapter, or its rejection.

    `number` counts this adapter's calls within the route from 1 (0: never called). `rule` names the row of the
    attribution table that applied. `why` says why the adapter was refused, or what was decided after a failure.
    `failures` is what its breaker had counted towards the threshold after this attempt. A stream is one attempt:
    `duration` is its time from first to last, `first_item` the seconds until its first item, `items` how many came.
    """

    adapter: str
    outcome: Outcome
    number: int = 0
    wait: float = 0.0
    duration: float = 0.0
    rule: str = ""
    error_type: str = ""
    error: str = ""
    why: str = ""
    failures: int = 0
    retry_after: float | None = None
    first_item: float | None = None
    items: int = 0


class EngineStarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="engine_started"):
    """An engine began to be recorded."""

    name: str
    host: str
    pid: int


LOST: Final = "lost"
"""Why an engine ended that was found dead: it was killed, or its host went."""


class EngineStopped(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="engine_stopped"):
    """An engine ended in an orderly way, or, when `reason` is `lost`, was found dead."""

    reason: str = "closed"


class AdapterAdded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapter_added"):
    """An adapter was registered; `policy` is its breaker policy by field name.

    `figures` are the counts it goes on from, when they were restored from an earlier run.
    """

    adapter: str
    policy: dict[str, Any]
    tags: tuple[str, ...] = ()
    figures: dict[str, float] | None = None


class AdapterRemoved(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapter_removed"):
    """An adapter was taken out of the registry."""

    adapter: str


class PreferenceSet(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="preference_set"):
    """The chain for a task type was set; an empty `task_type` is the default for every other type."""

    order: tuple[str, ...]
    task_type: str = ""
    adaptive: bool = False


class StateChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="state_changed"):
    """A breaker changed its state.

    `reason` is a short constant: `failures`, `failure_rate`, `slow_call_rate`, `rate_limited`, `probe_failed`,
    `probe_due`, `probes_succeeded`, `reset`, `by_hand`, `restored`. `detail` says it in words. `wait` is how many
    seconds an open breaker stays open and `until` when that ends; both None when nothing is waited for.
    `needed` is how many good probes close a half-open breaker. `actor` is empty for the engine's own decisions.
    """

    adapter: str
    before: State
    after: State
    reason: str
    detail: str = ""
    actor: str = ""
    generation: int = 0
    openings: int = 0
    wait: float | None = None
    until: int | None = None
    failures: int = 0
    threshold: int | None = None
    needed: int = 0


class TripSuppressed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trip_held"):
    """A breaker met a trip rule but stayed closed: too large a share of its group is out already.

    `reason` and `detail` say which rule; `group` is a tag (empty: all adapters), `out` of its `size` adapters are out
    and `share` may be. Told once, until a call succeeds or the breaker changes its state.
    """

    adapter: str
    reason: str
    detail: str = ""
    group: str = ""
    out: int = 0
    size: int = 0
    share: float = 0.0


class HealthChecked(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="health_checked"):
    """The first health check of an adapter, or one that changed its health.

    `status` and `before`: `healthy`, `degraded`, `unhealthy` or `unknown`. `detail` is what the check said.
    """

    adapter: str
    status: str
    before: str = "unknown"
    detail: str = ""
    duration: float = 0.0


class HealthAlert(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="health_alert"):
    """So many health checks of an adapter in a row were bad; told once for such a row."""

    adapter: str
    failures: int
    detail: str = ""


class ProbeChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="probe_changed"):
    """A probe of a half-open breaker was admitted, or ended.

    `what`: `admitted`, `success`, `failure`, `released` (no verdict), `expired` (its lease was over and another
    caller needed the place).
    """

    sheddable: ClassVar[bool] = True

    adapter: str
    what: Literal["admitted", "success", "failure", "released", "expired"]
    in_flight: int = 0
    successes: int = 0
    needed: int = 0


class GaugesSampled(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adapters_gauged"):
    """How much adapters are at just now; only those where it changed, at most once a second.

    For each adapter: the calls in flight, and how many retries its budget has left.
    """

    gauges: dict[str, tuple[int, int]]


class LateResult(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="late_result"):
    """A call of an earlier generation reported; it changed nothing."""

    sheddable: ClassVar[bool] = True

    adapter: str
    outcome: Outcome
    generation: int
    current: int


class AttemptFailed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="attempt_failed"):
    """An attempt failed, told at once: the route it belongs to may go on for long.

    `then` is what the router does next: `retry` (after `delay` seconds), `failover`, `stop`.
    """

    sheddable: ClassVar[bool] = True

    task: str
    task_type: str
    attempt: Attempt
    then: Literal["retry", "failover", "stop"] = "stop"
    delay: float = 0.0
    threshold: int | None = None
    context: dict[str, str] | None = None


class RouteFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="route_finished"):
    """A task's route ended: every attempt and rejection in order, who answered, who was left.

    `dead_letter` is the letter that its task is kept under; `letter` the one that this route retried: such a route is
    no new task. `strategy` is empty for a chain; a fan-out names its own, and in `answered` who succeeded, first one
    first.
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
    dead_letter: int | None = None
    letter: int | None = None
    context: dict[str, str] | None = None
    strategy: str = ""
    answered: tuple[str, ...] = ()


class BatchFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="batch_finished"):
    """A batch of tasks ended. It is accepted when the share `needed` of its parts succeeded; degraded ones did not.

    `rounds` counts how often tasks were sent out, `rolled_back` how often the rollback hook was called.
    """

    batch: str
    parts: int
    succeeded: int
    degraded: int = 0
    failed: int = 0
    needed: float = 0.0
    accepted: bool = True
    rounds: int = 1
    rolled_back: int = 0
    duration: float = 0.0
    error: str = ""


NodeState = Literal["pending", "running", "done", "degraded", "failed", "skipped"]
"""How a node of a workflow stands. `skipped`: what it needs was not done."""


class WorkflowStarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="workflow_started"):
    """A run of a workflow began, or went on: `finished` names the nodes that were done before."""

    run: str
    workflow: str
    nodes: tuple[str, ...]
    name: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    resumed: bool = False
    finished: tuple[str, ...] = ()


class NodeChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="node_changed"):
    """A node of a run changed its state; an end is told only once it is saved.

    `answered` is who did it: an adapter of its chain, or of a fallback node's.
    """

    run: str
    workflow: str
    node: str
    state: NodeState
    answered: str = ""
    attempts: int = 0
    duration: float = 0.0
    error: str = ""


class WorkflowFinished(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="workflow_finished"):
    """A run ended. `interrupted`: it was cancelled, or the engine shut down; like a failed one it can be resumed."""

    run: str
    workflow: str
    state: Literal["done", "degraded", "failed", "interrupted"]
    duration: float = 0.0
    error: str = ""


class DeadLettered(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_lettered"):
    """A task that nothing could do became a dead letter; it is on disk, unless it is `in_memory`.

    `letter` is its number (negative: memory only), `due_at` when it is retried by itself (UTC microseconds; None: not).
    """

    letter: int
    task: str
    task_type: str
    category: str
    error_type: str = ""
    error: str = ""
    due_at: int | None = None
    in_memory: bool = False
    detail: str = ""


class DeadLetterRefused(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letter_refused"):
    """A task that nothing could do could not be kept either; `reason` says why."""

    task: str
    task_type: str
    reason: str


class DeadLetterChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letter_changed"):
    """Dead letters went from one status to another; `evicted`, `purged` and `moved` are where they are kept no more.

    `actor` is who asked; empty: the engine itself.
    """

    letters: tuple[int, ...]
    before: str
    status: str
    actor: str = ""
    detail: str = ""
    due_at: int | None = None


class DeadLettersCounted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="dead_letters_counted"):
    """How many dead letters of each status a recording holds, counted when an engine began to use them."""

    counts: dict[str, int]


class ThreadsStuck(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="threads_stuck"):
    """A call of a plain function was given up and its thread hangs, or one that hung has come back.

    `stuck` counts such threads of this adapter, `total` of all; at `limit` no more plain functions are called.
    """

    adapter: str
    stuck: int
    total: int
    limit: int


class StreamRestarted(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="stream_restarted"):
    """A stream that had begun failed and starts over: its consumer is told that `items` items are void."""

    task: str
    task_type: str
    adapter: str
    items: int
    error: str = ""


class CommandDone(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="command_done"):
    """An operator's command was carried out, or refused; `detail` says what happened, in words."""

    command: int
    verb: str
    actor: str
    ok: bool
    adapter: str = ""
    detail: str = ""
    requested_at: int = 0


class ConfigReloaded(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="config_reloaded"):
    """A configuration was applied to a running engine, or was refused and nothing changed.

    `changes` says what is different now, a sentence each; `restart` names what takes effect only when the application
    is started anew. `problem` is why it was refused. `policies` holds each changed breaker policy by adapter.
    """

    ok: bool
    source: str = ""
    changes: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problem: str = ""
    policies: dict[str, dict[str, Any]] = {}


class ShutdownChanged(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="shutdown_changed"):
    """An engine began to shut down and takes no more work, or has ended what was in flight.

    `in_flight` counts calls, `cancelled` those of them that the grace time was too short for. `instructions` is the
    file that says how to go on.
    """

    what: Literal["began", "finished"]
    reason: str
    in_flight: int = 0
    cancelled: int = 0
    grace: float = 0.0
    instructions: str = ""


class ListenerFailed(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="listener_failed"):
    """A listener raised; the others were told all the same and no call noticed."""

    sheddable: ClassVar[bool] = True

    listener: str
    error: str


class EventsDropped(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="events_dropped"):
    """The recorder's buffer was full and it let go of the oldest ordinary events; counters stayed exact."""

    count: int
    reason: str = ""


class ScenarioStep(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="scenario_step"):
    """A step of a scenario's timeline took place, in the words its author gave it."""

    scenario: str
    text: str
    ends: bool = False


AnyEvent = (
    EngineStarted
    | EngineStopped
    | AdapterAdded
    | AdapterRemoved
    | PreferenceSet
    | StateChanged
    | TripSuppressed
    | HealthChecked
    | HealthAlert
    | ProbeChanged
    | GaugesSampled
    | LateResult
    | AttemptFailed
    | RouteFinished
    | BatchFinished
    | WorkflowStarted
    | NodeChanged
    | WorkflowFinished
    | DeadLettered
    | DeadLetterRefused
    | DeadLetterChanged
    | DeadLettersCounted
    | ThreadsStuck
    | StreamRestarted
    | CommandDone
    | ConfigReloaded
    | ShutdownChanged
    | ListenerFailed
    | EventsDropped
    | ScenarioStep
)
"""Every event there is; `msgspec.json.Decoder(AnyEvent)` reads one back."""


_RENAMED = {"AdaptersGauged": "GaugesSampled", "TripHeld": "TripSuppressed"}
"""Deprecated names and what they are called now."""

if not TYPE_CHECKING:  # a checker must still see which names there are not

    def __getattr__(name: str) -> Any:
        if name not in _RENAMED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"{__name__}.{name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_RENAMED[name]]

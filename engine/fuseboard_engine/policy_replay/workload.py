"""What a recording says of the work of one engine: tasks, calls, operators' actions, and the policies of its adapters.

Times are seconds since the first of the recorded events that were read; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import ValidationError

from fuseboard_engine.breaker.policy import BreakerPolicy, default_policy
from fuseboard_engine.events import AdapterAdded, ConfigReloaded, StateChanged
from fuseboard_engine.policy_base import Policy
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.retry.rule import Rule
from fuseboard_engine.routing.policy import RoutingPolicy

P = TypeVar("P", bound=Policy)

CallOutcome = Literal["success", "failure", "ignored", "cancelled"]


class RecordedCall(msgspec.Struct, gc=False, frozen=True):
    """One call of an adapter.

    `rule` is the attribution row of a failure. `waited` is the delay before a retry. `counted`: the recording holds
    only a count of calls like this one; its time and duration are estimates.
    """

    at: float
    duration: float
    outcome: CallOutcome
    number: int = 1
    waited: float = 0.0
    rule: Rule | None = None
    error_type: str = ""
    retry_after: float | None = None
    counted: bool = False


class RecordedTask(msgspec.Struct, gc=False, frozen=True):
    """One task: when it arrived, its chain, and the calls that were made for it.

    `only` is the call of a task that the first adapter of its chain answered at once. `refused` names adapters that
    refused for another reason than their breaker, such as a failed health check, with that reason. `deadline` is the
    seconds that the task could take; None: any time.
    """

    at: float
    chain: tuple[str, ...]
    only: RecordedCall | None = None
    calls: tuple[tuple[str, RecordedCall], ...] = ()
    refused: dict[str, str] | None = None
    deadline: float | None = None

    def call(self, adapter: str, number: int) -> RecordedCall | None:
        """Return the recorded call with a number on an adapter; None if there was none."""
        if self.only is not None:
            return self.only if number == 1 and adapter == self.chain[0] else None
        for name, call in self.calls:
            if call.number == number and name == adapter:
                return call
        return None


class Operation(msgspec.Struct, gc=False, frozen=True):
    """Something that happened to a breaker from outside: by hand, at a restart, or by a new configuration."""

    at: float
    adapter: str
    event: StateChanged | AdapterAdded | ConfigReloaded


class AdapterRecord:
    """What a recording says of one adapter of an engine."""

    def __init__(self, name: str, policy: dict[str, Any], source: str, tags: tuple[str, ...] = ()) -> None:
        self.name = name
        self.tags = tags
        self.policy = recorded_policy(policy)
        """The breaker policy at the beginning."""
        self.source = source
        """Where in the recording the policy is from."""
        self.retry = RetryPolicy()
        """The retry policy at the beginning."""
        self.retry_source = ""
        """Where in the recording the retry policy is from; empty if it is not in there."""
        self.limit = 0
        """Calls per task that the recorded failures name as allowed; 0: none names it."""
        self.handles: set[str] = set()
        """The attribution rows whose tasks it took over from other adapters."""
        self.draws: list[float] = []
        """The random numbers, 0..1, that placed the recorded waits within their jitter."""
        self.calls: list[RecordedCall] = []
        """Its calls in the order of time, without those that were cancelled."""
        self.state: StateChanged | None = None
        """The state of its breaker at the beginning, as a change with the reason `restored`; None: as new."""


class Workload(msgspec.Struct):
    """The recorded work of one engine.

    Attributes:
        engine: its name.
        origin: UTC microseconds of second 0.
        adapters: its adapters by name.
        routing: its first recorded routing policy.
        tasks: its tasks in the order of their arrival.
        operations: what happened to its breakers from outside.
        end: the second of its last event.
        attempts: how many calls were made.
        counted: how many of them the recording only counts.
        by_hand: how often operators changed the state of a breaker.
        suppressed: how often a limit kept a breaker closed.
    """

    engine: str
    origin: int
    adapters: dict[str, AdapterRecord] = {}
    routing: RoutingPolicy = RoutingPolicy()
    tasks: list[RecordedTask] = []
    operations: list[Operation] = []
    end: float = 0.0
    attempts: int = 0
    counted: int = 0
    by_hand: int = 0
    suppressed: int = 0


def recorded_retry(fields: dict[str, Any]) -> RetryPolicy:
    """Return a retry policy from its recorded fields; the default for fields that a damaged file may hold."""
    try:
        return RetryPolicy.model_validate(_changed_fields(fields, RetryPolicy))
    except ValidationError:
        return RetryPolicy()


def recorded_policy(fields: dict[str, Any]) -> BreakerPolicy:
    """Return a breaker policy from its recorded fields; the default for fields that a damaged file may hold."""
    try:
        return BreakerPolicy.model_validate(_changed_fields(fields, BreakerPolicy))
    except ValidationError:
        return default_policy()


def recorded_routing(fields: dict[str, Any]) -> RoutingPolicy:
    """Return a routing policy from its recorded fields; the default for fields that a damaged file may hold."""
    try:
        return RoutingPolicy.model_validate(_changed_fields(fields, RoutingPolicy))
    except ValidationError:
        return RoutingPolicy()


def with_changes(policy: P, changes: Mapping[str, Any]) -> P:
    """Return a policy with some fields changed.

    Raises:
        pydantic.ValidationError: a change is out of range or contradicts another field.
    """
    kind = type(policy)
    return kind.model_validate(_changed_fields(dict(policy), kind) | dict(changes)) if changes else policy


def _changed_fields(fields: Mapping[str, Any], kind: type[Policy]) -> dict[str, Any]:
    """Return the known fields without those that have their default: a field that was set is checked against others."""
    known = kind.model_fields
    return {name: value for name, value in fields.items() if name in known and value != known[name].default}

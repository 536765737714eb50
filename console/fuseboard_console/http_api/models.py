"""The answers of the HTTP API, as its OpenAPI document describes them, and the bodies that it takes.

Times are UTC microseconds, durations seconds, shares 0 to 1. Answers may have more fields than these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fuseboard_engine.commands import VERBS

if TYPE_CHECKING:
    Verb = str
else:
    Verb = Literal[*VERBS]
    """A verb of an operator's command."""

Time = Annotated[int, Field(description="UTC microseconds", examples=[1_795_900_000_000_000])]
Share = Annotated[float, Field(description="0 to 1")]


class Answer(BaseModel):
    """What every answer has in common."""

    model_config = ConfigDict(extra="allow")


class Problem(Answer):
    """Why a request failed: a problem document (RFC 9457)."""

    type: str = Field(examples=["urn:fuseboard:problem:unknown-adapter"])
    title: str = Field(examples=["Unknown adapter"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no adapter 'prefct'. Did you mean prefect?"])


class Live(Answer):
    """The API itself answers."""

    live: Literal[True]


class Ready(Answer):
    """Whether an engine is alive and more than half of its adapters are healthy."""

    ready: bool
    ratio: Share
    healthy_adapters: int
    total_adapters: int
    connection: Literal["empty", "live", "silent", "ended"]


class Connection(Answer):
    """Whether engines write to the recording."""

    state: Literal["empty", "live", "silent", "ended"]
    age: float = Field(description="seconds since the newest sign of life")
    since: Time | None


class EngineInstance(Answer):
    """One process that runs an engine, or ran one."""

    instance: int
    name: str
    host: str
    pid: int
    state: Literal["live", "silent", "ended"]
    started_at: Time
    heartbeat_at: Time
    ended_at: Time | None
    reason: str | None = Field(description="why it ended; its type only, without a token")


class Figures(Answer):
    """Calls of the last minute."""

    calls: int
    successes: int
    failures: int
    rejections: int
    success_rate: Share | None
    p50: float | None
    p95: float | None
    p99: float | None


class AdapterState(Answer):
    """One adapter in one engine instance."""

    adapter: str = Field(examples=["prefect"])
    instance: int
    state: str = Field(description="the breaker's state", examples=["open"])
    condition: str = Field(description="what the console shows", examples=["open"])
    since: Time | None
    down_since: Time | None = Field(description="when the outage began, over probes and restarts")
    failures: int = Field(description="failures in a row")
    opens: int = Field(description="how often the breaker opened")
    retry_after: float | None = Field(description="seconds until the next probe; null unless the breaker is open")
    calls_per_second: float | None
    last_minute: Figures
    calls: int
    successes: int
    failed: int
    rejections: int
    last_error: str | None = Field(description="its type only, without a token")
    tags: list[str]


class Adapters(Answer):
    """Adapters, the most severe first."""

    adapters: list[AdapterState]


class SkippedAdapter(Answer):
    """An adapter that a chain does not use at present."""

    adapter: str
    why: str | None = Field(description="null without a token")


class Chain(Answer):
    """The tasks of one type: how many are answered, and by which adapter."""

    engine: str
    task_type: str
    condition: str
    answered: Share | None
    degraded: Share | None
    answered_by: str | None
    place: int | None = Field(description="the place of this adapter in the chain, from 1")
    length: int | None
    since: Time | None
    unavailable: list[SkippedAdapter]
    dead_letters_per_second: float


class Chains(Answer):
    """Chains, the most severe first."""

    chains: list[Chain]


class Engines(Answer):
    """The engine instances, and totals for each engine name."""

    engines: list[EngineInstance]
    totals: list[dict[str, Any]]


class System(Answer):
    """The whole Board in figures: readiness, engines, tasks, chains, and breakers by state."""

    schema_: str = Field(alias="schema", examples=["fuseboard.status/1"])
    file: str
    at: Time
    ready: bool
    ratio: Share
    healthy_adapters: int
    total_adapters: int
    connection: Connection
    breakers: dict[str, int] = Field(examples=[{"closed": 2, "open": 1}])
    engines: list[EngineInstance]
    chains: list[Chain]


class Call(Answer):
    """One call of an adapter."""

    at: Time
    task: str
    outcome: str
    duration: float
    error: str | None


class Transition(Answer):
    """One change of a breaker's state."""

    at: Time
    state: str


class History(Answer):
    """One adapter's calls and changes of state, oldest first."""

    adapter: str
    calls: list[Call]
    transitions: list[Transition]
    warning: str | None


class Failure(Answer):
    """One failed attempt, or a probe that was too slow."""

    seq: int
    at: Time
    task: str
    adapter: str
    rule: str
    error_type: str
    error: str | None
    then: str | None = Field(description="what the engine did next")


class Failures(Answer):
    """The newest failures, newest first."""

    failures: list[Failure]


class Page(Answer):
    """A part of a list. `next` is the `cursor` of the part that follows; null at the end."""

    next: str | None


class FailurePage(Page):
    """Failures, newest first."""

    failures: list[Failure]


class EventPage(Page):
    """Recorded events. Each has its `kind` and the fields of that kind."""

    events: list[dict[str, Any]]


class EventMessage(Answer):
    """The `data` of one message of the live stream."""

    seq: int
    instance: int
    kind: str = Field(examples=["state_changed"])
    at: Time


class RoutePage(Page):
    """Routes of tasks that ended, newest first, with their attempts."""

    routes: list[dict[str, Any]]


class DeadLetterPage(Page):
    """Dead letters, newest first, and how many there are by status."""

    counts: dict[str, int]
    letters: list[dict[str, Any]]


class RunPage(Page):
    """Saved workflow runs with their nodes, the last changed first."""

    saved: int
    resumable: int
    runs: list[dict[str, Any]]


class AuditPage(Page):
    """Operators' commands, newest first, with what followed them."""

    commands: list[dict[str, Any]]


class MetricsStep(Answer):
    """What one adapter did in one step of time."""

    at: Time
    seconds: float
    adapter: str
    calls: int
    successes: int
    failures: int
    timeouts: int
    rejections: int
    rate: float
    success_rate: Share | None
    p50: float | None
    p95: float | None
    p99: float | None


class Metrics(Answer):
    """Metrics over time, in the order of time."""

    metrics: list[MetricsStep]


class CommandRequest(BaseModel):
    """An operator's command."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"verb": "open_for", "adapter": "prefect", "args": {"seconds": 60}}]},
    )

    verb: Verb
    adapter: Annotated[
        str, Field(max_length=10_000, description="the adapter it concerns; empty for verbs that concern all")
    ] = ""
    engine: Annotated[str, Field(max_length=10_000, description="only engines of this name")] = ""
    instance: Annotated[int, Field(ge=0, lt=2**63, description="only this engine instance")] | None = None
    args: Annotated[dict[str, Any], Field(description="the verb's own arguments, such as `seconds`")] = {}


class Outcome(Answer):
    """What became of a command in one engine instance."""

    command: int
    instance: int | None
    adapter: str | None
    status: Literal["pending", "taken", "done", "failed", "expired"]
    detail: str | None


class CommandAnswer(Answer):
    """The outcomes of a command, one for each engine instance that was asked."""

    done: bool
    outcomes: list[Outcome]


class LetterIds(BaseModel):
    """Dead letters by their ids."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": [12, 14]}]})

    ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=1000)


class LetterAnswer(Answer):
    """How many dead letters were changed; the others had changed meanwhile, or do not exist."""

    done: bool
    changed: int

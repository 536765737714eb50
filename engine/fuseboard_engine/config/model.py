"""What a configuration may say: every section and field, with its default and what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from fuseboard_engine.adapters.threads import MOST as THREADS
from fuseboard_engine.attribution import Rule
from fuseboard_engine.config.names import dotted, exception_named
from fuseboard_engine.config.presets import PresetName
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.degradation import FalseClaim, marked
from fuseboard_engine.documents import meant, wrong
from fuseboard_engine.execution import ExecutionPolicy
from fuseboard_engine.policy import BreakerPolicy, Count, RetryPolicy, SomeSeconds
from fuseboard_engine.routing_policy import HealthPolicy, RoutingPolicy
from fuseboard_engine.toml_lines import Where

NamedException = Annotated[
    type[Exception],
    BeforeValidator(exception_named),
    PlainSerializer(dotted, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["ConnectionError", "httpx.ConnectError"]}),
]


class Section(BaseModel):
    """What all sections share: they never change, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RetrySection(RetryPolicy):
    """How often and how soon a failed attempt is repeated; exception types are written by name."""

    retry_on: tuple[NamedException, ...] = Field(default=(), description="only these are retried; empty: all that may")
    give_up_on: tuple[NamedException, ...] = Field(default=(), description="never retried; wins over retry_on")


class FaultToleranceSection(Section):
    """The main switch."""

    enabled: bool = Field(
        default=True,
        description="false: calls go straight through, still routed; no breaker, no retry, nothing counted",
    )


def _statuses(value: Any) -> Any:
    """Read `520-530` as a range of HTTP statuses."""
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        if first.strip().isdecimal() and (not dash or last.strip().isdecimal()):
            return range(int(first), int(last if dash else first) + 1)
        raise ValueError("write an HTTP status, such as 503, or a range, such as 520-530")
    if isinstance(value, int) and not isinstance(value, bool):
        return range(value, value + 1)
    return value


Statuses = Annotated[
    range,
    BeforeValidator(_statuses),
    PlainSerializer(lambda r: f"{r.start}-{r.stop - 1}" if len(r) > 1 else str(r.start), return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "examples": [503, "520-530"]}),
]


class RuleSection(Section):
    """A row of the attribution table; rows of a file come before the built-in ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(min_length=1, description="stands in each attempt's event")
    reason: str = Field(default="", description="why, in a sentence an operator can read")
    errors: tuple[NamedException, ...] = Field(default=(), description="exception types, by dotted name")
    named: tuple[str, ...] = Field(default=(), description="names of exception types that need not be installed")
    statuses: tuple[Statuses, ...] = Field(default=(), description="HTTP statuses, or ranges such as 520-530")
    says: tuple[str, ...] = Field(default=(), description="phrases, looked for in what a service answered")
    counts: bool = Field(default=True, description="whether it counts against the adapter's breaker")
    retry: bool = Field(default=True, description="whether the same adapter may be asked again")
    failover: bool = Field(default=True, description="whether the next adapter is asked")
    opens: bool = Field(default=False, description="the breaker opens at once, unless there is no other adapter")
    only_handlers: bool = Field(default=False, description="failover only to adapters whose `handles` lists this row")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.errors or self.named or self.statuses or self.says):
            raise ValueError("say what it applies to: errors, named, statuses or says")
        return self

    def rule(self) -> Rule:
        """Return the row as the table takes it."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields["says"] = tuple(phrase.lower() for phrase in self.says)
        fields["reason"] = self.reason or "a row of the configuration applied"
        return Rule(**fields)


class AdapterSection(Section):
    """An adapter: what is called, and what is special about its policies. Without a target it is added in code."""

    call: str | None = Field(default=None, description="a function, object or class: package.module:attribute")
    url: str | None = Field(default=None, description="an HTTP endpoint")
    command: str | tuple[str, ...] | None = Field(default=None, description="a program and its arguments")
    options: dict[str, Any] = Field(default={}, description="options of that kind of adapter")
    preset: PresetName | None = Field(default=None, description="policies to begin with, for this adapter")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="what differs from the section breaker")
    retry: RetrySection = Field(default_factory=RetrySection, description="what differs from the section retry")
    tags: tuple[str, ...] = Field(default=(), description="words an operator can filter by")
    handles: tuple[str, ...] = Field(default=(), description="attribution rows whose tasks it can take over")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(target is not None for target in (self.call, self.url, self.command)) > 1:
            raise ValueError("an adapter is one thing: call, url or command; keep one")
        if self.options and self.target is None:
            raise ValueError("options belong to a call, url or command")
        if self.call is not None and not all(part.strip() for part in self.call.partition(":")):
            raise ValueError("write call as package.module:attribute")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("write url with https:// or http:// in front")
        return self

    @property
    def target(self) -> dict[str, Any] | None:
        """What is called, as `adapter_from` takes it; None: it is added in code."""
        for kind in ("call", "url", "command"):
            value = getattr(self, kind)
            if value is not None:
                return {kind: value, **self.options}
        return None


class HealthSection(Section):
    """Health checks of adapters that offer one."""

    enabled: bool = Field(default=False, description="whether adapters are checked, and their last calls kept")
    check_interval: SomeSeconds = Field(default=30.0, description="seconds from the end of one check to the next")
    timeout: SomeSeconds = Field(default=5.0, description="seconds a check may take; then it is a bad one")
    alert_after: Count = Field(default=3, description="bad checks in a row that raise an alert")
    history_size: int = Field(default=100, ge=1, le=10_000, description="calls kept per adapter")
    transition_size: int = Field(default=50, ge=1, le=10_000, description="changes of state kept per adapter")
    retention: SomeSeconds = Field(default=86_400.0, description="seconds after which both are let go")
    critical: bool = Field(default=True, description="whether the whole is unhealthy when an adapter is")
    concurrency: Count = Field(default=10, description="checks that run at a time")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "timeout" in self.model_fields_set and self.timeout > self.check_interval:
            raise ValueError("timeout is above check_interval; a check would be late for the next one")
        return self

    def policy(self) -> HealthPolicy | None:
        """Return the policy as an engine takes it; None: there are no checks."""
        if not self.enabled:
            return None
        return HealthPolicy(
            interval=self.check_interval,
            timeout=min(self.timeout, self.check_interval),
            alert_after=self.alert_after,
            history_size=self.history_size,
            transition_size=self.transition_size,
            retention=self.retention,
            critical=self.critical,
            concurrency=self.concurrency,
        )


class RetentionSection(Section):
    """How long a recording keeps what, in seconds; null keeps for ever."""

    events: SomeSeconds | None = Field(default=7 * 86_400.0, description="age of events")
    most_events: Count | None = Field(default=5_000_000, description="number of events")
    seconds: SomeSeconds | None = Field(default=3_600.0, description="age of metrics by the second")
    tens: SomeSeconds | None = Field(default=86_400.0, description="age of metrics by ten seconds")
    minutes: SomeSeconds | None = Field(default=14 * 86_400.0, description="age of metrics by the minute")
    hours: SomeSeconds | None = Field(default=400 * 86_400.0, description="age of metrics by the hour")
    commands: SomeSeconds | None = Field(default=90 * 86_400.0, description="age of operators' commands")


class RecordingSection(Section):
    """Where the engine is recorded, for consoles to watch."""

    path: Path | None = Field(default=None, description="the file; a relative one is beside the configuration")
    restore: bool = Field(default=False, description="take up breakers and statistics as the last run left them")
    retention: RetentionSection = Field(default_factory=RetentionSection, description="what is kept for how long")


class LoggingSection(Section):
    """Log lines, through standard logging under `fuseboard.*`."""

    enabled: bool = Field(default=True, description="whether events are logged")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = Field(
        default=None, description="the level of `fuseboard.*`; default: as the application set it"
    )
    debug: bool = Field(default=False, description="a DEBUG line for every attempt, with timings")


class Settings(Section):
    """A whole configuration, as it takes effect: presets and the environment are worked in."""

    name: str = Field(default="engine", min_length=1, description="the application's name, as operators know it")
    preset: PresetName | None = Field(default=None, description="policies to begin with")
    fault_tolerance: FaultToleranceSection = Field(default_factory=FaultToleranceSection, description="the main switch")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="for every adapter, but for what it says")
    retry: RetrySection = Field(default_factory=RetrySection, description="for every adapter, but for what it says")
    attribution: tuple[RuleSection, ...] = Field(default=(), description="rows in front of the built-in table")
    adapters: dict[str, AdapterSection] = Field(default={}, description="the adapters, by name")
    preferences: dict[str, tuple[str, ...]] = Field(
        default={}, description="the chain per task type; `default` for all others"
    )
    degraded: dict[str, Any] = Field(
        default={},
        description="what answers when a chain is exhausted, per task type; `default` for all others",
    )
    routing: RoutingPolicy = Field(default_factory=RoutingPolicy, description="how chains are ordered")
    threads: Count = Field(default=THREADS, description="plain functions that may run side by side")
    execution: ExecutionPolicy = Field(default_factory=ExecutionPolicy, description="several adapters at once")
    health_monitoring: HealthSection = Field(default_factory=HealthSection, description="health checks")
    dead_letters: DeadLetterPolicy | None = Field(default=None, description="tasks nobody could do; null: none is kept")
    recording: RecordingSection = Field(default_factory=RecordingSection, description="the file to record to")
    logging: LoggingSection = Field(default_factory=LoggingSection, description="log lines")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.adapters:
            if not name.strip():
                raise ValueError("adapters: an adapter needs a name")
        wrong("Settings", contradictions(self.adapters, self.preferences, self.degraded))
        return self

    def policies(self, adapter: str) -> tuple[BreakerPolicy, RetryPolicy]:
        """Return the breaker and retry policy of an adapter; one that is not named has those of all."""
        own = self.adapters.get(adapter)
        return (self.breaker, self.retry) if own is None else (own.breaker, own.retry)


def contradictions(
    adapters: Mapping[str, Any], preferences: Mapping[str, Any], degraded: Mapping[str, Any]
) -> Iterator[tuple[Where, str]]:
    """Find what fits each section, but not the others, be they checked or as a file has them.

    Returns:
        For each mistake the way to its field, and what is wrong.
    """
    for kind, answer in degraded.items():
        try:
            marked(answer)
        except FalseClaim as error:
            yield ("degraded", kind), str(error)
    for kind, order in preferences.items():
        for place, name in enumerate(order if isinstance(order, list | tuple) else ()):
            if adapters and isinstance(name, str) and name not in adapters:
                yield ("preferences", kind, place), f"there is no adapter {name!r} here; {meant(name, adapters)}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file, for editors.

    It knows fields, types, ranges and presets. It does not know what `fuseboard config check` finds out beside: names
    that lead nowhere, and values that contradict each other.
    """
    made = Settings.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "Fuseboard configuration"
    return made

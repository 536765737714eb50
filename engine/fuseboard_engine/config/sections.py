"""The sections of a configuration: every field with its default and a description."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.health.policy import HealthPolicy
from fuseboard_engine.policy_base import Count, NumbersAreNotBooleans, Rate, Seconds, SomeSeconds
from fuseboard_engine.retry.attribution import Rule
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.runtime.references import check_reference, dotted_name, resolve_attribute, resolve_exception

NamedException = Annotated[
    type[Exception],
    BeforeValidator(resolve_exception),
    PlainSerializer(dotted_name, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["ConnectionError", "httpx.ConnectError"]}),
]


Reference = Annotated[
    str,
    AfterValidator(check_reference),
    WithJsonSchema({"type": "string", "pattern": "^[^:]+:[^:]+$", "examples": ["application.health:check"]}),
]
"""A Python object, written `package.module:attribute`; resolved when the configuration takes effect."""


def _signal(name: Any) -> Any:
    known = signal.Signals.__members__
    if isinstance(name, str) and name not in known:
        raise ValueError(f"there is no signal {name!r} on this system; {did_you_mean(name, known)}")
    return name


Signal = Annotated[str, AfterValidator(_signal)]


class Section(NumbersAreNotBooleans):
    """Base of all sections: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RetrySection(RetryPolicy):
    """How often and how soon a failed attempt is retried; exception types are given by name."""

    retry_on: tuple[NamedException, ...] = Field(
        default=(), description="only these are retried; empty: all retryable errors"
    )
    give_up_on: tuple[NamedException, ...] = Field(default=(), description="never retried; wins over retry_on")


class FaultToleranceSection(Section):
    """The main switch."""

    enabled: bool = Field(
        default=True,
        description="false: calls bypass fault tolerance but are still routed; no breaker, no retry, no counts",
    )


def _statuses(value: Any) -> Any:
    """Parse `520-530` as a range of HTTP statuses."""
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
    """A row of the attribution table; rows of a file precede the built-in ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(min_length=1, description="its name in each attempt's event")
    reason: str = Field(default="", description="why, as a sentence for operators")
    errors: tuple[NamedException, ...] = Field(default=(), description="exception types, by dotted name")
    named: tuple[str, ...] = Field(default=(), description="names of exception types whose library may be missing")
    statuses: tuple[Statuses, ...] = Field(default=(), description="HTTP statuses, or ranges such as 520-530")
    codes: tuple[str | int, ...] = Field(default=(), description="the service's own codes, or names such as EMFILE")
    says: tuple[str, ...] = Field(default=(), description="phrases to search for in the service's message")
    when: Reference | None = Field(
        default=None, description="a function that takes the error and returns whether the row applies"
    )
    counts: bool = Field(default=True, description="whether it counts against the adapter's breaker")
    retry: bool = Field(default=True, description="whether the same adapter may be tried again")
    failover: bool = Field(default=True, description="whether the next adapter is tried")
    opens: bool = Field(
        default=False, description="the breaker opens at once, unless it is retried and the last that takes calls"
    )
    only_handlers: bool = Field(default=False, description="failover only to adapters whose `handles` lists this row")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.errors or self.named or self.statuses or self.codes or self.says or self.when):
            raise ValueError("set what it applies to: errors, named, statuses, codes, says or when")
        return self

    def rule(self, found: Mapping[str, Any]) -> Rule:
        """Return the row for the table; `found` has the objects that its references name."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields["says"] = tuple(phrase.lower() for phrase in self.says)
        fields["reason"] = self.reason or "a row of the configuration applied"
        fields["when"] = None if self.when is None else found[self.when]
        return Rule(**fields)


class HealthSection(Section):
    """Health checks of adapters that have one."""

    enabled: bool = Field(default=False, description="whether adapters are checked, and their last calls kept")
    check_interval: SomeSeconds = Field(default=30.0, description="seconds from the end of one check to the next")
    timeout: SomeSeconds = Field(default=5.0, description="seconds a check may take; a longer one fails")
    alert_after: Count = Field(default=3, description="failed checks in a row that raise an alert")
    failure_rate_alert: Rate | None = Field(
        default=None, description="share of failed calls that raises an alert; null: none is raised"
    )
    failure_rate_window: SomeSeconds = Field(default=60.0, description="seconds over which that share is taken")
    failure_rate_calls: Count = Field(default=20, description="calls in that window below which no alert is raised")
    history_size: int = Field(default=100, ge=1, le=10_000, description="calls kept per adapter")
    transition_size: int = Field(default=50, ge=1, le=10_000, description="changes of state kept per adapter")
    retention: SomeSeconds = Field(default=86_400.0, description="seconds after which both are dropped")
    critical: bool = Field(default=True, description="whether one unhealthy adapter makes the engine unhealthy")
    concurrency: Count = Field(default=10, description="checks that run concurrently")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "timeout" in self.model_fields_set and self.timeout > self.check_interval:
            raise ValueError("timeout must not exceed check_interval")
        return self

    def policy(self) -> HealthPolicy | None:
        """Return the policy for an engine, or None if health checks are off."""
        if not self.enabled:
            return None
        return HealthPolicy(
            interval=self.check_interval,
            timeout=min(self.timeout, self.check_interval),
            alert_after=self.alert_after,
            failure_rate_alert=self.failure_rate_alert,
            failure_rate_window=self.failure_rate_window,
            failure_rate_calls=self.failure_rate_calls,
            history_size=self.history_size,
            transition_size=self.transition_size,
            retention=self.retention,
            critical=self.critical,
            concurrency=self.concurrency,
        )


class RetentionSection(Section):
    """Retention of a recording by kind of data, in seconds; null keeps for ever."""

    ordinary: SomeSeconds | None = Field(default=3_600.0, description="age of ordinary routes, which are counted then")
    most_ordinary: Count | None = Field(default=1_000_000, description="number of events that keep ordinary routes")
    events: SomeSeconds | None = Field(default=30 * 86_400.0, description="age of all other events")
    most_events: Count | None = Field(default=10_000_000, description="number of events")
    most_bytes: Count | None = Field(default=1_000_000_000, description="bytes of the file, without its free pages")
    seconds: SomeSeconds | None = Field(default=3_600.0, description="age of metrics by the second")
    tens: SomeSeconds | None = Field(default=86_400.0, description="age of metrics by ten seconds")
    minutes: SomeSeconds | None = Field(default=14 * 86_400.0, description="age of metrics by the minute")
    hours: SomeSeconds | None = Field(default=400 * 86_400.0, description="age of metrics by the hour")
    commands: SomeSeconds | None = Field(default=90 * 86_400.0, description="age of operators' commands")
    runs: SomeSeconds | None = Field(default=90 * 86_400.0, description="age of finished workflow runs")


class RecordingSection(Section):
    """The recording of the engine, which consoles watch."""

    path: Path | None = Field(default=None, description="the file; relative to the configuration file")
    restore: bool = Field(default=False, description="restore breakers and statistics from the last run")
    events: Literal["all", "notable"] = Field(
        default="all", description="all events, or only notable ones: ordinary routes are counted"
    )
    buffer_size: Count = Field(default=100_000, description="events buffered while the file cannot be written")
    buffer_bytes: Count = Field(default=64_000_000, description="bytes that the buffered events may take in memory")
    close_timeout: Seconds = Field(
        default=5.0, description="seconds that closing may take when the file cannot be written"
    )
    open_timeout: Seconds = Field(
        default=5.0, description="seconds that opening may take; a file that is not open by then is opened later"
    )
    retention: RetentionSection = Field(default_factory=RetentionSection, description="what is kept for how long")


class ShutdownSection(Section):
    """The orderly end of the application; arguments of `shutdown_on_signals` and `engine.shutdown` take precedence."""

    grace: Seconds = Field(default=10.0, description="seconds that calls in flight may still take")
    time_limit: SomeSeconds | None = Field(default=None, description="seconds the process may live; null: no limit")
    margin: Seconds = Field(default=30.0, description="seconds before time_limit at which the shutdown begins")
    memory_limit: Count | None = Field(default=None, description="bytes in use at which the shutdown begins")
    save: tuple[Reference, ...] = Field(default=(), description="functions that save the application's state")
    instructions: Path | None = Field(
        default=None, description="the file with recovery instructions; default: beside the recording"
    )
    hook: str | tuple[str, ...] | None = Field(
        default=None, description="notified at the end: a URL, a command as a list, or package.module:attribute"
    )
    exit_code: int | None = Field(
        default=0, ge=0, le=255, description="exit code of the process; null: it continues after the block"
    )
    signals: tuple[Signal, ...] = Field(default=("SIGTERM", "SIGINT"), description="signals that end the application")
    on_exit: bool | None = Field(
        default=None, description="a normal end of the block is a shutdown too; null: inside a server only"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.hook, str) and not self.hook.startswith(("http://", "https://")):
            check_reference(self.hook)
        if isinstance(self.hook, tuple) and not self.hook:
            raise ValueError("hook: a command needs at least the program's name")
        return self

    def saves(self) -> list[Any]:
        """Return the functions that save state. Raises ValueError when one cannot be found."""
        return [resolve_attribute(name) for name in self.save]

    def hook_target(self) -> Any:
        """Return the target to notify at the end, as `shutdown` takes it. Raises ValueError when it cannot be found."""
        names_function = isinstance(self.hook, str) and not self.hook.startswith(("http://", "https://"))
        return resolve_attribute(str(self.hook)) if names_function else self.hook


class ReloadSection(Section):
    """How often this file is checked; used by `watch_config`."""

    interval: SomeSeconds = Field(default=1.0, description="seconds between checks of the file")


class ChainSection(Section):
    """The chain of a task type. A list of names is a chain without options."""

    order: tuple[str, ...] = Field(description="the adapters, in order")
    adaptive: bool = Field(default=False, description="ordered by observed performance; `order` decides ties")
    restartable: bool = Field(default=False, description="its streams may start over after items were delivered")

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"order": value} if isinstance(value, list | tuple) else value

    @model_serializer(mode="wrap")
    def _as_list(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.adaptive or self.restartable else list(self.order)

    def as_tuple(self) -> tuple[tuple[str, ...], bool, bool]:
        """Return the adapters, and whether the chain is adaptive and restartable."""
        return self.order, self.adaptive, self.restartable

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, handler(core)]}


class DegradationSection(Section):
    """What answers when the chain of a task type is exhausted, if it needs more than a template."""

    answer: Any = Field(default=None, description="the template, unless it is under `degraded`")
    call: Reference | None = Field(default=None, description="a function that takes the task and returns the answer")
    even_for: tuple[str, ...] = Field(default=(), description="attribution rows that are answered without a failover")
    timeout: SomeSeconds = Field(default=10.0, description="seconds a call may take")
    name: str = Field(default="", description="the name in events; default: the function's own name")


class LoggingSection(Section):
    """Log lines, through standard logging under `fuseboard.*`."""

    enabled: bool = Field(default=True, description="whether events are logged")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = Field(
        default=None, description="the level of `fuseboard.*`; default: as the application set it"
    )
    debug: bool = Field(default=False, description="a DEBUG line for every attempt, with timings")

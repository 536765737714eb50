"""The sections of a configuration: every field with its default and what it is for."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
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
from fuseboard_engine.policy_base import Count, Seconds, SomeSeconds
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
"""Something of a program's, written `package.module:attribute`; found when the configuration takes effect."""


def _signal(name: Any) -> Any:
    known = signal.Signals.__members__
    if isinstance(name, str) and name not in known:
        raise ValueError(f"there is no signal {name!r} here; {did_you_mean(name, known)}")
    return name


Signal = Annotated[str, AfterValidator(_signal)]


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
    when: Reference | None = Field(
        default=None, description="a function that takes the error and says whether it applies"
    )
    counts: bool = Field(default=True, description="whether it counts against the adapter's breaker")
    retry: bool = Field(default=True, description="whether the same adapter may be asked again")
    failover: bool = Field(default=True, description="whether the next adapter is asked")
    opens: bool = Field(default=False, description="the breaker opens at once, unless there is no other adapter")
    only_handlers: bool = Field(default=False, description="failover only to adapters whose `handles` lists this row")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.errors or self.named or self.statuses or self.says or self.when):
            raise ValueError("say what it applies to: errors, named, statuses, says or when")
        return self

    def rule(self, found: Mapping[str, Any]) -> Rule:
        """Return the row as the table takes it; `found` has what references lead to."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        fields["says"] = tuple(phrase.lower() for phrase in self.says)
        fields["reason"] = self.reason or "a row of the configuration applied"
        fields["when"] = None if self.when is None else found[self.when]
        return Rule(**fields)


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
    runs: SomeSeconds | None = Field(default=90 * 86_400.0, description="age of runs of workflows that are done")


class RecordingSection(Section):
    """Where the engine is recorded, for consoles to watch."""

    path: Path | None = Field(default=None, description="the file; a relative one is beside the configuration")
    restore: bool = Field(default=False, description="take up breakers and statistics as the last run left them")
    buffer_size: Count = Field(default=100_000, description="events that may wait while the file cannot be written")
    close_timeout: Seconds = Field(default=5.0, description="seconds the end may take when the file cannot be written")
    retention: RetentionSection = Field(default_factory=RetentionSection, description="what is kept for how long")


class ShutdownSection(Section):
    """How the application ends in good order, unless `shutdown_on_signals` or `engine.shutdown` are told otherwise."""

    grace: Seconds = Field(default=10.0, description="seconds that calls in flight may still take")
    time_limit: SomeSeconds | None = Field(default=None, description="seconds the process may live; null: any time")
    margin: Seconds = Field(default=30.0, description="seconds before time_limit at which the shutdown begins")
    memory_limit: Count | None = Field(default=None, description="bytes in use at which the shutdown begins")
    save: tuple[Reference, ...] = Field(default=(), description="functions that save the application's state")
    instructions: Path | None = Field(
        default=None, description="the file that says how to go on; default: beside the recording"
    )
    hook: str | tuple[str, ...] | None = Field(
        default=None, description="told at the end: a URL, a command as a list, or package.module:attribute"
    )
    exit_code: int | None = Field(
        default=0, ge=0, le=255, description="what the process ends with; null: it goes on behind the block"
    )
    signals: tuple[Signal, ...] = Field(default=("SIGTERM", "SIGINT"), description="signals that end the application")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.hook, str) and not self.hook.startswith(("http://", "https://")):
            check_reference(self.hook)
        if isinstance(self.hook, tuple) and not self.hook:
            raise ValueError("hook: a command needs at least the program's name")
        return self

    def saves(self) -> list[Any]:
        """Return the functions that save. Raises ValueError when one cannot be found."""
        return [resolve_attribute(name) for name in self.save]

    def hook_target(self) -> Any:
        """Return what is told at the end, as `shutdown` takes it. Raises ValueError when it cannot be found."""
        names_function = isinstance(self.hook, str) and not self.hook.startswith(("http://", "https://"))
        return resolve_attribute(str(self.hook)) if names_function else self.hook


class ReloadSection(Section):
    """How this file is watched; `watch_config` goes by it."""

    interval: SomeSeconds = Field(default=1.0, description="seconds between two looks at the file")


class ChainSection(Section):
    """The chain of a task type. A list of names stands for one with nothing special about it."""

    order: tuple[str, ...] = Field(description="the adapters, the first first")
    adaptive: bool = Field(default=False, description="ordered by what is seen of them; `order` decides ties")
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
    """What answers when the chain of a task type is exhausted, where more is to be said than a template."""

    answer: Any = Field(default=None, description="the template, unless it stands under `degraded`")
    call: Reference | None = Field(default=None, description="a function that takes the task and returns the answer")
    even_for: tuple[str, ...] = Field(
        default=(), description="attribution rows answered although nobody else was asked"
    )
    timeout: SomeSeconds = Field(default=10.0, description="seconds a call may take")
    name: str = Field(default="", description="who answered, as events tell it; default: the function's own name")


class LoggingSection(Section):
    """Log lines, through standard logging under `fuseboard.*`."""

    enabled: bool = Field(default=True, description="whether events are logged")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = Field(
        default=None, description="the level of `fuseboard.*`; default: as the application set it"
    )
    debug: bool = Field(default=False, description="a DEBUG line for every attempt, with timings")

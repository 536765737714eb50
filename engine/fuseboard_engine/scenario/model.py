"""What a scenario file says. Checked when read; a mistake is told with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fuseboard_engine.commands import VERBS
from fuseboard_engine.documents import meant, read, wrong
from fuseboard_engine.events import State
from fuseboard_engine.policy import BreakerPolicy, RetryPolicy, Seconds, SomeSeconds
from fuseboard_engine.toml_lines import Where

Fault = Literal["refused", "error", "hang", "slow", "flaky", "rate_limited", "soft_failure", "credentials"]
"""refused: connections are refused. error: answers 503. hang: never answers. slow: `factor` times slower. flaky:
fails at `rate`. rate_limited: answers 429 and asks to wait `retry_after`. soft_failure: answers, saying it failed.
credentials: answers 401."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AdapterPart(_Part):
    """A simulated adapter: how it behaves while nothing is wrong, and its policies."""

    latency: SomeSeconds = Field(default=0.05, description="median seconds of a call")
    spread: Share = Field(default=0.25, description="how much latency varies, as a share of the median")
    failure_rate: Share = Field(default=0.0, description="share of calls that fail while nothing is wrong")
    breaker: BreakerPolicy | None = Field(default=None, description="its own breaker policy")
    retry: RetryPolicy | None = Field(default=None, description="its own retry policy")
    tags: tuple[str, ...] = Field(default=(), description="words to filter by")


class TrafficPart(_Part):
    """A stream of tasks of one type."""

    type: str = Field(default="task", description="the tasks' type")
    per_second: float = Field(gt=0, le=100_000, allow_inf_nan=False, description="tasks a second, on average")
    start: Seconds = Field(default=0.0, description="seconds from the beginning")
    until: SomeSeconds | None = Field(default=None, description="seconds from the beginning; default: the end")
    deadline: SomeSeconds | None = Field(default=None, description="seconds each task may take")


class StepPart(_Part):
    """One step of the timeline: a fault begins, one is healed, or an operator gives a command."""

    at: Seconds = Field(description="seconds from the beginning")
    say: str = Field(default="", description="what an onlooker is told")
    fault: Fault | None = Field(default=None, description="what goes wrong from now on")
    heal: bool = Field(default=False, description="the fault ends")
    command: str | None = Field(default=None, description="what an operator does")
    adapter: str | None = Field(default=None, description="whom it concerns")
    seconds: Seconds | None = Field(default=None, description="for open_for: how long")
    factor: float = Field(default=10.0, gt=0, allow_inf_nan=False, description="for slow: times the usual latency")
    rate: Share = Field(default=0.5, description="for flaky: share of failing calls")
    retry_after: SomeSeconds = Field(default=5.0, description="for rate_limited: seconds it asks to wait")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum((self.fault is not None, self.heal, self.command is not None)) > 1:
            raise ValueError("a step is one thing: a fault, heal, or a command; write a step for each")
        if (self.fault or self.heal) and self.adapter is None:
            raise ValueError("say which adapter this step concerns")
        if self.command is not None:
            if self.command not in VERBS:
                said = f"there is no command {self.command!r}; {meant(self.command, VERBS)}"
                wrong("StepPart", [(("command",), said)])
            if self.command != "reset_all" and self.adapter is None:
                raise ValueError(f"say which adapter to {self.command}")
        return self


class ExpectPart(_Part):
    """What has to be true at the end for the scenario to pass."""

    success_rate: Share | None = Field(default=None, description="at least this share of tasks succeeds")
    states: dict[str, tuple[State, ...]] = Field(default={}, description="states each breaker goes through, in order")
    end: dict[str, State] = Field(default={}, description="the state each breaker ends in")
    answered: dict[str, int] = Field(default={}, description="each adapter answers at least this many tasks")


class Scenario(_Part):
    """A whole scenario file."""

    scenario: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="its name: lower case, digits, dashes")
    title: str = Field(description="one line for a list")
    about: str = Field(default="", description="what to watch for")
    seed: int = Field(default=1, description="where all its chance comes from")
    duration: float = Field(gt=0, le=86_400, allow_inf_nan=False, description="seconds it lasts")
    breaker: BreakerPolicy = Field(default_factory=BreakerPolicy, description="policy of every adapter without its own")
    retry: RetryPolicy = Field(default_factory=RetryPolicy, description="policy of every adapter without its own")
    adapters: dict[str, AdapterPart] = Field(min_length=1, description="the adapters by name")
    preference: dict[str, tuple[str, ...]] = Field(
        default={}, description="chain per task type; `default` for the rest"
    )
    traffic: tuple[TrafficPart, ...] = Field(min_length=1, description="the tasks")
    timeline: tuple[StepPart, ...] = Field(default=(), description="what happens when")
    expect: ExpectPart = Field(default_factory=ExpectPart, description="what has to be true at the end")

    @model_validator(mode="after")
    def _check(self) -> Self:
        wrong("Scenario", self._mistakes())
        return self

    def _mistakes(self) -> Iterator[tuple[Where, str]]:
        """What fits each field, but not the rest of the scenario."""
        expect = self.expect
        named: list[tuple[Where, str]] = [
            *(
                (("preference", kind, place), name)
                for kind, order in self.preference.items()
                for place, name in enumerate(order)
            ),
            *(
                (("timeline", place, "adapter"), step.adapter)
                for place, step in enumerate(self.timeline)
                if step.adapter is not None
            ),
            *((("expect", "states", name), name) for name in expect.states),
            *((("expect", "end", name), name) for name in expect.end),
            *((("expect", "answered", name), name) for name in expect.answered),
        ]
        for where, name in named:
            if name not in self.adapters:
                yield where, f"there is no adapter {name!r} here; {meant(name, self.adapters)}"
        for place, step in enumerate(self.timeline):
            if step.at > self.duration:
                yield ("timeline", place, "at"), f"{step.at:g} s comes after the end at {self.duration:g} s"


def load(path: Path) -> Scenario:
    """Return the scenario in a file. Raises DocumentError, with each mistake's line."""
    return read(path, Scenario)

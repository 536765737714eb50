"""The part of a scenario file that says how the calls of an adapter went when they were recorded."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fuseboard_engine.faults.table import Share
from fuseboard_engine.policy_base import Count, Seconds
from fuseboard_engine.scenario_file.part import Part

MOST_SECONDS = 1_000
"""How many durations one part holds at most."""


class RecordedCallsPart(Part):
    """Calls in a row that went alike.

    With as many `seconds` as `calls` each call takes its own; with fewer, each takes one of them at random.
    """

    at: Seconds = Field(description="seconds from the beginning at which the first of them was made")
    until: Seconds | None = Field(default=None, description="when the last of them was made; default: at")
    seconds: tuple[Seconds, ...] = Field(
        min_length=1, max_length=MOST_SECONDS, description="how long the calls took, in seconds"
    )
    calls: Count | None = Field(default=None, description="how many there were; default: as many as `seconds`")
    rule: str = Field(default="", description="the attribution row of their error; without it they were answered")
    failing: Share = Field(default=1.0, description="share of the calls that failed, where `rule` is set")
    error: str = Field(default="RecordedError", pattern=r"^[A-Za-z_]\w{0,99}$", description="the type of their error")
    text: str = Field(default="", max_length=1_000, description="the text of their error")
    retry_after: Seconds | None = Field(default=None, description="seconds that the service asked to wait")
    items: tuple[Annotated[int, Field(ge=0, le=100_000)], ...] = Field(
        default=(), description="for streams: how many items each of the calls in `seconds` gave, also before its error"
    )
    first_item: tuple[Seconds, ...] = Field(
        default=(), description="for streams: after how many seconds the first item of each of them came"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("failing", "error", "text", "retry_after"):
            if name in self.model_fields_set and not self.rule:
                raise ValueError(f"{name} describes a failure; set `rule`, or remove it")
        if len(self.items) != len(self.first_item) or len(self.items) not in (0, len(self.seconds)):
            raise ValueError(
                "items and first_item need a value for each of `seconds`; remove them, or add what is missing"
            )
        if any(first > whole for first, whole in zip(self.first_item, self.seconds, strict=False)):
            raise ValueError("first_item: the first item of a stream cannot come after the end of it")
        if self.calls is not None and self.calls < len(self.seconds):
            raise ValueError(
                f"there are {len(self.seconds)} seconds for {self.calls} calls; remove some, or raise calls"
            )
        return self

    @property
    def last(self) -> float:
        """When the last of them was made, in seconds from the beginning."""
        return self.at if self.until is None else self.until

    @property
    def count(self) -> int:
        """How many calls there were."""
        return len(self.seconds) if self.calls is None else self.calls

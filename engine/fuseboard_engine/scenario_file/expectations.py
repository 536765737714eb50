"""The part of a scenario file that describes its expected results."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fuseboard_engine.events import State
from fuseboard_engine.faults.table import Share
from fuseboard_engine.scenario_file.part import Part


class ExpectPart(Part):
    """The conditions at the end under which the scenario passes."""

    success_rate: Share | None = Field(default=None, description="at least this share of tasks succeeds")
    states: dict[str, tuple[State, ...]] = Field(default={}, description="states each breaker goes through, in order")
    end: dict[str, State] = Field(default={}, description="the state each breaker ends in")
    answered: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="each adapter answers at least this many tasks"
    )

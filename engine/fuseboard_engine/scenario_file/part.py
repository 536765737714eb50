"""What all parts of a scenario file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a scenario file: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

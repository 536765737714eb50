"""What all parts of a scenario file have in common."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, JsonValue

from fuseboard_engine.policy_base import NumbersAreNotBooleans


class Part(NumbersAreNotBooleans):
    """A part of a scenario file: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _check_numbers(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise ValueError("JSON has no infinite number, and no .nan; write another value") from error
    return value


JsonData = Annotated[JsonValue, AfterValidator(_check_numbers)]
"""A value that JSON can represent."""

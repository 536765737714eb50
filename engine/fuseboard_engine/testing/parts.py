"""Parts of a scenario that are given as arguments of a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from fuseboard_engine.documents.validation_errors import error_messages, join_messages
from fuseboard_engine.scenario_file.part import Part

P = TypeVar("P", bound=Part)


def make_part(kind: type[P], given: Mapping[str, Any]) -> P:
    """Return a part with these fields; None stands for the default. Raises ValueError with a line for each mistake."""
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise ValueError(join_messages(error_messages(error.errors(), fields, {}, kind))) from None

"""Functions that combine several answers into one result, for the `combine` argument of `execute_parallel`.

Each takes the answers by adapter, in the order the adapters were given, and returns the combined result. Any plain
(not async) function with this signature can be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

Combine = Callable[[Mapping[str, Any]], Any]


def by_adapter(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers by adapter."""
    return dict(answers)


def in_order(answers: Mapping[str, Any]) -> list[Any]:
    """Return the answers as a list, in the order of the adapters."""
    return list(answers.values())


def joined(answers: Mapping[str, Any]) -> list[Any]:
    """Return the items of all answers as one list; each answer must be iterable."""
    return list(chain.from_iterable(answers.values()))


def first(answers: Mapping[str, Any]) -> Any:
    """Return the answer of the adapter that comes first in order."""
    return next(iter(answers.values()))


def majority(answers: Mapping[str, Any]) -> Any:
    """Return the answer that more than half of the adapters that answered gave.

    Raises:
        ValueError: no answer has a majority.
    """
    values = list(answers.values())
    for value in values:
        if values.count(value) * 2 > len(values):
            return value
    raise ValueError(f"no answer was given by more than half of {', '.join(answers)}")

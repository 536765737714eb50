"""The fold of ordinary routes, which most events of a recording are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fuseboard_engine.events import RouteFinished
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.histogram import bucket_of
from fuseboard_storage.board.metrics import SECOND


class Alike(NamedTuple):
    """What ordinary routes have in common.

    `failures` is the count of the adapter's breaker after them.
    """

    task_type: str
    adapter: str
    failures: int

    @classmethod
    def of(cls, route: RouteFinished) -> Alike:
        """Return what an ordinary route has in common with others."""
        return cls(route.task_type, route.adapter, route.attempts[0].failures)


def apply_ordinary(board: Board, routes: Sequence[tuple[int, int, int, Alike, float]]) -> None:
    """Fold ordinary routes that follow each other as `Board.apply` does, except that they are not added to its routes.

    Args:
        board: The Board.
        routes: Their numbers (above that of the Board), instances, times, what they have in common with others, and the
            seconds of their attempts.
    """
    engine, last, second, number = 0, None, 0, 0
    for seq, instance, at, alike, duration in routes:
        if alike is not last or instance != engine or not second <= at < second + SECOND:
            if last is not None:
                _count(board, engine, last, second, number)
            engine, last, second, number = instance, alike, at - at % SECOND, 0
        number += 1
        board.seq = seq
        if at > board.at:
            board.at = at
        adapter = alike.adapter
        row = board.adapters.get((instance, adapter)) or board.row(instance, adapter, at)  # type: ignore[call-overload]
        bucket = bucket_of(duration)
        span = row.seconds[-1] if row.seconds and row.seconds[-1].at >= second else board._second_of(row, at)
        span.calls += 1
        span.successes += 1
        span.latency[bucket] = span.latency.get(bucket, 0) + 1
        row.calls += 1
        row.successes += 1
        row.duration += duration
        row.busy += duration
        row.latency[bucket] = row.latency.get(bucket, 0) + 1
        row.held = ""
        if row.failures != alike.failures and row.state == "closed":
            board.state_version += 1
            row.failures = alike.failures
    if last is not None:
        _count(board, engine, last, second, number)


def _count(board: Board, instance: int, alike: Alike, second: int, number: int) -> None:
    """Count the tasks of routes of one instance that ended in one second."""
    totals = board._base_totals(instance)
    board.tasks += number
    board.tasks_ok += number
    totals.tasks += number
    totals.answered += number
    board._chain_of(instance, alike.task_type).add_answered(second, alike.adapter, number)

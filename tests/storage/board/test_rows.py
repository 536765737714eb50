"""The rows of a Board: an adapter's counters, totals and bars, and groups of failures."""

from __future__ import annotations

import pytest

from fuseboard_engine.events import Attempt, AttemptFailed
from fuseboard_storage.board.metrics import SECOND, AdapterSecond
from fuseboard_storage.board.rows import KEPT_SECONDS, AdapterKey, AdapterRow, FailureRow, InstanceRow

KEY = AdapterKey(1, "gpt")


def second(at: float, **counts: int) -> AdapterSecond:
    return AdapterSecond(round(at * SECOND), "gpt", latency={}, first_item={}, **counts)


def row(*seconds: AdapterSecond, added_at: float = 0) -> AdapterRow:
    made = AdapterRow(KEY, round(added_at * SECOND))
    made.seconds.extend(seconds)
    return made


def test_a_new_adapter_is_closed_since_it_was_added_and_has_counted_nothing() -> None:
    new = row(added_at=7)
    assert (new.name, new.state, new.since, new.added_at) == ("gpt", "closed", 7 * SECOND, 7 * SECOND)
    assert set(new.figures().values()) == {0}
    zeros = (
        "generation openings opens failures needed probe_successes probes_in_flight in_flight stuck health_alert failed"
        " overdue overdue_total"
    )
    assert {name: getattr(new, name) for name in zeros.split()} == dict.fromkeys(zeros.split(), 0)
    nones = "wait until threshold budget health_at last_failure success_rate"
    assert {name: getattr(new, name) for name in nones.split()} == dict.fromkeys(nones.split())


def test_figures_continue_in_a_later_run() -> None:
    figures = {
        "successes": 6, "failures": 3, "calls": 9, "retries": 2, "timeouts": 1, "rejections": 4, "seconds": 1.5,
        "opens": 5, "overdue_total": 7,
    }  # fmt: skip
    continued = row()
    continued.restore_counts(figures)
    assert continued.figures() == figures
    assert (continued.failed, continued.tasks_failed, continued.opens) == (3, 3, 5)
    assert continued.success_rate == 6 / 9


def test_figures_of_an_older_version_may_lack_some() -> None:
    continued = row()
    continued.restore_counts({})
    assert set(continued.figures().values()) == {0}
    continued.restore_counts({"successes": 5})  # more than its calls
    assert continued.failed == 0


@pytest.mark.parametrize(("successes", "failed", "rate"), [(0, 0, None), (3, 1, 0.75), (0, 2, 0.0), (2, 0, 1.0)])
def test_the_success_rate_is_over_judged_calls(successes: int, failed: int, rate: float | None) -> None:
    one = row(second(5, calls=9, successes=successes, failures=failed))
    one.successes, one.failed = successes, failed
    assert one.success_rate == rate
    assert one.totals(10 * SECOND, 10).success_rate == rate


def test_totals_add_up_each_count_of_the_last_seconds() -> None:
    counts = {"calls": 9, "successes": 5, "failures": 3, "timeouts": 2, "rejections": 4}
    totals = row(second(1, calls=100), second(5, **counts), second(6, **counts), second(9, calls=100)).totals(
        9 * SECOND - 1, 5
    )
    assert {name: getattr(totals, name) for name in counts} == {name: 2 * count for name, count in counts.items()}
    assert (totals.rate, totals.success_rate) == (18 / 5, 10 / 16)
    assert (totals.p50, totals.p95, totals.p99, totals.first_p50) == (None, None, None, None)


@pytest.mark.parametrize(
    ("now", "calls"),
    [(5 * SECOND - 1, 0), (5 * SECOND, 1), (10 * SECOND - 1, 1), (11 * SECOND - 2, 1), (11 * SECOND - 1, 0)],
)
def test_a_second_counts_while_any_part_of_it_is_within_the_last_seconds(now: int, calls: int) -> None:
    assert row(second(5, calls=1)).totals(now, 5).calls == calls


@pytest.mark.parametrize(("added_at", "elapsed"), [(0, 5), (97, 3), (99.5, 1), (100, 1)])
def test_a_rate_is_over_the_time_since_the_adapter_was_added_but_at_least_a_second(
    added_at: float, elapsed: float
) -> None:
    assert row(second(99, calls=30), added_at=added_at).totals(100 * SECOND - 1, 5).rate == 30 / elapsed


def test_latencies_are_percentiles_over_all_seconds() -> None:
    slow, fast = second(5), second(6)
    for duration in (0.1,) * 90 + (1.0,) * 9 + (10.0,):
        fast.add(Attempt(adapter="gpt", outcome="success", number=1, duration=duration, first_item=duration / 10))
    slow.add(Attempt(adapter="gpt", outcome="success", number=1, duration=10.0))
    totals = row(slow, fast).totals(9 * SECOND, 9)
    found = (totals.p50, totals.p95, totals.p99, totals.first_p50)
    assert [None if one is None else round(one, 3) for one in found] == pytest.approx([0.1, 1.0, 10.0, 0.01], rel=0.1)


def test_bars_end_at_now_and_older_calls_are_left_out() -> None:
    one = row(*(second(at, calls=at) for at in (1, 4, 5, 6, 9, 10)))
    assert one.series(10 * SECOND - 1, 3, 2) == [4 + 5, 6, 9]
    assert one.series(10 * SECOND, 3, 2) == [5 + 6, 0, 9 + 10]
    assert one.series(10 * SECOND, 2, 1) == [9, 10]
    assert one.series(10 * SECOND, 0, 1) == []


def test_two_minutes_are_kept() -> None:
    one = row(*(second(at, calls=1) for at in range(500)))
    assert one.totals(500 * SECOND - 1, 500).calls == KEPT_SECONDS == 120


def test_an_instances_last_sign_of_life_is_its_start_until_a_later_event() -> None:
    instance = InstanceRow(3, "checkout", "web-1", 42, 7)
    assert instance.label == "checkout@web-1:42"
    assert (instance.heartbeat_at, instance.ended_at, instance.gone, instance.continues) == (7, None, False, 0)


def test_a_group_of_failures_shows_the_newest_and_counts_all() -> None:
    def failed(at: int, task: str) -> AttemptFailed:
        attempt = Attempt(adapter="gpt", outcome="failure", number=at, duration=0.1)
        return AttemptFailed(at=at, task=task, task_type=f"type {task}", attempt=attempt, context={"trace": task})

    group = FailureRow(KEY, failed(1, "t1"))
    assert (group.first_at, group.at, group.count, group.task) == (1, 1, 1, "t1")
    group.repeat(failed(5, "t2"))
    assert (group.first_at, group.at, group.count, group.task) == (1, 5, 2, "t2")
    assert (group.task_type, group.attempt.number, group.context) == ("type t2", 5, {"trace": "t2"})

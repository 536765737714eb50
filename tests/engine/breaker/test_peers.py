"""What other breakers do, as data: every portable case holds here, and no misfeature is copied."""

from __future__ import annotations

from typing import Any

import pytest

from fuseboard_engine.errors import CircuitOpen
from support.peer_cases import BadCase, Play, load


def is_misfeature(case: dict[str, Any]) -> bool:
    return str(case["name"]).startswith("MISFEATURE")


def asks_for_a_timer(case: dict[str, Any]) -> bool:
    return bool(case["config"].keys() & {"auto_half_open", "half_open_max_seconds"})


PORTABLE = [case for case in load() if case.get("portable", True)]
MISFEATURES = [case for case in PORTABLE if is_misfeature(case)]
TIMERS = [case for case in PORTABLE if asks_for_a_timer(case) and not is_misfeature(case)]
ORDINARY = [case for case in PORTABLE if not asks_for_a_timer(case) and not is_misfeature(case)]


def parameters(cases: list[dict[str, Any]]) -> list[Any]:
    return [
        pytest.param(
            case,
            id=case["id"],
            marks=[pytest.mark.xfail(reason=case["differs"], strict=False)] if "differs" in case else [],
        )
        for case in cases
    ]


@pytest.mark.parametrize("case", parameters(ORDINARY))
def test_the_breaker_behaves_as_the_case_states(case: dict[str, Any]) -> None:
    assert Play(case).run() == []


@pytest.mark.parametrize("case", parameters(TIMERS))
def test_no_timer_changes_the_state_only_a_call_that_asks_or_reports_does(case: dict[str, Any]) -> None:
    """These peers arm a timer. Here the state changes when a call asks or reports, never by a timer, so whoever merely
    looks later sees the state of before, and the next call that asks is what moves it."""
    play = Play(case)
    for step in case["steps"]:
        before, found = play.breaker.state, len(play.mismatches)
        play.one(step)
        if step["do"] == "check":
            assert play.breaker.state == before
            del play.mismatches[found:]
    assert play.mismatches == []
    play.breaker.admit()
    assert play.breaker.state == ("half_open" if before in ("open", "half_open") else before)


@pytest.mark.parametrize("case", parameters(MISFEATURES))
def test_the_breaker_does_not_copy_a_misfeature_of_another_library(case: dict[str, Any]) -> None:
    play = Play(case)
    for step in case["steps"][:-1]:
        play.one(step)
    before = len(play.mismatches)
    play.one(case["steps"][-1])
    assert len(play.mismatches) > before, "the last thing the peer does wrong was done here too"


def case_of(name: str) -> Play:
    return Play(next(case for case in MISFEATURES if case["id"] == name))


def test_a_late_success_of_the_closed_period_is_no_probe() -> None:
    play = case_of("r4j-35")
    *steps, stale, last = play.case["steps"]
    for step in steps:
        play.one(step)
    play.one(stale)
    assert play.breaker.snapshot().calls == 0
    play.one(last)
    assert play.breaker.state == "half_open"


def test_reset_in_half_open_leaves_nothing_that_opens_it_later() -> None:
    play = case_of("r4j-37")
    play.run()
    assert play.breaker.state == "closed"
    play.clock.advance(3600)
    play.breaker.admit().success()
    assert play.breaker.state == "closed"


def test_reset_in_open_leaves_nothing_that_cuts_a_later_opening_short() -> None:
    play = case_of("r4j-38")
    play.run()
    assert play.breaker.state == "open"
    with pytest.raises(CircuitOpen) as caught:
        play.breaker.admit()
    assert caught.value.retry_after == pytest.approx(0.25)


def test_a_probe_that_never_reports_is_given_up_after_its_lease() -> None:
    play = case_of("r4j-40")
    for step in play.case["steps"][:-1]:
        play.one(step)
    with pytest.raises(CircuitOpen):
        play.breaker.admit()
    play.clock.now = 86_400
    play.breaker.admit().success()
    assert play.breaker.state == "closed"


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"at": 0, "do": "dance"}]},
        {"steps": [{"at": 0, "do": "check", "expect_music": True}]},
        {"steps": [{"at": 0, "do": "check", "expect_music_events": 1}]},
        {"steps": [{"at": 0, "do": "finish", "ref": "nobody", "outcome": "success"}]},
        {"config": {"colour": "red"}},
    ],
)
def test_a_case_with_an_unknown_word_fails(change: dict[str, Any]) -> None:
    case = {"id": "x", "name": "x", "config": {"failure_threshold": 1}, "steps": [], **change}
    with pytest.raises(BadCase):
        Play(case).run()

"""What followed operators' commands, as a Board folds it."""

from __future__ import annotations

from typing import Any

import pytest

from fuseboard_engine.events import AdapterRemoved, ClockChanged, CommandDone, EngineStopped, Event, State
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.board.follow_ups import EXPECTED, KEPT_FOLLOW_UPS, Figures, FollowUp
from fuseboard_storage.tables.keyframes import dump, load
from support.console_story import added, answered, at, attempt, changed, failed, opened, route, started


def done(verb: str, when: float, adapter: str = "gpt", command: int = 1, **fields: Any) -> CommandDone:
    told = {"actor": "ana", "ok": True, **fields}
    return CommandDone(at=at(when), command=command, verb=verb, adapter=adapter, **told)


def by_hand(after: State, when: float, adapter: str = "gpt", **fields: Any) -> Event:
    return changed(adapter, after, when, **{"reason": "by_hand", "actor": "ana", **fields})


def reset(when: float, adapter: str = "gpt", **fields: Any) -> Event:
    return by_hand("closed", when, adapter, reason="reset", **fields)


def board_of(*events: Event, board: Board | None = None, instance: int = 1) -> Board:
    found = board or Board()
    for event in events:
        found.apply(Entry(found.seq + 1, instance, event))
    return found


def reset_at_5(*events: Event) -> Board:
    return board_of(started(), added("gpt"), opened("gpt", 1), reset(5), done("reset", 5.001), *events)


def only(board: Board) -> FollowUp:
    (found,) = board.follow_ups.rows
    return found


def figures(board: Board) -> Figures:
    return only(board).figures_now(board.adapters.get(only(board).key))


def test_calls_after_a_reset_are_counted() -> None:
    board = reset_at_5(answered("gpt", 6), failed("gpt", 7), answered("gpt", 8))
    assert figures(board) == Figures(2, 1, 0)
    assert only(board).ended_at is None


def test_a_breaker_that_opens_again_ends_it_with_the_error_of_its_last_call() -> None:
    board = reset_at_5(answered("gpt", 5.5), opened("gpt", 6), failed("gpt", 6.001, "refused"), answered("gpt", 7))
    found = only(board)
    assert (found.ended_at, found.after, found.error) == (at(6), "open", "ConnectError: refused")
    assert figures(board) == Figures(1, 1, 0)


def test_a_failure_long_after_the_opening_is_not_its_error() -> None:
    board = reset_at_5(opened("gpt", 6), failed("gpt", 9))
    assert (only(board).error, only(board).detail) == ("", "5 failures in a row")


@pytest.mark.parametrize("verb", sorted(set(EXPECTED) - {"reset_all"}))
def test_each_verb_is_followed(verb: str) -> None:
    board = board_of(started(), added("gpt"), by_hand(EXPECTED[verb], 5), done(verb, 5.1), answered("gpt", 6))
    assert (only(board).verb, only(board).ended_at, figures(board).successes) == (verb, None, 1)


def test_a_refused_command_and_one_without_effect_are_not_followed() -> None:
    board = board_of(started(), added("gpt"), opened("gpt", 1), done("reset", 2, ok=False), done("enable", 3))
    assert not board.follow_ups.rows


def test_rejections_are_counted_while_a_breaker_is_held_open() -> None:
    held = (started(), added("gpt"), by_hand("forced_open", 5), done("force_open", 5.1))
    refused = route(6, attempt("gpt", "rejected", 0, why="held open"), success=False)
    assert figures(board_of(*held, refused, refused)) == Figures(0, 0, 2)


def test_what_an_operator_does_next_ends_it() -> None:
    board = reset_at_5(answered("gpt", 6), by_hand("forced_open", 7, actor="ben"), done("force_open", 7.1, command=2))
    newer, older = board.follow_ups.rows
    assert (older.after, older.ended_by, older.figures) == ("forced_open", "ben", Figures(1, 0, 0))
    assert newer.ended_at is None


def test_a_second_reset_of_the_same_breaker_begins_again() -> None:
    board = reset_at_5(answered("gpt", 6), reset(8), done("reset", 8.1, command=2), answered("gpt", 9))
    newer, older = board.follow_ups.rows
    assert (older.ended_at, older.figures) == (at(8), Figures(1, 0, 0))
    assert newer.figures_now(board.adapters[newer.key]) == Figures(1, 0, 0)


def test_a_command_that_changes_nothing_ends_the_one_before_it_for_its_operator() -> None:
    held = [by_hand("forced_open", 5, actor="ana"), done("force_open", 5.1, actor="ana")]
    board = board_of(started(), added("gpt"), *held, done("force_open", 7, command=2, actor="ben"))
    newer, older = board.follow_ups.rows
    assert (older.after, older.ended_by, older.reason, older.ended_at) == ("forced_open", "ben", "by_hand", at(7))
    assert newer.ended_at is None


def test_a_keyframe_with_a_verb_that_is_not_followed_is_read() -> None:
    board = reset_at_5(answered("gpt", 6))
    only(board).verb = "explode"
    board = load(dump(board))
    assert not board.follow_ups.rows
    board_of(answered("gpt", 7), opened("gpt", 8), board=board)


def test_the_change_of_a_command_may_be_recorded_after_its_outcome() -> None:
    board = board_of(
        started(), added("gpt"), opened("gpt", 1), done("reset", 5.001), reset(5), answered("gpt", 6)
    )  # fmt: skip
    assert (only(board).ended_at, figures(board)) == (None, Figures(1, 0, 0))


def test_a_breaker_may_open_again_before_the_outcome_is_recorded() -> None:
    again = (reset(5), failed("gpt", 5.01, "refused"), opened("gpt", 5.02), done("reset", 5.03))
    found = only(board_of(started(), added("gpt"), opened("gpt", 1), *again))
    assert (found.ended_at, found.after, found.error) == (at(5.02), "open", "ConnectError: refused")


def test_the_end_of_a_chosen_time_is_not_the_end_but_what_the_probes_decide() -> None:
    events = (started(), added("gpt"), by_hand("open", 5, wait=3.0), done("open_for", 5.1))
    board = board_of(*events, changed("gpt", "half_open", 8, reason="probe_due"))
    assert only(board).ended_at is None
    board_of(changed("gpt", "closed", 9, reason="probes_succeeded", detail="3 good probes"), board=board)
    assert (only(board).after, only(board).ended_at) == ("closed", at(9))


def test_a_reset_of_all_is_followed_on_each_breaker_that_was_reset() -> None:
    board = board_of(
        started(), *(added(name) for name in ("gpt", "agno", "mail")), opened("gpt", 1), opened("agno", 1), reset(5),
        reset(5, "agno"), done("reset_all", 5.1, adapter=""), answered("gpt", 6), opened("agno", 7),
    )  # fmt: skip
    assert {(row.adapter, row.after) for row in board.follow_ups.rows} == {("gpt", ""), ("agno", "open")}


def test_each_of_two_engines_of_one_name_has_its_own() -> None:
    board = reset_at_5()
    board_of(started(), added("gpt"), opened("gpt", 1), answered("gpt", 6), board=board, instance=2)
    assert figures(board) == Figures(0, 0, 0)
    board_of(reset(7), done("reset", 7.1, command=2), answered("gpt", 8), board=board, instance=2)
    assert [row.instance for row in board.follow_ups.rows] == [2, 1]
    assert [action.target for action in board.actions] == [2, 1]


def test_a_command_that_another_engine_recorded_keeps_its_target() -> None:
    board = board_of(started(), done("reset", 5, ok=False, target=7), done("reset_all", 6, adapter="", target=0))
    assert [action.target for action in board.actions] == [0, 7]


@pytest.mark.parametrize("end", [AdapterRemoved(at=at(9), adapter="gpt"), EngineStopped(at=at(9))])
def test_it_ends_with_its_adapter_and_its_engine(end: Event) -> None:
    board = reset_at_5(answered("gpt", 6), end)
    assert (only(board).ended_at, only(board).after, figures(board)) == (at(9), "", Figures(1, 0, 0))


def test_it_moves_with_the_clock_of_its_engine() -> None:
    board = reset_at_5(ClockChanged(at=at(107), by=100.0))
    assert only(board).at == at(105.001)


def test_a_keyframe_continues_it() -> None:
    board = load(dump(reset_at_5(answered("gpt", 6))))
    board_of(answered("gpt", 7), opened("gpt", 8), board=board)
    assert (only(board).figures, only(board).after) == (Figures(2, 0, 0), "open")
    assert list(load(dump(board)).follow_ups.rows) == list(board.follow_ups.rows)


def test_only_the_newest_are_kept() -> None:
    names = [f"a{n}" for n in range(KEPT_FOLLOW_UPS + 5)]
    board = board_of(started(), *(added(name) for name in names))
    for number, name in enumerate(names, 1):
        board_of(reset(5, name), done("reset", 5.1, name, number), board=board)
    assert len(board.follow_ups.rows) == KEPT_FOLLOW_UPS
    board_of(opened("a0", 6), board=board)
    assert AdapterKey(1, "a0") not in {row.key for row in board.follow_ups.rows}

"""Every event type is folded into the Board, or is listed here as one that does not change it."""

from typing import get_args

from fuseboard_engine.events import (
    AnyEvent,
    AttemptFailed,
    DeadLetterRefused,
    Event,
    FailureRateAlert,
    LateResult,
    ListenerFailed,
    ProbeChanged,
    RouteFinished,
    RoutingPolicySet,
    StreamRestarted,
)
from fuseboard_storage.board.board import FOLDS

NOT_FOLDED = {DeadLetterRefused, FailureRateAlert, LateResult, ListenerFailed, RoutingPolicySet, StreamRestarted}


def test_every_event_type_is_folded_or_changes_nothing() -> None:
    assert FOLDS.keys() | NOT_FOLDED == set(get_args(AnyEvent))
    assert FOLDS.keys().isdisjoint(NOT_FOLDED)


def test_only_events_that_later_ones_compensate_for_can_be_shed() -> None:
    sheddable = {type_ for type_ in get_args(AnyEvent) if type_.sheddable}
    assert sheddable == {AttemptFailed, LateResult, ListenerFailed, ProbeChanged, RouteFinished}
    assert not Event.sheddable


def test_the_sheddable_flag_is_not_a_field_of_an_event() -> None:
    assert "sheddable" not in RouteFinished.__struct_fields__

"""Any events can be read and replayed: a damaged file may hold everything that an event can hold."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuseboard_engine.events import Event
from fuseboard_engine.policy_replay.comparison import PolicyReplay
from fuseboard_engine.policy_replay.reader import EARLIER_KINDS, KINDS, TooManyAttempts, WorkloadReader
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from fuseboard_storage.board.histogram import value_of
from support.any_events import events

NAMES = st.sampled_from(("gpt", "claude", ""))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events(NAMES, EARLIER_KINDS), max_size=3), st.lists(events(NAMES, KINDS), max_size=12))
def test_any_events_can_be_read_and_replayed(earlier: list[Event], found: list[Event]) -> None:
    reader = WorkloadReader(value_of, most=10_000)
    try:
        for seq, event in enumerate(earlier, 1):
            reader.add_earlier(seq, 1, event)
        for seq, event in enumerate(found, 100):
            reader.add(seq, 1 + seq % 2, event)
        replay = PolicyReplay(reader.finish())
    except TooManyAttempts:
        return
    for figures in (replay.figures({}), replay.figures({"gpt": PolicyChanges({"failure_threshold": 1})})):
        assert 0 <= figures.answered <= figures.tasks
        assert 0 <= figures.success.low <= figures.success.high <= 1
        assert math.isfinite(figures.p99)

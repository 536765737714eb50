"""The beginning of an adapter's outage: its first opening, over probes, restarts and sibling processes."""

from __future__ import annotations

from fuseboard_engine.events import (
    AdapterAdded,
    Attempt,
    EngineStarted,
    EngineStopped,
    Event,
    RouteFinished,
    State,
    StateChanged,
)
from fuseboard_storage.board.board import AdapterKey, Board, Entry
from fuseboard_storage.tables import keyframes
from support.fake_engine import NOON

SECOND = 1_000_000


class Story:
    """Events of engine processes, one a second, and the Board they fold to."""

    def __init__(self) -> None:
        self.board = Board()
        self.seconds = 0

    def event(self, kind: type[Event], instance: int = 1, **fields: object) -> None:
        self.seconds += 1
        event = kind(at=NOON + self.seconds * SECOND, **fields)  # type: ignore[call-arg]
        self.board.apply(Entry(self.board.seq + 1, instance, event))
        self.board = keyframes.load(keyframes.dump(self.board))  # a keyframe keeps it too

    def start(self, instance: int = 1, name: str = "checkout") -> None:
        self.event(EngineStarted, instance, name=name, host="h", pid=instance)
        self.event(AdapterAdded, instance, adapter="gpt", policy={})

    def change(self, before: State, after: State, instance: int = 1, reason: str = "failures") -> int:
        self.event(StateChanged, instance, adapter="gpt", before=before, after=after, reason=reason)
        return self.seconds

    def answer(self, instance: int = 1) -> None:
        attempts = (Attempt(adapter="gpt", outcome="success", duration=0.1),)
        route = {"task": "t", "task_type": "x", "success": True, "adapter": "gpt", "attempts": attempts}
        self.event(RouteFinished, instance, duration=0.1, **route)

    def down_since(self, instance: int = 1) -> int | None:
        since = self.board.adapters[AdapterKey(instance, "gpt")].down_since
        return None if since is None else (since - NOON) // SECOND


def test_it_is_the_first_opening_over_all_probes_until_the_breaker_closes() -> None:
    story = Story()
    story.start()
    assert story.down_since() is None
    began = story.change("closed", "open")
    story.change("open", "half_open")
    story.change("half_open", "open")
    assert story.down_since() == began
    story.change("open", "half_open")
    assert story.down_since() == began
    story.change("half_open", "closed")
    assert story.down_since() is None
    assert story.change("closed", "open") == story.down_since()


def test_an_adapter_that_an_operator_held_open_or_disabled_is_not_down_because_of_that() -> None:
    story = Story()
    story.start()
    story.change("closed", "forced_open", reason="hold")
    assert story.down_since() is None
    story.change("forced_open", "closed", reason="reset")
    began = story.change("closed", "open")
    story.change("open", "forced_open", reason="hold")
    assert story.down_since() == began
    story.change("forced_open", "disabled", reason="disable")
    assert story.down_since() is None


def test_it_continues_over_a_restart_while_no_call_succeeds() -> None:
    story = Story()
    story.start(1)
    began = story.change("closed", "open")
    story.event(EngineStopped, 1, reason="")
    story.start(2)
    assert story.down_since(2) is None
    story.change("closed", "open", 2)
    assert story.down_since(2) == began
    story.event(EngineStopped, 2, reason="")
    story.start(3)
    story.answer(3)
    assert story.change("closed", "open", 3) == story.down_since(3)


def test_it_continues_over_the_restart_of_a_killed_process() -> None:
    story = Story()
    story.start(1)
    began = story.change("closed", "open", 1)
    story.start(2)
    story.change("closed", "open", 2, reason="restored")
    assert story.down_since(2) == began
    story.event(EngineStopped, 1, reason="lost")
    assert story.down_since(2) == began


def test_it_is_that_of_a_sibling_for_a_process_that_has_seen_no_success() -> None:
    story = Story()
    story.start(1)
    story.start(2)
    story.answer(2)
    story.start(3)
    story.start(4, "another engine")
    began = story.change("closed", "open", 1)
    assert story.change("closed", "open", 2) == story.down_since(2)
    story.change("closed", "open", 3)
    assert story.down_since(3) == began
    assert story.change("closed", "open", 4) == story.down_since(4)

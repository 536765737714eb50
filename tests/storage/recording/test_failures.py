"""The failures of a recording: failed attempts, and probes that succeeded too slowly, as the Board has them."""

from __future__ import annotations

from pathlib import Path

from fuseboard_engine.events import AttemptFailed, Event, ProbeChanged
from fuseboard_storage.board.board import Entry
from fuseboard_storage.recording.recording import Recording
from support.console_story import added, at, failed, started
from support.replays import recorded


def probe(adapter: str, when: float, took: float = 0.0, *, slow: bool = True, succeeded: bool = True) -> ProbeChanged:
    what = "success" if succeeded else "failure"
    return ProbeChanged(at=at(when), adapter=adapter, what=what, slow=slow, duration=took, limit=0.5)


EVENTS: list[Event] = [
    started(), added("agno"), added("claude"),
    failed("agno", 1, "one"), probe("agno", 2, 1.4), probe("claude", 3, 1.5), probe("agno", 4, slow=False),
    failed("agno", 5, "two"), probe("agno", 6, 2.0, succeeded=False), probe("agno", 7, 2.5),
    failed("claude", 8, "three"),
]  # fmt: skip


def errors(entries: list[Entry]) -> list[str]:
    events = [entry.event for entry in entries]
    assert all(isinstance(event, AttemptFailed) for event in events)
    return [event.attempt.error.removesuffix(", limit 0.5 s") for event in events]  # type: ignore[attr-defined]


async def test_slow_probes_stand_among_failed_attempts_newest_first(tmp_path: Path) -> None:
    async with Recording.open(recorded(tmp_path / "a.db", EVENTS)) as recording:
        every = await recording.failures(None)
        assert errors(every) == ["three", "probe took 2.5 s", "two", "probe took 1.5 s", "probe took 1.4 s", "one"]
        assert [entry.seq for entry in every] == sorted((entry.seq for entry in every), reverse=True)
        board = await recording.board()
    assert sum(row.count for row in board.failures) == len(every)


async def test_they_are_limited_and_selected_together(tmp_path: Path) -> None:
    async with Recording.open(recorded(tmp_path / "a.db", EVENTS)) as recording:
        for limit in range(1, 8):
            assert await recording.failures(limit) == (await recording.failures(None))[:limit]
        assert errors(await recording.failures(2, "claude")) == ["three", "probe took 1.5 s"]
        assert errors(await recording.failures(9, since=at(2), until=at(5))) == ["probe took 1.5 s", "probe took 1.4 s"]
        assert errors(await recording.failures(9, task="8f20")) == ["three", "two", "one"]


async def test_a_recording_without_failures_has_none(tmp_path: Path) -> None:
    async with Recording.open(
        recorded(tmp_path / "a.db", [started(), added("agno"), probe("agno", 1, slow=False)])
    ) as it:
        assert await it.failures(20) == []

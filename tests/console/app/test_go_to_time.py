"""A typed time: the console goes there in a replay and from the present, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_console.screens.moment_prompt import moment_in
from fuseboard_engine.runtime.formatting import stamp
from support.console_story import SECOND, at, story
from support.console_watching import replaying, watching
from support.replays import recorded

SIZE = (80, 24)
SPAN = (at(0) + 250_000, at(120))


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("{30}", 30), ("{90}", 90), ("1m", 40), ("15s", 85), ("{0}", 0.25)],
)
def test_a_time_an_age_and_the_second_of_the_beginning_are_found(typed: str, seconds: float) -> None:
    if typed.startswith("{"):
        typed = stamp(at(float(typed[1:-1])))[:19].replace(" ", "T")
    assert moment_in(typed, SPAN, at(100)) == at(0) + round(seconds * SECOND)


def test_a_time_of_day_is_its_last_occurrence_before_the_end() -> None:
    assert moment_in(stamp(at(60))[11:19], SPAN, at(100)) == at(60)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "Write a time such as"), ("soon", "Write a time such as"), ("25:00", "Write a time such as"),
        ("9999999999999999d", "recording|Write"), ("0001-01-01T00:00", "recording|Write"),
        ("2h", "before the recording, which begins at"),
        ("9999-12-31T23:59", "after the recording, which ends at"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_lies_outside_has_a_sentence(typed: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        moment_in(typed, SPAN, at(100))


async def test_a_replay_goes_to_a_typed_time(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with replaying(path, size=SIZE) as console:
        await console.press("at")
        await console.sees("Go to a time", "The recording goes from")
        await console.press(*"soon", "enter")
        await console.sees("Write a time such as 03:12")
        await console.press(*["backspace"] * 4, *stamp(at(60))[11:19], "enter")
        replay = console.app.sessions.replay
        assert replay is not None
        await console.wait_for(lambda: replay.position == at(60))


async def test_a_time_outside_the_recording_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with replaying(path, at=at(60), size=SIZE) as console:
        await console.press("at")
        await console.sees("Go to a time")
        await console.press(*"2h", "enter")
        await console.sees("That is before the recording, which begins at")
        await console.press("escape")
        await console.sees_no("Go to a time")
        assert console.app.sessions.now() == at(60)


async def test_from_the_present_it_opens_the_past(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    async with watching(path, size=SIZE) as console:
        await console.press("at")
        await console.sees("Go to a time")
        await console.press(*stamp(at(60))[:19].replace(" ", "T"), "enter")
        await console.wait_for(lambda: console.app.sessions.replay is not None)
        await console.wait_for(lambda: console.app.sessions.now() == at(60))

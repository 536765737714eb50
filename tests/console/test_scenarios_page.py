"""The page of scenarios: real engines play them, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_support import started, until
from test_app import Show

BROKEN = "scenario: mine\ntitle: Mine\nduration: 5\nadapters: {a: {}}\ntraffic: [{per_second: 1}]\ntimelin: []\n"


async def test_a_scenario_is_picked_played_watched_and_left_with_one_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    show = Show([started()])
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees("Scenarios", "primary-outage", "60 s", "creeping-latency"), pilot)
        await pilot.press("G", "enter")
        show.app._clock = __import__("fuseboard_engine.clock", fromlist=["wall_clock"]).wall_clock
        await until(show.sees("primary-outage.db", "prefect", "CLOSED"), pilot, 20)
        await pilot.press("greater_than_sign", "greater_than_sign", "7")
        await until(show.sees("playing ×4"), pilot)
        engine = show.app._place.speeds._engine._process  # type: ignore[union-attr]
        await pilot.press("L")
        await until(show.sees("checkout.db"), pilot)
        await until(lambda: engine.poll() is not None, pilot, 20)
        assert engine.returncode == 0
        await until(lambda: "playing" not in show.screen(), pilot)


async def test_a_scenario_of_the_folder_that_is_wrong_is_listed_with_its_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(BROKEN)
    (tmp_path / "other.yaml").write_text("just: some file\n")
    monkeypatch.chdir(tmp_path)
    show = Show([started()])
    async with show.app.run_test(size=(160, 40), notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees("mine.yaml:6", "timeline"), pilot)
        assert "other.yaml" not in show.screen()
        await pilot.press("G", "enter")
        await until(lambda: show.screen().count("timelin") >= 2, pilot)
        assert "checkout.db" in show.screen()


async def test_there_is_nothing_to_end_while_nothing_plays() -> None:
    show = Show([started()])
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees("primary-outage"), pilot)
        await pilot.press("s")
        await until(show.sees("No scenario plays."), pilot)

"""The page of scenarios: real engines play them, in processes of their own."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fuseboard_console.pages.scenario_files import folders_here, found
from fuseboard_console.text.line import text_of
from fuseboard_console.views.lists.scenarios import ScenarioEntry, names_width, order_of, scenario_lines
from fuseboard_console.widgets.folded_list import FoldedList
from fuseboard_engine.scenario.model import load
from fuseboard_scenarios import shipped
from support.console_show import Show
from support.console_story import started, until
from support.console_watching import Watching, watching
from support.replays import recorded

MINE = "scenario: mine\ntitle: Mine\nduration: 5\nadapters: {a: {}}\ntraffic: [{per_second: 1}]\n"
TWO_STEPS = """\
scenario: two-steps
title: One adapter goes down and comes back
duration: 300
adapters: {gpt: {}, claude: {}}
preference: {default: [gpt, claude]}
traffic: [{per_second: 1}]
timeline: [{at: 150, adapter: gpt, fault: refused, say: Gpt goes down}, {at: 200, adapter: gpt, heal: true}]
"""
BROKEN = MINE + "timelin: []\n"


def engine_in(folder: Path) -> int:
    """The process that writes to the recording in a scenario's folder."""
    (recording,) = folder.glob("fuseboard-scenario-*/*.db")
    with sqlite3.connect(recording) as connection:
        (pid,) = connection.execute("SELECT pid FROM instances").fetchone()
    return int(pid)


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which scenarios are recorded; the working directory has a short scenario."""
    here, stages = tmp_path / "here", tmp_path / "stages"
    here.mkdir()
    stages.mkdir()
    (here / "two-steps.yaml").write_text(TWO_STEPS)
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(stages))
    return stages


@asynccontextmanager
async def playing(tmp_path: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Watching]:
    """A console on a recording whose engine is gone, in which the short scenario plays and is stopped."""
    async with watching(recorded(tmp_path / "checkout.db", [started()]), size=size) as console:
        await console.press("7")
        await console.sees("Scenarios", next(iter(shipped())))
        await console.press("G")
        await console.sees("two-steps")
        await console.press("enter")
        await console.sees("SCENARIO", "CLOSED", "The traffic begins")
        await console.press("space")
        await console.sees("stopped", "go on")
        yield console


async def test_a_scenario_is_picked_played_watched_and_left(tmp_path: Path, stages: Path) -> None:
    async with watching(recorded(tmp_path / "checkout.db", [started()]), size=(120, 40)) as console:
        await console.press("7")
        await console.sees("Scenarios", "primary-outage", "60 s", "creeping-latency")
        await console.press(*["down"] * list(shipped()).index("primary-outage"), "enter")
        await console.sees("primary-outage.db", "prefect", "CLOSED")
        engine = engine_in(stages)
        assert runs(engine)
        await console.press("greater_than_sign", "greater_than_sign", "7")
        await console.sees("playing ×4")
        await console.press("L")
        await console.sees("Leave the scenario primary-outage?", "of its 60 s are played")
        await console.press("y")
        await console.sees("checkout.db")
        await until(lambda: not runs(engine) and not list(stages.iterdir()), console.pilot)
        await console.sees_no("playing")


async def test_a_scenario_is_not_mistaken_for_production_and_the_real_recording_is_watched(
    tmp_path: Path, stages: Path
) -> None:
    async with playing(tmp_path, (80, 24)) as console:
        await console.sees("SCENARIO  two-", "checkout.db is silent")
        assert console.app.renderer.header.has_class("scenario")
        await console.press("L", "n")  # cancel
        await console.press("L", "y")
        await console.sees(" checkout.db › ")
        await console.sees_no("SCENARIO")
        assert not console.app.renderer.header.has_class("scenario")


async def test_it_is_stopped_taken_from_step_to_step_and_started_over(tmp_path: Path, stages: Path) -> None:
    async with playing(tmp_path) as console:
        await console.sees("in ", ": Gpt goes down", " of 300 s")
        (title,) = console.lines(" of 300 s")
        await console.press("n")
        await console.sees("▸ Gpt goes down", "150 of 300 s", "stopped", "gpt has recovered")
        assert title not in console.screen()
        await console.press("n", "n")
        await console.sees("▸ The scenario has ended: ", "0 plays it again, L leaves it", "300 of 300 s")
        await console.press("space")
        await console.hears("The scenario has ended. 0 plays it again.")
        await console.press("n")
        await console.hears("No step follows")
        await console.press("0")
        await console.sees("▸ The traffic begins", "▶ ×1")
        await console.press("L", "y")
        await console.sees("checkout.db")


async def test_a_scenario_that_has_ended_is_left_without_a_question(tmp_path: Path, stages: Path) -> None:
    async with playing(tmp_path) as console:
        for text in ("▸ Gpt goes down", "▸ gpt has recovered", "▸ The scenario has ended"):
            await console.press("n")
            await console.sees(text)
        await console.press("L")
        await console.sees("fuseboard", "checkout.db")


async def test_a_fault_is_chosen_by_key_and_the_audit_has_it(tmp_path: Path, stages: Path) -> None:
    async with playing(tmp_path) as console:
        await console.press("i")
        await console.sees("A fault for ", "1  refuse", "2  503", "6  429 for 10 s", "9  corrupt answer", "0  heal")
        await console.press("2")
        await console.hears(" answers 503.")
        await console.sees("answers 503", "▸ ")
        await console.press("i", "0")
        await console.hears("has no fault any more")
        await console.press("8")
        await console.sees("inject a fault", "end the fault")


async def test_a_fault_is_chosen_with_the_mouse_and_from_the_palette(tmp_path: Path, stages: Path) -> None:
    async with playing(tmp_path) as console:
        footer = console.screen().splitlines()[-1]
        await console.pilot.click("#footer", offset=(footer.index("i fault"), 0))
        await console.sees("A fault for ")
        row = next(y for y, line in enumerate(console.screen().splitlines()) if "3  hang" in line)
        await console.pilot.click(offset=(60, row))
        await console.hears("never answers.")
        await console.press("ctrl+p")
        await console.pilot.press(*"503", "space", *"claud")
        await console.sees("claude: 503")
        await console.press("down", "enter")
        await console.hears("claude answers 503.")


async def test_a_fault_of_a_live_engine_takes_the_engines_name() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("i")
        await until(show.sees("A fault for ", "3  hang"), pilot)
        await pilot.press("3")
        await until(show.sees("Inject hang into ", "Type checkout to go on:", "Real calls meet it for 30 s"), pilot)
        await pilot.press(*"shop", "enter")
        await until(show.sees("That is not the word"), pilot)
        assert show.mailbox.asked == []
        await pilot.press(*["backspace"] * 4, *"checkout", "enter")
        await until(lambda: [verb for verb, _, _ in show.mailbox.asked] == ["inject"], pilot)
        assert show.mailbox.args == [{"fault": "hang"}]
        await pilot.press("i")
        await until(show.sees("0  heal"), pilot)
        await pilot.press("0")  # to end a fault needs no question
        await until(lambda: [verb for verb, _, _ in show.mailbox.asked] == ["inject", "heal"], pilot)
        await pilot.press("0", "n")  # no scenario is steered
        assert "scenario" not in show.screen().splitlines()[-1]


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


@pytest.mark.parametrize("size", [(40, 24), (80, 24), (200, 50)])
async def test_whole_descriptions_are_shown_and_the_cursor_goes_from_scenario_to_scenario(
    size: tuple[int, int],
) -> None:
    show = Show([started()])
    async with show.app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees("creeping-latency", "slow"), pilot)
        missing = {name: set(load(path).title.split()) for name, path in shipped().items()}
        for name in missing:
            await until(lambda name=name: cursor_is_on(show, name), pilot)
            for words in missing.values():
                words.difference_update([word for word in words if word in show.screen()])
            assert not [line for line in show.screen().splitlines() if "│" in line and "…" in line]
            await pilot.press("down")
        assert not any(missing.values())


def cursor_is_on(show: Show, name: str) -> bool:
    """Return whether the cursor is on a scenario."""
    return any("▌" in line and f" {name} " in line for line in show.screen().splitlines())


def test_a_mistake_of_a_file_is_folded_too() -> None:
    entry = ScenarioEntry(Path("mine.yaml"), None, "mine.yaml:6: there is no field 'timelin'. Did you mean 'timeline'?")
    for cells in (30, 76):
        lines = [text_of(line) for line in scenario_lines(entry, cells, names_width([entry]), "")]
        assert " ".join(" ".join(lines).split()).endswith(entry.wrong)
        assert max(map(len, lines)) <= cells


async def test_the_list_sorts_by_key_and_by_a_click_on_a_title() -> None:
    show = Show([started()])
    async with show.app.run_test(size=(100, 40), notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees("primary-outage"), pilot)
        (listed,) = show.app.page.lists
        assert isinstance(listed, FoldedList)
        own = listed.keys
        durations = {path: load(path).duration for path in own}
        line = next(n for n, text in enumerate(show.screen().splitlines()) if "what it shows" in text)
        await pilot.click(offset=(show.screen().splitlines()[line].index("lasts") + 1, line))
        await until(show.sees("by lasts ▴"), pilot)
        assert [durations[path] for path in listed.keys] == sorted(durations.values())
        await pilot.press("S")
        await until(show.sees("by lasts ▾"), pilot)
        assert [durations[path] for path in listed.keys] == sorted(durations.values(), reverse=True)
        third = listed.row_at(2)
        assert third is not None
        await pilot.click(offset=(10, line + 3))
        await until(lambda: listed.index == third, pilot)
        await pilot.press(*"sss")  # adapters, title, its own order
        await until(lambda: " by " not in show.screen().splitlines()[line - 1], pilot)
        assert listed.keys == own


def test_a_file_with_a_mistake_comes_after_the_scenarios() -> None:
    good = next(iter(shipped().values()))
    entries = [ScenarioEntry(Path("a.yaml"), None, "wrong"), ScenarioEntry(good, load(good))]
    for field in ("scenario", "lasts", "adapters", "title"):
        assert sorted(entries, key=lambda entry: order_of(entry, field)) == entries[::-1]


async def test_stopping_without_a_scenario_shows_a_notice() -> None:
    show = Show([started()])
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("7")
        await until(show.sees(next(iter(shipped()))), pilot)
        await pilot.press("K")
        await until(show.sees("No scenario plays."), pilot)


def test_other_files_are_skipped_and_a_long_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a-scenario.yml").write_text(MINE)
    (tmp_path / "list.yaml").write_text("items:\n" + "  - scenario: of another kind\n" * 10_000)
    (tmp_path / "long.yaml").write_text(MINE + "# and so on\n" * 10_000)
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "scenarios.yaml").mkdir()
    listed = found((), [tmp_path, tmp_path / "nowhere"])
    assert [(one.path.name, one.wrong) for one in listed] == [
        ("a-scenario.yml", ""),
        ("long.yaml", "long.yaml: longer than 100 kB, and not read here; `fuseboard scenario play` plays it"),
    ]


def test_a_removed_folder_has_no_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert folders_here() == ()

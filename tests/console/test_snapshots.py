"""How the console looks, in sizes and themes people use. Time stands still at 14:02:11."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from console_support import STORY_ENDS, ListFeed, ListMailbox, added, at, opened, started, story
from textual.pilot import Pilot

from fuseboard_console.app import ConsoleApp
from fuseboard_console.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_engine.events import Event, ScenarioStep

SIZES = [(80, 24), (120, 40), (200, 50)]
THEMES = ["fuseboard-dark", "fuseboard-light"]
Compare = Callable[..., bool]


def console(
    events: list[Event],
    theme: str = "fuseboard-dark",
    *,
    alive: float = STORY_ENDS - 0.2,
    glyphs: Glyphs = UNICODE,
    read_only: bool = False,
) -> ConsoleApp:
    return ConsoleApp(
        ListFeed(alive=alive, events=events),
        file="checkout.db",
        mailbox=None if read_only else ListMailbox(),
        theme=theme,
        glyphs=glyphs,
        now=lambda: at(STORY_ENDS),
        poll=0.01,
    )


async def settled(pilot: Pilot[None]) -> None:
    await pilot.pause(0.2)
    await pilot.wait_for_scheduled_animations()


def keys(*pressed: str) -> Callable[[Pilot[None]], object]:
    async def press(pilot: Pilot[None]) -> None:
        await settled(pilot)
        await pilot.press(*pressed)
        await settled(pilot)

    return press


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", THEMES)
def test_the_overview(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(console(story(), theme), terminal_size=size, run_before=settled)


def test_a_healthy_board_is_calm(snap_compare: Compare) -> None:
    events: list[Event] = [started(), *(added(name) for name in ("agno", "gpt", "prefect"))]
    assert snap_compare(console(events), terminal_size=(80, 24), run_before=settled)


def test_a_scenario_tells_its_story_at_the_bottom(snap_compare: Compare) -> None:
    text = "Prefect is well again; its breaker does not know yet"
    events = [*story(), ScenarioStep(at=at(STORY_ENDS - 1), scenario="primary-outage", text=text)]
    assert snap_compare(console(events), terminal_size=(80, 24), run_before=settled)


def test_a_filter_being_typed(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(80, 24), run_before=keys("slash", *"!state:closed"))


def test_a_filter_kept_and_another_order(snap_compare: Compare) -> None:
    pressed = keys("slash", *"*e* !test", "enter", "s", "s", "S")
    assert snap_compare(console(story(), "fuseboard-light"), terminal_size=(120, 40), run_before=pressed)


def test_the_question_before_holding_open(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(80, 24), run_before=keys("o"))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_detail_of_an_adapter(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console(story()), terminal_size=size, run_before=keys("down", "enter"))


def test_an_empty_file(snap_compare: Compare) -> None:
    assert snap_compare(console([]), terminal_size=(100, 30), run_before=settled)


def test_a_silent_engine(snap_compare: Compare) -> None:
    events = [started(), added("agno"), added("prefect"), opened("prefect", 110)]
    assert snap_compare(console(events, alive=117), terminal_size=(80, 24), run_before=settled)


def test_the_question_before_resetting_all(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(120, 40), run_before=keys("R"))


def test_the_help(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(120, 50), run_before=keys("question_mark"))


def test_ascii_and_read_only(snap_compare: Compare) -> None:
    app = console(story(), "fuseboard-contrast", glyphs=ASCII, read_only=True)
    assert snap_compare(app, terminal_size=(120, 40), run_before=settled)

"""How the console looks, in sizes and themes people use. Time stands still at 14:02:11."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from fuseboard_console.app.app import ConsoleApp
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_engine.dead_letters.letter import Capacity, LetterSelection, NewLetter
from fuseboard_engine.events import (
    Event,
    ScenarioStep,
)
from fuseboard_storage.stores.dead_letters import SqliteDeadLetters
from support.console_story import STORY_ENDS, ListFeed, ListMailbox, added, at, opened, settle, siblings, started, story
from support.recorded_history import lived
from support.replays import recorded

SIZES = [(60, 18), (80, 24), (120, 40), (160, 45), (200, 50)]
THEMES = ["fuseboard-dark", "fuseboard-light"]
Compare = Callable[..., bool]


def console(
    events: list[Event],
    theme: str = "fuseboard-dark",
    *,
    alive: float = STORY_ENDS - 0.2,
    glyphs: Glyphs = UNICODE,
    read_only: bool = False,
    file: Path | None = None,
) -> ConsoleApp:
    """A console on events; of a `file` only what pages read from its path is seen."""
    feed = ListFeed(alive=alive, events=events)
    if file is not None:
        feed.recording = SimpleNamespace(path=file, check_not_replaced=lambda: None)  # type: ignore[assignment]
    return ConsoleApp(
        feed,
        file="checkout.db",
        mailbox=None if read_only else ListMailbox(),
        theme=theme,
        glyphs=glyphs,
        now=lambda: at(STORY_ENDS),
        poll=0.01,
    )


async def settled(pilot: Pilot[None]) -> None:
    await settle(pilot)
    await pilot.wait_for_scheduled_animations()
    for field in pilot.app.screen.query(Input):  # its cursor blinks, so that a slow host would draw it or not
        field.cursor_blink = False
        field._cursor_visible = True


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


@pytest.mark.parametrize(("size", "theme"), [((80, 24), "dark"), ((120, 40), "light"), ((40, 14), "dark")])
def test_a_scenario_has_a_caption_under_the_header(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    step = ScenarioStep(
        at=at(STORY_ENDS - 1),
        scenario="primary-outage",
        text="Prefect is well again; its breaker does not know yet",
        title="The primary goes down, its breaker trips, others take over, and it comes back",
        position=19,
        duration=60,
        next_text="Agno limits the call rate",
        next_in=7,
    )
    app = console([*story(), step], f"fuseboard-{theme}")
    assert snap_compare(app, terminal_size=size, run_before=settled)


def test_a_filter_being_typed(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(80, 24), run_before=keys("slash", *"!state:closed"))


def test_a_filter_kept_and_another_order(snap_compare: Compare) -> None:
    pressed = keys("slash", *"*e* !test", "enter", "s", "s", "S")
    assert snap_compare(console(story(), "fuseboard-light"), terminal_size=(120, 40), run_before=pressed)


def test_the_question_before_holding_open(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(80, 24), run_before=keys("o"))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_lanes_of_all_adapters(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(console(story(), theme), terminal_size=size, run_before=keys("l"))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_detail_of_an_adapter(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(console(story(), theme), terminal_size=size, run_before=keys("down", "enter"))


def test_an_empty_file(snap_compare: Compare) -> None:
    assert snap_compare(console([]), terminal_size=(100, 30), run_before=settled)


def test_a_silent_engine(snap_compare: Compare) -> None:
    events = [started(), added("agno"), added("prefect"), opened("prefect", 110)]
    assert snap_compare(console(events, alive=117), terminal_size=(80, 24), run_before=settled)


def test_the_question_before_resetting_all(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(120, 40), run_before=keys("R"))


def test_the_question_before_many_are_disabled(snap_compare: Compare) -> None:
    pressed = keys("x", "x", "x", "D", *"eu-sea")
    assert snap_compare(console(story()), terminal_size=(80, 24), run_before=pressed)


def test_the_palette(snap_compare: Compare) -> None:
    pressed = keys("ctrl+p", *"open")
    assert snap_compare(console(story(), "fuseboard-light"), terminal_size=(80, 24), run_before=pressed)


@pytest.mark.parametrize(("theme", "size"), [("fuseboard-dark", (80, 24)), ("fuseboard-light", (120, 40))])
def test_a_view_of_the_past(snap_compare: Compare, tmp_path: Path, theme: str, size: tuple[int, int]) -> None:
    app = console(story(), theme, file=recorded(tmp_path / "checkout.db", story()))
    assert snap_compare(app, terminal_size=size, run_before=keys("space", "left_curly_bracket", "left_curly_bracket"))


def test_the_help(snap_compare: Compare) -> None:
    assert snap_compare(console(story()), terminal_size=(120, 50), run_before=keys("question_mark"))


def test_ascii_and_read_only(snap_compare: Compare) -> None:
    app = console(story(), "fuseboard-contrast", glyphs=ASCII, read_only=True)
    assert snap_compare(app, terminal_size=(120, 40), run_before=settled)


# -------------------------------------------------------------------- the pages

AS_READ = [
    pytest.param(f"fuseboard-{theme}", size, id=f"{theme}-{size[0]}x{size[1]}")
    for theme, size in zip(("dark", "dark", "light", "dark", "light"), SIZES, strict=True)
]
"""How a page is looked at: in every size, in one theme or the other."""


@pytest.mark.parametrize(("theme", "size"), AS_READ)
@pytest.mark.parametrize("pressed", [pytest.param("9", id="engines"), pytest.param("9 home enter", id="totals")])
def test_several_processes_of_one_name(snap_compare: Compare, theme: str, size: tuple[int, int], pressed: str) -> None:
    feed = ListFeed(alive=60, board=siblings(60))
    app = ConsoleApp(feed, file="shop.db", mailbox=ListMailbox(), theme=theme, now=lambda: at(60), poll=0.01)
    assert snap_compare(app, terminal_size=size, run_before=keys(*pressed.split()))


async def kept(path: Path) -> None:
    """Dead letters in a recording, one of them archived."""
    store = SqliteDeadLetters(path)
    for number, (category, error) in enumerate(
        (("network", "connection refused"), ("validation", "amount must be positive"), ("transient", "503")) * 2
    ):
        letter = NewLetter(
            engine="checkout", task=f"8f2{number}", task_type="invoice", form="mapping", payload='{"amount":12}',
            category=category, created_at=at(100 + number * 5), due_at=at(135 + number) if number % 2 else None,
            error=error, error_type="ConnectError", adapter="billing", attempts=3, max_retries=3,
        )  # type: ignore[arg-type]  # fmt: skip
        await store.add(letter, Capacity(1000, False))
    await store.change("archive", LetterSelection(ids=(2,)), at(129), "ana@web-1")
    await store.close()


@pytest.mark.parametrize(("theme", "size"), AS_READ)
@pytest.mark.parametrize(
    "pressed",
    [
        pytest.param("2", id="routes"),
        pytest.param("2 enter", id="route"),
        pytest.param("3", id="failures"),
        pytest.param("3 enter", id="failure"),
        pytest.param("5", id="workflows"),
        pytest.param("5 down enter", id="workflow"),
        pytest.param("6", id="health"),
        pytest.param("8", id="audit"),
        pytest.param("9", id="engines"),
    ],
)
def test_a_page(snap_compare: Compare, theme: str, size: tuple[int, int], pressed: str) -> None:
    app = console(lived(), theme)
    assert snap_compare(app, terminal_size=size, run_before=keys(*pressed.split()))


@pytest.mark.parametrize(("theme", "size"), AS_READ)
@pytest.mark.parametrize("pressed", [pytest.param("4", id="letters"), pytest.param("4 enter", id="letter")])
def test_dead_letters(snap_compare: Compare, tmp_path: Path, theme: str, size: tuple[int, int], pressed: str) -> None:
    asyncio.run(kept(tmp_path / "checkout.db"))
    app = console(lived(), theme, file=tmp_path / "checkout.db")
    assert snap_compare(app, terminal_size=size, run_before=keys(*pressed.split()))

"""The palette: actions on adapters by typing, and terminals with little room."""

from __future__ import annotations

import pytest

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.app.palette_adapters import actions_asked_for, named
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import added, resize, started, until


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (80, 2), (3, 24)], ids=str)
@pytest.mark.parametrize("opens", ["ctrl+p", "T"])
async def test_the_palette_and_the_theme_list_work_at_any_size(opens: str, size: tuple[int, int]) -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24)) as pilot:
        await pilot.press(opens)
        await pilot.press("down", "pagedown")
        await resize(pilot, *size)
        for key in ("pagedown", "pageup", "end", "home", "down", "up"):
            await pilot.press(key)
        await pilot.press("escape", "escape")
        assert show.app.is_running


async def test_an_adapters_actions_are_found_by_action_and_part_of_its_name() -> None:
    show = Show()
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("x", "x")  # what was named is meant, whatever is marked
        await pilot.press("ctrl+p", *"reset", "space", *"pre")
        await until(show.sees("Reset prefect"), pilot)
        await pilot.press("down", "enter")
        await until(lambda: bool(show.mailbox.asked), pilot)
        assert show.mailbox.asked == [("reset", "prefect", 1)]


async def test_dangerous_actions_ask_first_from_the_palette_too() -> None:
    show = Show([started(), added("agno"), added("gpt")], when=10)
    async with show.app.run_test(size=(100, 30)) as pilot:
        await until(show.sees("gpt"), pilot)
        await pilot.press("ctrl+p", *"hold", "space", *"gp")
        await until(show.sees("Hold open gpt"), pilot)
        await pilot.press("down", "enter")
        await until(show.sees("Hold gpt open?"), pilot)
        assert not show.mailbox.asked


def test_of_many_names_the_shortest_are_offered() -> None:
    keys = [AdapterKey(1, f"prefect-{number}") for number in range(100)]
    assert named("prefect", [*keys, AdapterKey(2, "Prefect")])[0] == AdapterKey(2, "Prefect")
    assert len(named("prefect", keys)) == 8


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reset pre", {("reset", "pre")}),
        ("res pre", {("reset", "pre")}),
        ("hold open pre", {("force_open", "pre")}),
        ("hold o", {("force_open", "o")}),
        ("open eu search", {("open_for", "eu search")}),
        ("reset", set()),
        ("hold open", set()),
        ("filter pre", set()),
        ("", set()),
    ],
)
def test_a_query_begins_with_an_action_and_goes_on_with_a_name(query: str, found: set[tuple[str, str]]) -> None:
    assert {(action.id, rest) for action, rest in actions_asked_for(query, ACTIONS)} == found

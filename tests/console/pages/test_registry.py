"""The table of pages: what the actions, their keys and the pages themselves derive from it."""

from __future__ import annotations

import pytest

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.model import collapse_page_keys
from fuseboard_console.actions.pages import PAGE_MENU, PAGES, PageEntry, page_actions
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.pages.registry import page_class
from fuseboard_console.preferences.validation import validate
from support.console_show import Show
from support.console_story import until


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.id)
def test_each_entry_names_the_page_of_its_id(entry: PageEntry) -> None:
    page = page_class(entry.id)
    assert entry.id == page.PAGE
    assert issubclass(page, ListPage) == ("list" in entry.features)


def test_each_action_of_a_page_names_a_page_of_the_table() -> None:
    named = {page for action in ACTIONS for page in action.pages}
    assert named <= {entry.id for entry in PAGES} | {"detail"}


def test_the_tenth_page_has_the_key_0_and_the_eleventh_a_menu() -> None:
    entries = [PageEntry(f"p{number}", f"Page {number}", "a test", "x:X") for number in range(1, 12)]
    keys = [action.keys for action in page_actions(entries)]
    assert keys == [*((digit,) for digit in "1234567890"), (), PAGE_MENU.keys]
    assert page_actions(entries[:10])[-1].keys == ("0",)
    assert collapse_page_keys(page_actions(entries[:10]))[-1].keys == ("1-0",)
    assert collapse_page_keys(page_actions(entries))[-1].keys == ("1-0",)


async def test_the_page_menu_goes_to_a_page() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        show.app.action_page_menu()
        await until(show.sees("Search for a page", "Dead letters"), pilot)
        await pilot.press(*"audit")
        await until(lambda: "Dead letters" not in show.screen(), pilot)
        await pilot.press("enter")
        await until(show.sees("› Audit"), pilot)


async def test_a_double_click_opens_a_row() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes", "#8f23"), pilot)
        await pilot.click(offset=(10, show.line_of("prefect ✖")), times=2)
        await until(show.sees("› Route of"), pilot)


def test_preferences_may_name_an_action_by_its_former_id() -> None:
    preferences = validate('[keys]\npage_letters = "F4"\nletter_retry = "ctrl+r"\nrun_open = "F6"\n', "a.toml")
    assert preferences.keys == {
        "page_dead_letters": ("f4",),
        "dead_letter_retry": ("ctrl+r",),
        "run_resumable": ("f6",),
    }

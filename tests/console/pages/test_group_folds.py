"""Groups of adapters that are folded and unfolded, by key and by mouse, and actions on a folded group."""

from __future__ import annotations

from fuseboard_console.preferences.model import Preferences
from fuseboard_console.views.selection.grouping import Folds, GroupHead, grouped, trouble_text
from fuseboard_engine.events import AdapterAdded, Event
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import at, opened, started, until

SIZE = (80, 24)


def tagged(*names: str) -> list[Event]:
    """Return an engine with adapters that have the letters before the digit of their names for a tag."""
    return [
        started(),
        *(AdapterAdded(at=at(0), adapter=n, policy={"failure_threshold": 5}, tags=(n[:2],)) for n in names),
    ]


def trouble_in_us() -> Show:
    """Return a console on two regions, `us` with one open breaker of three."""
    return Show([*tagged("eu1", "eu2", "us1", "us2", "us3"), opened("us2", 9)], when=10)


def test_groups_with_trouble_come_first_the_worst_before_the_others() -> None:
    a, b, c, d = (AdapterKey(1, name) for name in "abcd")
    members = [("", d, "down"), ("eu", a, "closed"), ("us", b, "open"), ("asia", c, "closed")]
    heads = [line.name for line in grouped(members, problems_first=True) if isinstance(line, GroupHead)]
    assert heads == ["us", "no tag", "asia", "eu"]


def test_a_folded_group_is_its_heading_which_knows_its_adapters() -> None:
    a, b = (AdapterKey(1, name) for name in "ab")
    lines = grouped([("eu", a, "closed"), ("us", b, "open")], Folds(all=True).toggled("us"))
    assert lines == (GroupHead("eu", 1, (("closed", 1),), (a,)), GroupHead("us", 1, (("open", 1),)), b)


def test_a_heading_says_in_words_how_many_are_in_trouble() -> None:
    assert trouble_text(GroupHead("eu", 8, (("open", 3), ("closed", 5)))) == "3 of 8 open"
    assert trouble_text(GroupHead("eu", 8, (("open", 3), ("probing", 1), ("closed", 4)))) == "4 of 8 in trouble"
    assert trouble_text(GroupHead("eu", 8, (("counting", 3), ("closed", 5)))) == "8"


async def test_a_key_folds_the_group_under_the_cursor_and_unfolds_it_again() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("b", "b")
        await until(show.sees("▾ ✖ us  1 of 3 open   1 ✖  2 ●", "▾ ● eu  2   2 ●"), pilot)
        await pilot.press("z")
        await until(show.sees("▌ ▸ ✖ us  1 of 3 open", "eu1"), pilot)
        assert "us1" not in show.screen()
        await pilot.press("down", "up", "enter")
        await until(show.sees("▾ ✖ us", "us1"), pilot)
        assert show.selected() == "us2"


async def test_a_key_folds_all_groups_and_the_cursor_goes_from_one_to_the_next() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("Z")
        await until(show.sees("▌ ▸ ✖ us", "▸ ● eu"), pilot)
        await pilot.press("down")
        await until(show.sees("▌ ▸ ● eu"), pilot)
        await pilot.press("n")
        await until(show.sees("▌ ▸ ✖ us"), pilot)
        await pilot.press("Z")
        await until(show.sees("us1", "eu1", "▾ ✖ us", "▾ ● eu"), pilot)


async def test_an_action_on_a_folded_group_asks_for_its_name_and_applies_to_all_in_it() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("Z")
        await until(show.sees("▌ ▸ ✖ us"), pilot)
        await pilot.press("r")
        await until(show.sees("Reset 3 breakers?", "us2, us1, us3", "Type us to go on"), pilot)
        assert not show.mailbox.asked
        await pilot.press(*"us", "enter")
        await until(lambda: len(show.mailbox.asked) == 3, pilot)
        assert {name for _, name, _ in show.mailbox.asked} == {"us1", "us2", "us3"}


async def test_a_mark_on_a_folded_group_marks_all_in_it() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("Z")
        await until(show.sees("▌ ▸ ✖ us"), pilot)
        await pilot.press("x")
        await until(show.sees("3 marked", "◆▸ ✖ us", "▌ ▸ ● eu"), pilot)


async def test_a_click_on_the_sign_or_two_on_a_heading_fold_it() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("b", "b")
        await until(show.sees("▾ ● eu"), pilot)
        line = show.line_of("▾ ● eu") - show.line_of("─ Breakers")
        await pilot.click("BreakersTable", offset=(3, line))
        await until(show.sees("▸ ● eu"), pilot)
        await pilot.click("BreakersTable", offset=(8, line), times=2)
        await until(show.sees("▾ ● eu", "eu1"), pilot)
        assert not show.app.overview.table.marked


async def test_an_adapter_that_opens_in_a_folded_group_brings_its_heading_to_the_top() -> None:
    show = Show(tagged("eu1", "us1", "us2"), when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("Z")
        await until(show.sees("▌ ▸ ● eu"), pilot)
        show.feed.events.append(opened("us2", 9))
        await until(show.sees("▸ ✖ us  1 of 2 open", "▌ ▸ ● eu"), pilot)
        assert show.line_of("▸ ✖ us") < show.line_of("▸ ● eu")


async def test_the_key_says_that_nothing_is_grouped() -> None:
    show = trouble_in_us()
    async with show.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(show.sees("us2"), pilot)
        await pilot.press("z")
        await until(show.sees("The adapters are not grouped: b groups them."), pilot)


async def test_groups_and_folds_at_the_start_come_from_the_preferences() -> None:
    show = trouble_in_us()
    app = type(show.app)(
        show.feed, file="checkout.db", now=lambda: at(10), poll=0.01, preferences=Preferences(group="tag", folded=True)
    )
    show.app = app
    async with app.run_test(size=SIZE) as pilot:
        await until(show.sees("▌ ▸ ✖ us  1 of 3 open", "▸ ● eu"), pilot)

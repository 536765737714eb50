"""The overview at the keyboard: groups, faults only, marks, actions on many, and highlighting."""

from __future__ import annotations

import pytest

from fuseboard_console.screens.typed_confirm import TypedConfirmScreen
from fuseboard_console.views.adapters import change_highlight
from fuseboard_console.views.adapters.columns import columns_of
from fuseboard_engine.events import AdapterAdded, Event, GaugesSampled
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import STORY_ENDS, added, at, changed, opened, started, until

SIZE = (120, 40)


def tagged(*names: str) -> list[Event]:
    """Adapters that have the first letter of their names for a tag."""
    return [
        started(),
        *(AdapterAdded(at=at(0), adapter=n, policy={"failure_threshold": 5}, tags=(n[0],)) for n in names),
    ]


def names(show: Show) -> list[str]:
    return [key.adapter for key in show.app.overview.order.keys]


async def shows_rows(show: Show, pilot: object, rows: int) -> None:
    await until(lambda: len(show.app.overview.order.keys) == rows, pilot)


async def test_faults_only_is_a_key_and_escape_shows_all_again() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect", "vision"), pilot)
        await pilot.press("f")
        await until(show.sees("faults only", "6 of 12", "llamaindex"), pilot)
        assert "vision" not in show.screen()
        await pilot.press("escape")
        await until(show.sees("vision"), pilot)


async def test_faults_only_without_faults_shows_a_note() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("gpt"), pilot)
        await pilot.press("f")
        await until(show.sees("No breaker needs you.", "0 of 1"), pilot)
        await pilot.press("down", "x", "r", "n", "f")
        await until(show.sees("gpt"), pilot)


async def test_the_cursor_skips_group_headings() -> None:
    show = Show([*tagged("a1", "a2", "b1"), opened("a2", 9)], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("b", "b")
        await until(show.sees("by tag", "✖ a  1 of 2 open   1 ✖  1 ●", "● b  1   1 ●"), pilot)
        assert show.selected() == "a2"
        await pilot.press("down", "down")
        assert show.selected() == "b1"
        await pilot.press("down")
        assert show.selected() == "b1"
        await pilot.press("home")
        assert show.selected() == "a2"
        await pilot.press("b")
        await until(lambda: "by tag" not in show.screen(), pilot)


async def test_marks_are_counted_and_escape_removes_them() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("x", "x")
        await until(show.sees("2 marked", "◆"), pilot)
        await pilot.press("X")
        await until(show.sees("12 marked"), pilot)
        await pilot.press("escape")
        await until(lambda: "marked" not in show.screen(), pilot)


async def test_a_mark_stays_while_a_filter_hides_its_adapter() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("x", "slash", *"vision", "enter", "X")
        await until(show.sees("1 of 12", "2 marked"), pilot)


async def test_an_action_on_many_requests_a_typed_word_first() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(show.sees("eu-search", "prefect"), pilot)
        await pilot.press("x", "x", "r")
        await until(show.sees("Reset 2 breakers?", "Type eu-search to go on", "eu-search, prefect"), pilot)
        await pilot.press("enter", *"prefect", "enter")
        await until(show.sees("That is not the word: type eu-search"), pilot)
        assert isinstance(show.app.screen, TypedConfirmScreen)
        await pilot.press(*["backspace"] * 7, *"eu-search", "enter")
        await until(lambda: len(show.mailbox.asked) == 2, pilot)
        assert show.mailbox.asked == [("reset", "eu-search", 1), ("reset", "prefect", 1)]
        show.mailbox.status = "done"
        await until(show.sees("2 breakers were reset."), pilot)
        assert not show.app.overview.table.marked


async def test_many_are_opened_for_a_time_after_both_were_typed() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(show.sees("eu-search", "prefect"), pilot)
        await pilot.press("x", "x", "O")
        await until(show.sees("Open 2 breakers for a while?"), pilot)
        await pilot.press(*"90s", "enter")
        await until(show.sees("Type eu-search to go on"), pilot)
        assert not show.mailbox.asked
        await pilot.press(*"eu-search", "enter")
        await until(lambda: len(show.mailbox.asked) == 2, pilot)
        assert show.mailbox.args == [{"seconds": 90.0}] * 2


async def test_escape_cancels_the_action_and_keeps_the_marks() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("x", "x", "o")
        await until(show.sees("Hold 2 breakers open?"), pilot)
        await pilot.press("escape")
        await until(lambda: "Hold 2" not in show.screen(), pilot)
        assert not show.mailbox.asked
        assert len(show.app.overview.table.marked) == 2


async def test_an_action_on_a_whole_group_names_the_group() -> None:
    show = Show(tagged("a1", "a2", "b1"), when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("b", "b", "x", "x", "D")
        await until(show.sees("Disable 2 breakers?", "Type a to go on"), pilot)


async def test_one_mark_that_the_cursor_is_not_on_is_named_before_anything_is_done_to_it() -> None:
    show = Show(tagged("a1", "b1"), when=10)
    async with show.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("x", "r")
        await until(show.sees("Reset 1 breaker?", "a1", "Its next call goes through", "Type a1 to go on"), pilot)
        assert show.selected() == "b1"
        assert not show.mailbox.asked
        await pilot.press(*"a1", "enter")
        await until(lambda: bool(show.mailbox.asked), pilot)
        assert show.mailbox.asked == [("reset", "a1", 1)]
        show.mailbox.status = "done"
        await until(show.sees("a1 was reset."), pilot)
        assert not show.app.overview.table.marked


async def test_one_mark_elsewhere_is_named_before_it_is_opened_for_a_time() -> None:
    show = Show(tagged("a1", "b1"), when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("x", "O")
        await until(show.sees("Open 1 breaker for a while?"), pilot)
        await pilot.press(*"90s", "enter")
        await until(show.sees("a1", "Its calls are refused for", "Type a1 to go on"), pilot)
        assert not show.mailbox.asked


async def test_one_mark_under_the_cursor_is_acted_on_as_without_a_mark() -> None:
    show = Show(tagged("a1", "b1"), when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("x", "up", "r")
        await until(lambda: bool(show.mailbox.asked), pilot)
        assert show.mailbox.asked == [("reset", "a1", 1)]


async def test_refusals_are_reported_with_their_reasons() -> None:
    show = Show(tagged("a1", "b1"), when=10)
    async with show.app.run_test(size=SIZE, notifications=True) as pilot:
        await until(show.sees("a1"), pilot)
        await pilot.press("X", "E", *"a1", "enter")
        await until(lambda: len(show.mailbox.asked) == 2, pilot)
        show.mailbox.status, show.mailbox.detail = "failed", "There is no such adapter."
        await until(show.sees("0 of 2 done; a1, b1:"), pilot)


async def test_the_filter_bar_reports_terms_that_cannot_match() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("slash", *"state:opne")
        await until(show.sees("There is no state opne. Did you mean open?", "0 of 12"), pilot)
        await pilot.press("backspace", "backspace", *"en")
        await until(show.sees("3 of 12"), pilot)
        assert "There is no state" not in show.screen()


async def test_the_cursor_stays_on_its_adapter_when_the_order_changes() -> None:
    show = Show([started(), *(added(f"a{n:02}") for n in range(60))], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await shows_rows(show, pilot, 60)
        await until(show.sees("a00"), pilot)
        await pilot.press(*["down"] * 40)
        assert show.selected() == "a40"
        await until(show.sees("a40"), pilot)
        line = show.line_of("a40")
        show.feed.events.append(opened("a50", 9.9))
        await until(lambda: names(show)[0] == "a50", pilot)
        assert show.selected() == "a40"
        await until(lambda: show.line_of("a40") == line, pilot)
        await pilot.press("S")
        await until(lambda: names(show)[-1] == "a50", pilot)
        assert show.selected() == "a40"
        await until(lambda: show.line_of("a40") > 0, pilot)


async def test_the_operators_columns_define_the_order() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect"), pilot)
        show.app.overview.table.chosen = columns_of(["budget", "state", "inflight"])
        show.feed.events.append(GaugesSampled(at=at(STORY_ENDS), gauges={"gpt": (17, 93)}))
        await until(lambda: show.app.overview.table.column_ids == ("name", "budget", "state", "inflight"), pilot)
        await until(show.sees("93"), pilot)
        assert show.screen().splitlines()[show.line_of("● gpt")].split()[1:6] == ["●", "gpt", "93", "CLOSED", "17"]


async def test_a_click_on_a_title_sorts_and_another_turns_the_order() -> None:
    show = Show()
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("prefect", "calls/s"), pilot)
        lines = show.screen().splitlines()
        y = show.line_of("calls/s")
        x = lines[y].index("adapter")
        await pilot.click(offset=(x, y))
        await until(lambda: names(show)[0] == "agno", pilot)
        await pilot.click(offset=(x, y))
        await until(lambda: names(show)[0] == "vision", pilot)
        assert show.selected() == "eu-search"


# ---------------------------------------------------------------- glow


def highlighted(show: Show, adapter: str) -> frozenset[str]:
    return show.app.overview.table._highlight.of(AdapterKey(1, adapter))


def compared(show: Show, adapter: str) -> bool:
    """Whether the table knows a row's content, with which it compares the next; it may be shown before."""
    return AdapterKey(1, adapter) in show.app.overview.table._highlight._before


async def test_changed_cells_are_highlighted_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_highlight, "HIGHLIGHT_SECONDS", 3600.0)  # the moment must not pass unseen
    show = Show([started(), added("gpt"), added("agno")], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(lambda: compared(show, "gpt"), pilot)
        assert highlighted(show, "gpt") == frozenset()
        show.feed.events.append(opened("gpt", 9.5))
        await until(lambda: "state" in highlighted(show, "gpt"), pilot)
        assert "next" not in highlighted(show, "gpt")
        assert highlighted(show, "agno") == frozenset()


async def test_a_highlight_ends_by_itself() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("● gpt"), pilot)
        show.feed.events.append(opened("gpt", 9.5))
        await until(show.sees("OPEN"), pilot)
        table = show.app.overview.table
        await until(lambda: highlighted(show, "gpt") == frozenset() and table._fade_timer is None, pilot)


async def test_scrolling_sorting_and_filtering_highlight_nothing() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 24)) as pilot:
        await until(show.sees("prefect"), pilot)
        table = show.app.overview.table
        await pilot.press("end", "home", "s", "S", "b", "f", "f", "slash", *"gpt", "escape")
        await pilot.pause()
        assert table._fade_timer is None


async def test_nothing_is_highlighted_with_the_highlight_disabled() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("● gpt"), pilot)
        show.app.overview.table.highlights_changes = False
        show.feed.events.append(opened("gpt", 9.5))
        await until(show.sees("✖ gpt"), pilot)
        assert highlighted(show, "gpt") == frozenset()
        assert show.app.overview.table._fade_timer is None


async def test_changes_made_while_another_page_is_shown_are_not_highlighted() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("● gpt"), pilot)
        await pilot.press("7")
        await until(lambda: "● gpt" not in show.screen(), pilot)
        show.feed.events.append(opened("gpt", 9.5))
        await until(lambda: bool(show.app.overview.order.counts.get("open")), pilot)
        await pilot.press("1")
        await until(show.sees("✖ gpt"), pilot)
        assert highlighted(show, "gpt") == frozenset()


async def test_a_probe_of_a_breaker_that_is_held_by_hand_asks_first() -> None:
    show = Show([started(), added("gpt"), changed("gpt", "forced_open", 5)], when=10)
    async with show.app.run_test(size=SIZE) as pilot:
        await until(show.sees("HELD OPEN"), pilot)
        await pilot.press("p")
        await until(show.sees("Let gpt probe?", "It is held open by hand."), pilot)
        assert not show.mailbox.asked
        await pilot.press("tab", "enter")
        await until(lambda: bool(show.mailbox.asked), pilot)
        assert show.mailbox.asked == [("half_open", "gpt", 1)]

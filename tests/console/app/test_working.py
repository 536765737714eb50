"""Keys, footer, help and palette offer exactly the actions that work on the current page."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_console.operator.bulk_prompts import batch_prompt
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import settle, until
from support.replays import recorded, screen, shown


@pytest.mark.parametrize("page", ["2", "4", "5", "7", "8", "9"])
async def test_resetting_all_is_asked_only_where_adapters_are(page: str) -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("› Overview"), pilot)
        await pilot.press(page)
        await until(lambda: "› Overview" not in show.screen(), pilot)
        await pilot.press("R")
        await pilot.press("1")  # a question would take this key
        await until(show.sees("› Overview"), pilot)
        assert "Reset" not in show.screen().replace("R reset", "")
        await pilot.press("R")
        await until(show.sees("Reset 5 breakers?"), pilot)


async def test_a_key_pressed_after_leaving_a_page_does_not_act_on_that_page() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes"), pilot)
        for key in ("1", "f"):  # in one burst: `f` chooses outcomes on the page that is left, and faults on the next
            show.app.simulate_key(key)
        await until(show.sees("› Overview", "faults only"), pilot)
        await pilot.press("2")
        await until(show.sees("newest first"), pilot)


async def test_an_adapter_that_waits_for_no_probe_gets_no_probe_command() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("gpt"), pilot)
        await pilot.press("slash", *"name:gpt", "enter", "p")
        await until(show.sees("gpt does not wait for a probe"), pilot)
        assert show.mailbox.asked == []


async def test_a_read_only_console_explains_why_a_key_has_no_effect() -> None:
    show = Show(read_only=True)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("o")
        await until(show.sees("This console is read-only"), pilot)


async def test_a_refused_key_pressed_again_renews_its_notice_instead_of_adding_one() -> None:
    show = Show(read_only=True)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        for _ in range(3):
            await pilot.press("o")
        await until(show.sees("This console is read-only"), pilot)
        await pilot.press("o")
        await settle(pilot)
        assert show.screen().count("This console is read-only") == 1


async def test_a_notice_is_shown_once_while_a_screen_is_open_over_the_page() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        show.app.notify("The engine is back after 5 s.", timeout=600)
        await until(show.sees("The engine is back"), pilot)
        await pilot.press("o")
        await until(show.sees("Hold", "Cancel"), pilot)
        await until(lambda: show.screen().count("The engine is back") == 1, pilot)
        await pilot.press("n")
        await until(lambda: "Cancel" not in show.screen(), pilot)
        await until(lambda: show.screen().count("The engine is back") == 1, pilot)


@pytest.mark.parametrize("size", [(60, 18), (80, 24)])
async def test_the_help_cuts_no_description(size: tuple[int, int]) -> None:
    show = Show()
    async with show.app.run_test(size=size) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("question_mark")
        await until(show.sees("esc closes"), pilot)
        text = show.screen()
        for _ in range(20):
            await pilot.press("pagedown")
            text += show.screen()
        assert "…" not in text
        assert "Asks first." in text


@pytest.mark.parametrize("size", [(60, 18), (80, 24)])
async def test_the_text_of_an_empty_list_is_shown_in_full(size: tuple[int, int]) -> None:
    show = Show(events=[])
    async with show.app.run_test(size=size) as pilot:
        await pilot.press("5")
        await until(show.sees("No workflow has run."), pilot)
        assert "An unfinished run can be resumed." in " ".join(show.screen().replace("│", " ").split())


async def test_the_palette_leads_to_actions_of_other_pages_and_to_columns_out_of_sight() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("ctrl+p", *"discard")
        await until(show.sees("Dead letters: Discard the selected"), pilot)
        await pilot.press("enter")
        await until(show.sees("› Dead letters"), pilot)
        await pilot.press("ctrl+p", *"sort by p99")
        await until(lambda: show.screen().count("Sort by") == 1, pilot)
        await pilot.press("enter")
        await until(show.sees("› Overview", "sorted by p99"), pilot)
        assert show.app.overview.sort.column == "p99"


async def test_in_a_replay_the_help_offers_nothing_that_asks_an_engine(tmp_path: Path) -> None:
    async with shown(recorded(tmp_path / "checkout.db", Show().feed.events)) as (app, pilot):
        await until(lambda: "prefect" in screen(app), pilot)
        await pilot.press("question_mark")
        await until(lambda: "Go ten seconds back in time." in screen(app) or "Go to the overview" in screen(app), pilot)
        assert "Close the selected breaker" not in screen(app)


def test_the_question_before_opening_many_says_for_how_long() -> None:
    keys = [AdapterKey(1, "a"), AdapterKey(1, "b")]
    assert "refused for 5 min" in batch_prompt("open_for", keys, "", 300.0).text
    assert "as long as their policies set" in batch_prompt("open_for", keys, "", None).text

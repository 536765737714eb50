"""The console, driven by keys and read from its screen."""

from __future__ import annotations

import pytest
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Button

from fuseboard_console.sources.session import Session
from fuseboard_console.tui.themes import THEMES
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_engine.events import Event, ScenarioStep
from fuseboard_storage.board.board import AdapterKey
from support.console_show import Show
from support.console_story import (
    STORY_ENDS,
    ListFeed,
    added,
    at,
    changed,
    failed,
    opened,
    resize,
    route,
    settle,
    started,
    stopped,
    until,
)
from support.hostile_texts import HOSTILE


async def test_the_whole_board_is_seen_at_once() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("checkout.db", "IMPAIRED", "live", "98.0 %"), pilot)
        await until(show.sees("OPEN", "4.1 s", "2nd", "PROBING 1/3", "CLOSED 2/5", "HELD OPEN"), pilot)
        await until(show.sees("WATCH ONLY", "DISABLED", "READY"), pilot)
        await until(
            show.sees(
                "Fallback chains",
                "ai_task",
                "down since",
                "14:01:05 66 s",
                "no adapter answers since",
                "×42",
                "r reset",
            ),
            pilot,
        )


async def test_r_resets_the_selected_adapter_and_tells_when_the_engine_has_done_it() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("j", "r")
        await until(lambda: show.mailbox.asked == [("reset", "prefect", 1)], pilot)
        assert "was reset" not in show.screen()
        show.mailbox.status = "done"
        await until(show.sees("prefect was reset."), pilot)


async def test_a_command_that_no_engine_takes_is_reported_with_the_reason() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        show.when += 14
        show.mailbox.status = "expired"
        await pilot.press("r")
        await until(show.sees("No engine took this command", "silent"), pilot)


async def test_a_refusal_is_reported_with_the_engines_text() -> None:
    show = Show()
    show.mailbox.status = "failed"
    show.mailbox.detail = "There is no adapter eu-search."
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("r")
        await until(show.sees("This was not done: There is no adapter eu-search."), pilot)


async def test_resetting_all_asks_with_cancel_in_focus() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("R")
        await until(show.sees("Reset 5 breakers?"), pilot)
        assert isinstance(show.app.focused, Button)
        assert show.app.focused.id == "cancel"
        await pilot.press("enter")
        await until(lambda: "Reset 5 breakers?" not in show.screen(), pilot)
        assert show.mailbox.asked == []
        await pilot.press("R")
        await until(show.sees("Reset 5 breakers?"), pilot)
        await pilot.press("right", "enter")
        await until(lambda: show.mailbox.asked == [("reset_all", "", 1)], pilot)


async def test_resetting_all_with_no_open_breaker_shows_a_notice() -> None:
    show = Show([started(), added("gpt")], when=1)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("gpt"), pilot)
        await pilot.press("R")
        await until(show.sees("No breaker is open"), pilot)


async def test_read_only_shows_no_key_that_changes_an_engine_and_does_nothing_on_it() -> None:
    show = Show(read_only=True)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect", "read-only"), pilot)
        await pilot.press("r", "R", "o", "O", "D", "M", "E", "p")
        await pilot.pause()
        assert len(show.app.screen_stack) == 1
        assert "r reset" not in show.screen()
        assert "Reset 5" not in show.screen()


async def test_the_cursor_stays_on_its_adapter_when_the_order_changes() -> None:
    show = Show([started(), *(added(name) for name in ("a", "b", "c", "d"))], when=10)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("a", "d"), pilot)
        await pilot.press("down", "down")
        assert show.selected() == "c"
        show.feed.events.append(opened("d", 9))
        await until(lambda: show.line_of("d  ") < show.line_of("a  "), pilot)
        assert show.selected() == "c"
        assert "▌● c" in show.screen().replace("▌ ●", "▌●")


async def test_the_mouse_selects_a_row_and_presses_a_key_of_the_footer() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("◔ rerank"), pilot)
        await pilot.click(offset=(10, show.line_of("◔ rerank")))
        assert show.selected() == "rerank"
        await pilot.click(offset=(2, 39))
        await until(lambda: show.mailbox.asked == [("reset", "rerank", 1)], pilot)


async def test_a_countdown_runs_to_ready() -> None:
    show = Show([started(), added("gpt"), opened("gpt", 8, wait=4)], when=10)
    show.feed.alive = 12
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("2.0 s"), pilot)
        show.when = 10.6
        await until(show.sees("1.4 s"), pilot)
        show.when = 12
        await until(show.sees("READY", "the next call probes"), pilot)


async def test_nothing_is_painted_while_nothing_changes() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("gpt", "q quit"), pilot)
        painted: list[object] = []
        real = show.app.overview.table.refresh
        show.app.overview.table.refresh = lambda *a, **k: painted.append(a) or real(*a, **k)  # type: ignore[method-assign]
        while True:  # until the first paint, and what it has deferred, is over
            painted.clear()
            await settle(pilot, 20)
            if not painted:
                break
        for _ in range(5):
            show.app.show()
        assert painted == []


async def test_an_empty_file_says_what_to_do_and_fills_by_itself() -> None:
    show = Show([], when=0)
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(show.sees("checkout.db is empty.", "add_adapter", "waiting for an engine"), pilot)
        show.feed.events += [started(), added("gpt")]
        await until(show.sees("● gpt", "live"), pilot)
        assert "is empty" not in show.screen()


class Steers:
    """The controls of a scenario whose engine has not begun."""

    speed = 1.0
    paused = False

    def faster(self) -> float:
        return self.speed

    def slower(self) -> float:
        return self.speed

    def toggle(self) -> None:
        pass

    def next_step(self) -> None:
        pass

    def restart(self) -> None:
        pass


async def test_a_scenario_that_has_not_begun_says_that_it_starts() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("● gpt"), pilot)
        show.app.push_session(Session(ListFeed(alive=10, events=[]), "mine.db", controls=Steers()))
        await until(show.sees("The scenario is starting."), pilot)
        assert "is empty" not in show.screen()
        assert "add_adapter" not in show.screen()


async def test_a_silent_engine_that_returns_is_shown_as_live() -> None:
    show = Show([started(), added("gpt"), opened("gpt", 8)], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("OPEN"), pilot)
        show.when = 24
        await until(show.sees("No engine has written for 14 s", "SILENT was OPEN", "silent 14 s"), pilot)
        show.feed.alive = 44
        show.when = 44
        show.feed.events.append(changed("gpt", "closed", 44))
        await until(show.sees("The engine is back after 34 s", "CLOSED", "live 0.0 s"), pilot)
        assert "No engine has written" not in show.screen()


async def test_an_engine_that_ended_in_order_is_not_an_alarm() -> None:
    show = Show([started(), added("gpt"), stopped(9)], when=20)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("The engine ended at 14:00:09", "ENDED was CLOSED", "ended 14:00:09"), pilot)


async def test_an_unreadable_file_is_reported_above_the_known_state() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        show.feed.trouble = "checkout.db is missing. The console continues when it is back."
        show.when += 1
        await until(show.sees("checkout.db is missing."), pilot)
        assert "prefect" in show.screen()


async def test_space_holds_the_view_and_counts_what_waits() -> None:
    show = Show([started(), added("gpt")], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("● gpt"), pilot)
        await pilot.press("space")
        await until(show.sees("PAUSED"), pilot)
        show.feed.events += [opened("gpt", 9), failed("gpt", 9.5)]
        await until(show.sees("2 events behind"), pilot)
        assert "OPEN" not in show.screen()
        await pilot.press("space")
        await until(show.sees("✖ gpt", "OPEN"), pilot)
        assert "PAUSED" not in show.screen()


async def test_help_names_the_keys_and_closes_with_escape() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 90), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("question_mark")
        await until(show.sees("Help", "Pause the view", "the next call is a probe"), pilot)
        await pilot.press("escape")
        await until(lambda: "Pause the view" not in show.screen(), pilot)


async def test_t_cycles_through_all_themes() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        seen = set()
        for _ in THEMES:
            seen.add(show.app.theme)
            await pilot.press("t")
        assert seen == {theme.name for theme in THEMES}


async def test_q_closes_the_console() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("q")
        await until(lambda: not show.app.is_running, pilot)
    assert show.app.return_code == 0


async def test_hostile_text_is_shown_as_text() -> None:
    events: list[Event] = [started()]
    for text in HOSTILE:
        events += [added(text), failed(text, 5, text, error_type=text), opened(text, 6)]
        events.append(route(7, success=False, why=text, task=text, type=text))
    show = Show(events, when=10)
    show.mailbox.status = "failed"
    show.mailbox.detail = "[/foo] \x1b[2J"
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("[@click=app.quit]click me[/]"), pilot)
        await pilot.press("r")
        await until(show.sees("[/foo] \\e[2J"), pilot)
        await pilot.press("R")
        await until(show.sees("Reset 19 breakers?"), pilot)
        await pilot.press("n")
        assert "\x1b" not in show.screen()
        for _ in HOSTILE:
            await pilot.press("down")


@pytest.mark.parametrize("key", ["r", "R", "o"])
async def test_a_command_for_an_ended_engine_is_refused_at_once(key: str) -> None:
    show = Show([started(), added("gpt"), opened("gpt", 8), stopped(9)], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("ended at"), pilot)
        await pilot.press(key)
        await until(show.sees("No engine can take this command"), pilot)
        assert show.mailbox.asked == []


async def test_a_question_names_its_keys_and_takes_y() -> None:
    show = Show([started(), added("gpt"), opened("gpt", 8)], when=10)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("OPEN"), pilot)
        await pilot.press("R")
        await until(show.sees("Reset 1 breaker?", "Its next call goes through", "enter", "esc"), pilot)
        await pilot.press("y")
        await until(lambda: show.mailbox.asked == [("reset_all", "", 1)], pilot)


async def test_the_scenario_of_an_ended_engine_is_not_shown() -> None:
    step = ScenarioStep(at=at(9), scenario="outage", text="Prefect goes down")
    show = Show([started(), added("prefect"), step, stopped(10)], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("ended at"), pilot)
        assert "Prefect goes down" not in show.screen()


@pytest.mark.parametrize("read_only", [False, True])
async def test_any_size_is_displayed(read_only: bool) -> None:
    show = Show(read_only=read_only)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        for size in [(1, 1), (2, 2), (10, 3), (20, 6), (39, 13), (40, 14), (80, 24), (300, 80), (5, 60), (120, 40)]:
            await pilot.resize_terminal(*size)
            await pilot.press("down", "tab")
        await until(show.sees("Breakers", "Fallback chains", "Recent failures"), pilot)


async def test_a_terminal_resized_to_nothing_and_back_is_whole_again() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("checkout.db", "? help"), pilot)
        await resize(pilot, 0, 0)
        await resize(pilot, 120, 40)
        await until(show.sees("checkout.db", "? help"), pilot)


async def test_the_newest_step_of_a_scenario_is_shown_until_the_next_under_the_header() -> None:
    step = ScenarioStep(at=at(9), scenario="outage", text="Prefect goes down and refuses calls")
    show = Show([started(name="outage"), added("prefect"), step], when=10)
    async with show.app.run_test(size=(200, 50), notifications=True) as pilot:
        await until(show.sees("SCENARIO", "▸ Prefect goes down and refuses calls", "q quit"), pilot)
        assert show.line_of("Prefect goes down") == 1
        show.when = show.feed.alive = 60
        await until(show.sees("14:01:00"), pilot)
        assert show.line_of("Prefect goes down") == 1
        show.feed.events.append(ScenarioStep(at=at(60), scenario="outage", text="It has recovered"))
        await until(show.sees("It has recovered"), pilot)
        assert "goes down" not in show.screen()


async def test_a_failure_outside_the_recording_is_reported_once() -> None:
    asked: list[str] = []

    def failure_reason() -> str:
        asked.append("")
        return "The demo's engine ended early: [/foo] \x1b[2J" if len(asked) == 3 else ""

    show = Show([], when=1, failure_reason=failure_reason)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("The demo's engine ended early: [/foo]"), pilot)
        assert len(asked) == 3


def names(show: Show) -> list[str]:
    return [key.adapter for key in show.app.overview.order.keys]


async def test_a_filter_is_typed_counts_its_matches_and_esc_clears_it() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("slash", *"state:open")
        await until(show.sees("/ state:open", "3 of 12"), pilot)
        assert names(show) == ["eu-search", "prefect", "rerank"]
        await pilot.press("enter", "down")
        await until(show.sees("r reset"), pilot)
        assert show.selected() == "prefect"
        await pilot.press("escape")
        await until(lambda: len(names(show)) == 12, pilot)
        assert show.selected() == "prefect"
        await pilot.press("slash", *"zzz", "escape")
        await until(lambda: len(names(show)) == 12 and "r reset" in show.screen(), pilot)


async def test_text_typed_quickly_after_the_slash_runs_no_command() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        for key in ("slash", *"rostD", "slash", "q"):
            character = {"slash": "/"}.get(key, key)
            show.app.post_message(Key(key, character))
        await until(lambda: show.app.renderer.filter.text == "rostD/q", pilot)
        assert show.mailbox.asked == []
        assert show.app.theme == "fuseboard-dark"
        assert show.app.overview.sort.column == "state"


async def test_a_key_never_acts_on_an_adapter_that_a_filter_hides() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        assert show.selected() == "eu-search"
        await pilot.press("slash", *"gpt", "enter")
        await until(lambda: show.selected() == "gpt", pilot)
        await pilot.press("slash", *"zzz", "enter")
        await until(lambda: show.selected() == "", pilot)
        await pilot.press("r", "o", "down", "end", "n")
        await pilot.pause()
        assert show.mailbox.asked == []


@pytest.mark.parametrize("text", ["[/foo]", "[@click=app.quit]x", "\\[b]", "é \u202e名", "!", "state:", "a:b:c"])
async def test_any_text_may_be_typed_or_pasted_as_a_filter(text: str) -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("slash")
        await until(lambda: isinstance(show.app.focused, FilterBar), pilot)
        show.app.post_message(Paste(text))
        await until(lambda: show.app.renderer.filter.text == text, pilot)
        await pilot.press("enter")
        await until(show.sees("q quit"), pilot)
        assert ("Breakers  / " in show.screen()) == (text not in ("!", "state:"))
        assert "\u202e" not in show.screen()
        assert show.app.is_running


async def test_s_sorts_by_each_column_in_turn_and_the_cursor_stays_on_its_adapter() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("state ▾"), pilot)
        await pilot.press("end")
        selected = show.selected()
        await pilot.press("s")
        await until(show.sees("down since ▾"), pilot)
        await pilot.press("s")
        await until(show.sees("calls/s▾"), pilot)
        assert names(show)[0] == "gpt"
        assert show.selected() == selected
        await pilot.press("S")
        await until(show.sees("calls/s▴"), pilot)
        assert names(show)[-1] == "gpt"
        for _ in show.app.overview.table.column_ids:
            await pilot.press("s")
        await until(show.sees("calls/s▾"), pilot)


async def test_n_moves_from_problem_to_problem_and_wraps() -> None:
    events = [started(), *(added(name) for name in "abcd"), opened("b", 5), changed("d", "forced_open", 6)]
    show = Show(events, when=10)
    async with show.app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(show.sees("HELD OPEN"), pilot)
        await pilot.press("end", "n")
        assert show.selected() == "b"
        await pilot.press("n")
        assert show.selected() == "d"
        await pilot.press("n")
        assert show.selected() == "b"
        show.feed.events += [changed("b", "closed", 9.5), changed("d", "closed", 9.6)]
        await until(lambda: "HELD OPEN" not in show.screen(), pilot)
        await pilot.press("n")
        await until(show.sees("No breaker needs you."), pilot)


@pytest.mark.parametrize(
    ("key", "verb", "question", "told"),
    [
        ("o", "force_open", "Hold eu-search open?", "eu-search is held open. r undoes it."),
        ("D", "disable", "Disable eu-search?", "eu-search is disabled: every call goes through."),
        ("M", "metrics_only", "Set eu-search to watch only?", "eu-search is set to watch only: every call goes"),
        ("p", "half_open", "", "eu-search probes at its next call."),
        ("E", "enable", "", "eu-search is enabled."),
    ],
)
async def test_every_action_by_hand_reaches_the_engine_the_dangerous_ones_after_a_question(
    key: str, verb: str, question: str, told: str
) -> None:
    show = Show()
    show.mailbox.status = "done"
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press(key)
        if question:
            await until(show.sees(question), pilot)
            await pilot.press("enter")
            await until(lambda: question not in show.screen(), pilot)
            assert show.mailbox.asked == []
            await pilot.press(key)
            await until(show.sees(question), pilot)
            await pilot.press("right", "enter")
        await until(lambda: show.mailbox.asked == [(verb, "eu-search", 1)], pilot)
        await until(show.sees(told), pilot)


async def test_a_breaker_is_opened_for_a_time_that_is_typed() -> None:
    show = Show()
    show.mailbox.status = "done"
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("O")
        await until(
            show.sees("Open eu-search for a while?", "For how long? 30s, 5m, 1h, or own for its policy's wait:"), pilot
        )
        await pilot.press("enter", *"5 min", "enter")
        await until(show.sees("Write a time such as 30s, 5m, 12h, or own."), pilot)
        await pilot.press("ctrl+u", *"8d", "enter")
        await until(show.sees("At most 7d. To keep it open for longer"), pilot)
        assert show.mailbox.asked == []
        await pilot.press("ctrl+u", *"5m", "enter")
        await until(lambda: show.mailbox.asked == [("open_for", "eu-search", 1)], pilot)
        assert show.mailbox.args == [{"seconds": 300.0}]
        await until(show.sees("eu-search is open. r undoes it."), pilot)
        await pilot.press("O", *"own", "enter")
        await until(lambda: show.mailbox.args[1:] == [{"seconds": None}], pilot)


async def test_nothing_is_opened_when_the_question_for_how_long_is_cancelled() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("O", *"5m", "escape")
        await until(lambda: "For how long?" not in show.screen(), pilot)
        assert show.mailbox.asked == []


async def test_enter_opens_the_detail_where_keys_mean_that_adapter_whatever_moves() -> None:
    show = Show()
    show.mailbox.status = "done"
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("slash", *"state:open", "enter", "down", "enter")
        await until(show.sees("─ prefect ─", "policy", "Last failures", "esc close"), pilot)
        show.feed.events.append(changed("prefect", "closed", STORY_ENDS, before="open"))
        await until(lambda: show.selected() != "prefect", pilot)
        await until(show.sees("● CLOSED for"), pilot)
        await pilot.press("r")
        await until(lambda: show.mailbox.asked == [("reset", "prefect", 1)], pilot)
        await pilot.press("D")
        await until(show.sees("Disable prefect?"), pilot)
        await pilot.press("escape", "escape")
        await until(lambda: "esc close" not in show.screen(), pilot)


async def test_read_only_detail_offers_no_action() -> None:
    show = Show(read_only=True)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.press("enter")
        await until(show.sees("Last failures"), pilot)
        assert "Actions" not in show.screen()


async def _rows(show: Show, pilot: Pilot[None], count: int) -> None:
    await until(lambda: show.app.overview.table.count() == count, pilot)


async def test_ten_thousand_adapters_are_walked_from_end_to_end() -> None:
    show = Show([started(), *(added(f"adapter-{i:05}") for i in range(10_000))], when=10)
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await _rows(show, pilot, 10_000)
        await pilot.press("end")
        await until(show.sees("adapter-09999", "of 10,000"), pilot)
        assert show.selected() == "adapter-09999"
        await pilot.press("pageup", "up")
        assert show.selected() < "adapter-09999"
        await pilot.press("home")
        await until(show.sees("adapter-00000"), pilot)
        assert show.app.overview.table.selected == AdapterKey(1, "adapter-00000")


async def test_why_a_file_cannot_be_read_is_folded_at_80_columns() -> None:
    show = Show()
    async with show.app.run_test(size=(80, 24)) as pilot:
        await until(show.sees("prefect"), pilot)
        show.feed.trouble = f"checkout.db is damaged: {'page 17 is not in the list of free pages. ' * 3}Restore a copy."
        show.when += 1
        await until(show.sees("is damaged: page 17", "Restore a copy."), pilot)
        show.feed.trouble = ""
        show.when += 1
        await until(lambda: "damaged" not in show.screen(), pilot)
        assert show.line_of("Fallback chains") == 1

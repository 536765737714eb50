"""The pages of routes and failures: lists with a cursor, a filter, and everything about one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from fuseboard_console.painting.line_list import UNCUT
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.events.copy_text import lines_copy
from fuseboard_console.views.events.failure_detail import failure_detail
from fuseboard_console.views.events.routes import outcome_of, route_lines
from fuseboard_console.views.selection.list_filter import list_filter
from support.console_show import Show
from support.console_story import added, answered, at, attempt, failed, fold, route, settle, started, story, until
from support.console_watching import watching
from support.hostile_texts import HOSTILE
from support.replays import recorded


async def test_routes_are_listed_opened_and_lead_to_their_adapters() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes", "newest first", "prefect ✗✗✗ 310 ms → agno ✓ 51 ms"), pilot)
        await pilot.press("slash", *"outcome:failover", "enter")
        await until(show.sees("Routes  / outcome:failover"), pilot)
        await pilot.press("enter")
        await until(show.sees("Route of #", "answered after a failover", "1 prefect", "esc close"), pilot)
        await pilot.press("1")
        await until(show.sees("policy", "states", "prefect"), pilot)
        await pilot.press("escape", "1")
        await until(show.sees("› Overview", "Breakers"), pilot)


async def test_enter_in_a_pane_of_the_overview_opens_its_page() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("Fallback chains"), pilot)
        await pilot.press("tab", "enter")
        await until(show.sees("› Failures"), pilot)
        await pilot.press("1", "shift+tab", "enter")
        await until(show.sees("› Routes"), pilot)


async def test_a_double_click_acts_like_enter() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(show.sees("prefect"), pilot)
        await pilot.click("BreakersTable", offset=(8, show.line_of("✖ prefect") - show.line_of("─ Breakers")), times=2)
        await until(show.sees("─ prefect ─", "policy"), pilot)
        await pilot.press("escape")
        await pilot.click("ChainsPane", offset=(8, 1), times=2)
        await until(show.sees("› Routes"), pilot)


async def test_f_cycles_through_the_outcomes() -> None:
    show = Show(
        [
            started(),
            route(1, attempt("a", "success"), adapter="a"),
            route(2, attempt("a", "failure"), success=False, error="no luck"),
            route(3, attempt("a", "failure"), success=False, dead_letter=7),
        ]
    )
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("newest first: 2 failed, 1 dead letter; f shows only some"), pilot)
        await pilot.press("f", "f")
        await until(show.sees("None of the latest 3 routes is degraded; f shows others."), pilot)
        await pilot.press("f")
        await until(show.sees("only failed: 2 of 3; f shows others", "no answer: no luck", "dead letter 7"), pilot)
        assert "a ✓" not in show.screen()
        await pilot.press("f", "f")
        await until(show.sees("a ✓"), pilot)


async def test_the_cursor_stays_on_its_route_when_new_ones_come() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes"), pilot)
        await pilot.press("j", "j", "j")
        before = show.app.page.list.selected  # type: ignore[attr-defined]
        line = show.line_of("▌")
        for number in range(60):
            show.feed.events.append(route(131, attempt("gpt", "success"), adapter="gpt", task=f"new-{number:02}"))
        await until(lambda: len(show.app.page.list.keys) > 60 and "▌" in show.screen(), pilot)  # type: ignore[attr-defined]
        assert show.app.page.list.selected == before  # type: ignore[attr-defined]
        assert show.line_of("▌") == line  # where the eye is


async def test_the_cursor_of_a_list_stays_in_sight_when_the_terminal_shrinks() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes"), pilot)
        await pilot.press(*["j"] * 30)
        await pilot.resize_terminal(80, 14)
        await until(lambda: "▌" in show.screen() and "of" in show.screen().splitlines()[-2], pilot)


async def test_a_cursor_on_the_newest_route_stays_on_the_newest() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("2")
        await until(show.sees("› Routes"), pilot)
        line = show.line_of("▌")
        for number in range(60):
            show.feed.events.append(route(131, attempt("gpt", "success"), adapter="gpt", task=f"new-{number:02}"))
        await until(show.sees("new-59"), pilot)
        assert show.line_of("▌") == line == show.line_of("new-59")


async def test_the_routes_are_those_of_the_current_file(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", [started(), added("gpt"), answered("gpt", 1, task="old")])
    async with watching(path) as console:
        await console.press("2")
        await console.sees("gpt ✓")
        other = recorded(tmp_path / "b.db", [started(), added("agno"), answered("agno", 1, task="new")])
        for file in tmp_path.glob("a.db*"):
            file.unlink()
        other.rename(path)
        await console.sees("agno ✓")
        assert "gpt ✓" not in console.screen()


@pytest.mark.parametrize("task", ['say "hi"', "what?", "a*b [c]"])
async def test_a_failure_leads_to_the_route_of_its_task_whatever_that_is_called(task: str) -> None:
    show = Show(
        [
            started(),
            replace(failed("prefect", 5), task=task),
            route(5, attempt("prefect", "failure"), success=False, task=task),
            route(6, attempt("prefect", "success"), adapter="prefect", task="another"),
        ]
    )
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("3")
        await until(show.sees("› Failures", "prefect"), pilot)
        await pilot.press("enter", "v")
        await until(show.sees("› Routes", "1 of 2", "prefect ✗"), pilot)


def test_a_copied_failure_and_its_route_are_complete() -> None:
    long = " ".join(f"word-{number}" for number in range(400))
    name = "an-adapter-with-a-name-that-no-column-has-room-for"
    told = attempt(name, "failure", error=long, error_type="ConnectError", why=long)
    route_of = route(5, told, success=False, error=long, context={"request": long})
    copied = (
        lines_copy(failure_detail(fold([started(), failed(name, 5, long, why=long)]).failures[0], at(6), UNCUT)),
        lines_copy(route_lines(route_of, UNCUT, UNICODE)),
    )
    assert [text.count(long) for text in copied] == [2, 4]
    assert all(name in text for text in copied)


async def test_a_failure_is_shown_in_full_and_links_to_its_adapter_and_route() -> None:
    long = "the upstream said: " + "no " * 200 + "END"
    show = Show(
        [
            started(),
            replace(
                failed("prefect", 5, long, why="connection errors count"), context={"request": "r-77", "user": "ana"}
            ),
            route(5, attempt("prefect", "failure"), success=False),
        ]
    )
    async with show.app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("3")
        await until(show.sees("› Failures", "prefect"), pilot)
        await pilot.press("enter")
        await until(show.sees("Failure of prefect", "ConnectError", "END", "connection errors count"), pilot)
        await until(show.sees("request     r-77", "user        ana"), pilot)
        await pilot.press("v")
        await until(show.sees('/ task:"8f20"', "1 of 1"), pilot)


async def test_keys_that_act_on_an_adapter_mean_the_one_whose_failure_is_selected() -> None:
    show = Show()
    async with show.app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("3")
        await until(show.sees("› Failures"), pilot)
        target = show.app.page.target
        await pilot.press("r")
        await until(lambda: bool(show.mailbox.asked), pilot)
        assert target is not None
        assert show.mailbox.asked == [("reset", target.adapter, 1)]


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (200, 50)])
@pytest.mark.parametrize("page", ["2", "3", "7"])
async def test_every_size_is_filled(size: tuple[int, int], page: str) -> None:
    show = Show(story())
    async with show.app.run_test(size=size, notifications=True) as pilot:
        await pilot.press(page)
        await settle(pilot)
        await pilot.press("enter" if page != "7" else "down")
        await settle(pilot)
        lines = show.screen().splitlines()
        assert len(lines) == size[1]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_hostile_texts_do_not_break_the_layout_of_a_routes_detail(text: str, glyphs: Glyphs) -> None:
    told = attempt(text, "failure", error=text, error_type=text, why=text, rule=text)
    event = route(
        1, told, attempt(text, "rejected", why=text), success=False, error=text, why=text, task=text, type=text
    )
    for cells in (30, 80, 200):
        for line in route_lines(event, cells, glyphs):
            assert "\x1b" not in text_of(line)
            assert line_width(line) <= max(cells, 70)


@pytest.mark.parametrize("duration", [-1e308, -1.0, 0.0, 1e308])
@pytest.mark.parametrize("wait", [-1e308, 0.0, 1e308])
@pytest.mark.parametrize("strategy", ["", "first"])
def test_any_number_of_a_damaged_file_can_be_drawn_as_a_route(duration: float, wait: float, strategy: str) -> None:
    made = (attempt("a", "failure", 1e308, wait=wait), attempt("a", "success", duration, wait=wait))
    event = route(1, *made, adapter="a", duration=duration, strategy=strategy)
    for cells in (1, 30, 200):
        assert all(line_width(line) <= max(cells, 70) for line in route_lines(event, cells, UNICODE))


def test_a_route_that_retried_a_dead_letter_names_the_letter() -> None:
    event = route(1, attempt("a", "success"), adapter="a", letter=12)
    assert "retry of" in (said := "\n".join(text_of(line) for line in route_lines(event, 80, UNICODE)))
    assert "dead letter 12" in said


def test_a_timeline_shows_waits_and_adapters_that_were_not_called() -> None:
    event = route(
        1,
        attempt("prefect", "failure", 0.1, error_type="ConnectError", error="refused"),
        attempt("prefect", "failure", 0.1, wait=0.2, why="the last attempt it had"),
        attempt("eu", "rejected", 0.0, why="its breaker is open for 4.1 s"),
        attempt("agno", "success", 0.05),
        adapter="agno",
        duration=0.45,
    )
    said = "\n".join(text_of(line) for line in route_lines(event, 120, UNICODE))
    for words in ("answered after a failover", "after a wait of 200 ms", "ConnectError: refused", "not called",
                  "its breaker is open for 4.1 s", "the last attempt it had", "450 ms"):  # fmt: skip
        assert words in said


def test_every_outcome_has_a_word() -> None:
    ok = route(1, attempt("a", "success"), adapter="a")
    assert outcome_of(ok) == "ok"
    assert outcome_of(route(1, attempt("a", "failure"), attempt("b", "success"), adapter="b")) == "failover"
    assert outcome_of(route(1, attempt("a", "failure"), adapter="template", degraded=True)) == "degraded"
    assert outcome_of(route(1, attempt("a", "failure"), success=False, dead_letter=3)) == "dead"
    assert outcome_of(route(1, attempt("a", "failure"), success=False)) == "failed"


def test_a_filter_of_a_list_matches_one_field_or_all() -> None:
    row = {"outcome": "failed", "type": "chat", "": "timed out"}
    fields = ("outcome", "type")
    for fitting in ("outcome:failed", "type:ch*", "timed", '"timed out"', "!outcome:ok", "FAILED chat"):
        test = list_filter(fitting, fields)
        assert test is not None
        assert test(row), fitting
    for other in ("outcome:ok", "!chat", "nothing:here", "type:ch"[:-1] + "x"):
        test = list_filter(other, fields)
        assert test is not None
        assert not test(row), other
    assert list_filter("outcome:", fields) is None
    assert at(0)


def test_each_fact_about_the_order_has_a_row_of_its_own() -> None:
    event = route(3, attempt("gpt", "success"), why="order of ai_task; mistral is not registered")
    said = [text_of(line).split(maxsplit=1) for line in route_lines(event, 80, UNICODE) if text_of(line).strip()]
    assert ["order", "order of ai_task"] in said
    assert ["note", "mistral is not registered"] in said

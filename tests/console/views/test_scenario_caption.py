"""The caption of a scenario, and the sign that another recording has trouble meanwhile."""

from __future__ import annotations

import pytest

from fuseboard_console.text.glyphs import ASCII, UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.frame.scenario_caption import CaptionKeys, caption_lines, trouble_text
from fuseboard_engine.events import EngineStopped, ScenarioPaced, ScenarioStep
from fuseboard_storage.board.board import Board
from support.console_story import added, at, fold, opened, started
from support.hostile_texts import HOSTILE

TITLE = "The primary goes down and comes back"


def step(when: float = 5, text: str = "Prefect goes down", **fields: object) -> ScenarioStep:
    known = {"title": TITLE, "position": 5.0, "duration": 60.0, "next_text": "Prefect recovers", "next_in": 14.0}
    return ScenarioStep(at=at(when), scenario="outage", text=text, **{**known, **fields})  # type: ignore[arg-type]


def playing(*events: ScenarioStep | ScenarioPaced, alive: float = 6) -> Board:
    return fold([started(name="outage"), *events], alive=alive)


def captions(board: Board, now: float, cells: int = 80, rows: int = 24, **options: object) -> list[str]:
    lines = caption_lines(board, at(now), cells, rows, UNICODE, **options)  # type: ignore[arg-type]
    assert all(line_width(line) == cells for line in lines)
    return [text_of(line) for line in lines]


def test_it_says_what_happens_what_comes_next_and_when_and_how_far_the_scenario_is() -> None:
    title, now = captions(playing(step()), 6)
    assert title.split("   ")[0] == f" {TITLE}"
    assert title.endswith("6 of 60 s ━─────────── ")
    assert now.startswith(" ▸ Prefect goes down  ")
    assert now.endswith("  in 13 s: Prefect recovers ")


def test_it_stays_until_the_next_step_and_counts_down() -> None:
    board = playing(step(), alive=18.6)
    assert captions(board, 18.6)[1].endswith("in 1 s: Prefect recovers ")
    board = playing(step(), alive=50)
    assert captions(board, 50)[1].endswith("in 0 s: Prefect recovers ")


def test_after_the_last_step_it_counts_down_to_the_end() -> None:
    last = step(next_text="", next_in=None)
    assert captions(playing(last, alive=15), 15)[1].endswith("in 45 s: the end ")


def test_what_happens_is_whole_before_anything_is_said_of_what_follows() -> None:
    text = "The network to the models fails; callers get nothing"
    title, now = captions(playing(step(text=text, title=f"{TITLE}, as on Monday")), 6, word=True)
    assert now == f"{' ' * 11}▸ {text}       in 13 s "
    assert title == f" SCENARIO  {TITLE}, as on Monday{' ' * 9}6 of 60 s "
    assert captions(playing(step(text=text)), 6, cells=81)[1] == f" ▸ {text}  in 13 s: Prefect recove…"


def test_at_the_end_it_names_the_keys_that_go_on() -> None:
    ended = step(text="The scenario has ended", ends=True, position=60.0, next_in=None)
    title, now = captions(playing(ended, alive=90), 90, keys=CaptionKeys("0", "L"))
    assert "60 of 60 s ━━━━━━━━━━━━" in title
    assert now.endswith("0 plays it again, L leaves it ")
    assert captions(playing(ended, alive=90), 90)[1].strip() == "▸ The scenario has ended"


def test_a_stopped_scenario_and_its_pace_are_named() -> None:
    paced = step(paced_at=at(5), clock_at=at(5), pace=2.0)
    assert "▶ ×2  6 of 60 s" in captions(playing(paced), 6)[0]
    stopped = ScenarioPaced(at=at(6), scenario="outage", pace=0.0, clock_at=at(6))
    assert "⏸ stopped  6 of 60 s" in captions(playing(paced, stopped), 6)[0]


def test_a_low_terminal_keeps_the_line_that_changes_and_a_tiny_one_none() -> None:
    assert captions(playing(step()), 6, rows=14) == [captions(playing(step()), 6)[1]]
    assert captions(playing(step()), 6, cells=12) == []


def test_a_recording_without_title_and_position_has_one_line() -> None:
    bare = ScenarioStep(at=at(5), scenario="outage", text="Prefect goes down")
    assert [line.strip() for line in captions(playing(bare), 6)] == ["▸ Prefect goes down"]


def test_in_a_replay_it_begins_with_the_word_that_the_header_lacks() -> None:
    title, now = captions(playing(step()), 6, word=True)
    assert title.startswith(" SCENARIO  The primary")
    assert now.startswith(" " * 11 + "▸ Prefect")


@pytest.mark.parametrize("cells", [16, 30, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("word", [False, True])
def test_every_width_is_filled_exactly_and_says_what_happens(cells: int, word: bool) -> None:
    text = "A caption of a length that no narrow terminal has room for in one line"
    for line in captions(playing(step(text=text, title=text, next_text=text)), 6, cells=cells, word=word):
        assert "A" in line


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_and_numbers_do_not_break_the_layout(text: str) -> None:
    wild = step(text=text * 9, title=text * 9, next_text=text * 9, position=1e300, next_in=-1e300)
    for board in (playing(wild), playing(step(text=text, duration=1e300)), playing(step(duration=-1.0, title=text))):
        assert "\x1b" not in "".join(captions(board, 6))


def test_an_engine_that_has_ended_or_a_time_before_the_step_has_no_caption() -> None:
    assert captions(playing(step()), 4) == []
    assert captions(fold([started(name="outage"), step(), EngineStopped(at=at(7))]), 8) == []
    assert captions(fold([started()]), 6) == []


def test_the_past_of_a_scenario_is_named_after_its_engine_has_ended_too() -> None:
    title, now = captions(fold([started(name="outage"), step(), EngineStopped(at=at(7))]), 8, word=True)
    assert title.startswith(" SCENARIO  The primary")
    assert now.strip() == "The engine of outage has ended"


def test_with_ascii_signs_it_has_no_others() -> None:
    lines = caption_lines(playing(step(clock_at=at(5), paced_at=at(5))), at(6), 80, 24, ASCII)
    assert "".join(text_of(line) for line in lines).isascii()


def test_trouble_in_the_recording_below_is_named() -> None:
    healthy = fold([started(), added("gpt"), added("claude")], alive=10)
    assert trouble_text(healthy, "", "checkout.db", at(10)) == ""
    assert trouble_text(healthy, "", "checkout.db", at(20)) == "checkout.db is silent"
    assert trouble_text(healthy, "locked", "checkout.db", at(10)) == "checkout.db cannot be read"
    down = fold([started(), added("gpt"), opened("gpt", 9)], alive=10)
    assert trouble_text(down, "", "checkout.db", at(10)) == "checkout.db: 1 adapter down"
    for events in ([], [added("gpt"), opened("gpt", 9)]):
        stopped = fold([started(name="outage"), step(), *events], alive=10)
        assert trouble_text(stopped, "", "demo.db", at(10)) == trouble_text(stopped, "", "demo.db", at(90)) == ""
    assert trouble_text(stopped, "locked", "demo.db", at(10)) == "demo.db cannot be read"
    ended = fold([started(), added("gpt"), opened("gpt", 9), EngineStopped(at=at(10))])
    assert trouble_text(ended, "", "checkout.db", at(10)) == ""

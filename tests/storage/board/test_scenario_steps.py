"""The steps of a scenario on the Board: those of one moment are shown together."""

from __future__ import annotations

import asyncio

import pytest

from fuseboard_engine.documents.loader import parse
from fuseboard_engine.events import Event, ScenarioStep
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.player import Player
from fuseboard_engine.virtual_time import VirtualTimeLoop, run
from fuseboard_storage.board.board import Board, Entry
from fuseboard_storage.board.rows import MAX_STEP_TEXT

SECOND = 1_000_000


def step(
    text: str, position: float, *, scenario: str = "show", at: int | None = None, ends: bool = False
) -> ScenarioStep:
    when = round(position * SECOND) if at is None else at
    return ScenarioStep(at=when, scenario=scenario, text=text, position=position, duration=60.0, ends=ends)


def shown(*events: Event) -> list[str]:
    board, texts = Board(), []
    for seq, event in enumerate(events, 1):
        board.apply(Entry(seq, 1, event))
        texts.append(board.scenario.text if board.scenario is not None else "")
    return texts


def test_captions_of_one_moment_are_shown_together() -> None:
    texts = shown(step("Prefect is down.", 5), step("agno: slow", 5.001), step("Watch", 5.002), step("Healed", 9))
    assert texts == [
        "Prefect is down.",
        "Prefect is down. agno: slow",
        "Prefect is down. agno: slow; Watch",
        "Healed",
    ]


def test_the_newest_of_them_says_what_comes_next() -> None:
    board = Board()
    newest = ScenarioStep(at=5, scenario="show", text="b", position=5.0, duration=60.0, next_text="c", next_in=3.0)
    board.apply(Entry(1, 1, step("a", 5)))
    board.apply(Entry(2, 1, newest))
    assert board.scenario is not None
    assert (board.scenario.text, board.scenario.next_text, board.scenario.next_in) == ("a; b", "c", 3.0)


@pytest.mark.parametrize(
    "second",
    [step("b", 5.2), step("b", 5, scenario="other"), step("b", 5, ends=True)],
    ids=["later", "another scenario", "the end"],
)
def test_others_replace_the_caption(second: ScenarioStep) -> None:
    assert shown(step("a", 5), second)[-1] == "b"


def test_the_same_caption_is_shown_once_and_many_are_cut() -> None:
    assert shown(step("a b", 5), step("a b", 5))[-1] == "a b"
    many = shown(*(step(f"caption {number}", 5) for number in range(1_000)))
    assert len(many[-1]) == MAX_STEP_TEXT


def test_steps_of_an_older_recording_go_by_their_time() -> None:
    older = [ScenarioStep(at=at, scenario="show", text=text) for at, text in ((0, "a"), (10_000, "b"), (SECOND, "c"))]
    assert shown(*older) == ["a", "a; b", "c"]


def test_a_played_scenario_shows_both_captions_of_a_moment() -> None:
    scenario = parse(
        """
scenario: mine
title: Two at once
duration: 10
adapters: {gpt: {}, claude: {}}
preference: {default: [gpt, claude]}
traffic: [{per_second: 5}]
timeline:
  - {at: 4, say: Both fail., adapter: gpt, fault: refused}
  - {at: 4, adapter: claude, fault: refused}
expect: {}
""",
        Scenario,
        "mine.yaml",
    )
    events: list[Event] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        await Player(scenario, wall=loop.wall, on_event=events.append).play()

    run(main())
    assert "Both fail. claude: refused" in shown(*(event for event in events if isinstance(event, ScenarioStep)))

"""Which adapters a filter shows, and in which order a column puts them."""

from __future__ import annotations

import pytest

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.model import on_page, steering_first
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.columns import COLUMNS
from fuseboard_console.views.frame.help import help_lines
from fuseboard_console.views.selection.filter import parse
from fuseboard_console.views.selection.ordering import order_of
from fuseboard_console.views.selection.sorting import Sort
from fuseboard_engine.events import AdapterAdded
from support.console_story import STORY_ENDS, at, fold, started, story

BOARD = fold(story(), alive=STORY_ENDS)


def shown(text: str) -> list[str]:
    return [key.adapter for key in order_of(BOARD, at(STORY_ENDS), Sort("name"), parse(text)).keys]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:open", ["eu-search", "prefect", "rerank"]),
        ("state:ready", ["rerank"]),
        ("state:held_open", ["billing"]),
        ("state:prob", ["agno"]),
        ("search", ["eu-search", "us-search"]),
        ("name:*-search !eu", ["us-search"]),
        ("!rerank state:open", ["eu-search", "prefect"]),
        ("SEARCH state:open", ["eu-search"]),
        ("name:search*", []),
        ("engine:checkout state:disabled", ["ocr"]),
        ("engine:billing", []),
        ("!state:closed !search !state:held !state:open", ["agno", "mail", "ocr"]),
    ],
)
def test_a_filter_shows_adapters_that_match_all_its_terms(text: str, expected: list[str]) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "state:", "!", "!tag:"])
def test_a_filter_still_being_typed_hides_nothing(text: str) -> None:
    assert len(shown(text)) == 12


def test_tags_are_filtered_by() -> None:
    board = fold([started(), *(AdapterAdded(at=at(0), adapter=n, policy={}, tags=(f"tag-{n}", "x")) for n in "ab")])
    assert [key.adapter for key in order_of(board, at(1), terms=parse("tag:x tag:tag-b")).keys] == ["b"]


def test_a_name_with_a_colon_is_found_by_it() -> None:
    board = fold([started(), *(AdapterAdded(at=at(0), adapter=n, policy={}) for n in ("eu:gpt", "us:gpt"))])
    assert [key.adapter for key in order_of(board, at(1), terms=parse("eu:gpt")).keys] == ["eu:gpt"]


@pytest.mark.parametrize("column", [column.id for column in COLUMNS])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_column_sorts_and_loses_no_adapter(column: str, reverse: bool) -> None:
    order = order_of(BOARD, at(STORY_ENDS), Sort(column, reverse))
    assert sorted(order.keys) == sorted(BOARD.adapters)


def test_counts_are_of_all_adapters_whatever_the_filter_shows() -> None:
    assert sum(order_of(BOARD, at(STORY_ENDS), terms=parse("prefect")).counts.values()) == 12


def test_while_a_scenario_plays_its_actions_take_their_keys_from_the_others() -> None:
    by_id = {action.id: action for action in steering_first(on_page(ACTIONS, "overview"))}
    assert (by_id["next_step"].keys, by_id["next_problem"].keys) == (("n",), ())
    assert not by_id["next_problem"].footer
    assert by_id["reset"].keys == ("r",)
    shown = [text_of(line) for line in help_lines(tuple(by_id.values()), UNICODE, 100)]
    assert [line.split()[0] for line in shown if line.startswith("  n  ")] == ["n"]

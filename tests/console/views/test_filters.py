"""The live filters: how typed text becomes terms, what they match, and what is said about mistakes."""

from __future__ import annotations

import pytest

from fuseboard_console.views.selection.filter import Term, Word, matcher, parse, problem_of, words_of
from fuseboard_console.views.selection.list_filter import field_filter, list_filter, unknown_field
from fuseboard_console.views.selection.ordering import order_of
from fuseboard_engine.events import EngineStopped
from support.console_story import added, at, changed, fold, opened, started

FIELDS = ("outcome", "type")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("gpt", [Term("name", "gpt", False)]),
        ("!GPT", [Term("name", "gpt", True)]),
        ("name:gpt* !tag:EU", [Term("name", "gpt*", False), Term("tag", "eu", True)]),
        ("engine:web", [Term("instance", "web", False)]),
        ('error:"timed out" x', [Term("error", "timed out", False), Term("name", "x", False)]),
        ('error:"still open', [Term("error", "still open", False)]),
        ("eu:gpt", [Term("name", "eu:gpt", False, "eu")]),
        ("state:a:b", [Term("state", "a:b", False)]),
        (":x", [Term("name", ":x", False)]),
        ("state:", []),
        ("!", []),
        ('""', []),
    ],
)
def test_a_filter_is_parsed_into_terms(text: str, terms: list[Term]) -> None:
    assert list(parse(text)) == terms


def test_a_word_has_a_field_only_if_the_list_has_it() -> None:
    assert list(words_of("outcome:ok state:open", FIELDS)) == [
        Word("outcome", "ok", False),
        Word("", "state:open", False, "state"),
    ]


@pytest.mark.parametrize(
    ("pattern", "start", "matching", "other"),
    [
        ("pe", False, ["open", "pe"], ["", "p"]),
        ("op", True, ["open", "op"], ["stop", ""]),
        ("o*n", False, ["on", "open"], ["open!", "!open"]),
        ("o*n", True, ["open"], ["opened"]),
        ("op?n", False, ["open"], ["opn", "oppen"]),
        ("[ab]*", False, ["[ab]", "[ab]c"], ["a", "b"]),
        ("*\n*", False, ["a\nb"], ["ab"]),
    ],
)
def test_a_pattern_with_a_wildcard_matches_the_whole_text(
    pattern: str, start: bool, matching: list[str], other: list[str]
) -> None:
    matches = matcher(pattern, start=start)
    assert all(map(matches, matching))
    assert not any(map(matches, other))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("statt:open", "There is no field statt. Did you mean state?"),
        ("name:x statt:open", "There is no field statt. Did you mean state?"),
        ("eu:GPT", ""),
        ("state:killed", ""),
        ("state:k*", ""),
        ("state:HALF_OPEN", ""),
        ("state:pen", "There is no state pen. Did you mean open?"),
        ("name:zzz", ""),
    ],
)
def test_a_mistake_in_a_filter_is_described(text: str, says: str) -> None:
    assert problem_of(parse(text), lambda: ["EU:gpt-4"]) == says


def test_names_are_only_read_when_a_field_is_unknown() -> None:
    def names() -> list[str]:
        raise AssertionError

    assert problem_of(parse("name:a state:open b"), names) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:watch", ["watch"]),
        ("state:metrics", ["watch"]),
        ("state:forced", ["held"]),
        ("state:held", ["held"]),
        ("state:open", ["open"]),  # one that is held open starts with another word
        ("state:silent", []),
    ],
)
def test_a_state_is_found_by_its_word_and_by_the_engines_name_of_it(text: str, expected: list[str]) -> None:
    board = fold(
        [
            started(), *map(added, ("held", "open", "watch")), opened("open", 1, wait=60),
            changed("held", "forced_open", 1), changed("watch", "metrics_only", 1),
        ],
        alive=2,
    )  # fmt: skip
    shown = [key.adapter for key in order_of(board, at(2), terms=parse(text)).keys]
    assert sorted(shown) == expected


@pytest.mark.parametrize(("gone", "word", "other"), [(True, "killed", "xilent"), (False, "silent", "killed")])
def test_adapters_of_a_lost_engine_are_found_by_its_word_and_by_their_last_state(
    gone: bool, word: str, other: str
) -> None:
    board = fold([started(), added("a"), opened("a", 1)], alive=2)
    board.instances[1].gone = gone
    for text, found in ((word, 1), ("open", 1), (other, 0), ("ended", 0)):
        assert len(order_of(board, at(60), terms=parse(f"state:{text}")).keys) == found, text


def test_adapters_of_an_ended_engine_are_found_as_ended() -> None:
    board = fold([started(), added("a"), EngineStopped(at=at(2))], alive=2)
    assert len(order_of(board, at(60), terms=parse("state:ended")).keys) == 1
    assert len(order_of(board, at(60), terms=parse("state:killed")).keys) == 0


# ---------------------------------------------------------------- the filter of a page's list


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("outcome:fail", True),
        ("outcome:chat", False),
        ("!outcome:chat", True),
        ("!outcome:fail", False),
        ("chat", True),
        ("!chat", False),
        ("!nothing", True),
        ("chat failed", True),
        ("chat nothing", False),
        ("other:word", True),  # no field, so it is looked for as typed
        ("OUTCOME:FAIL", True),
    ],
)
def test_all_words_of_a_filter_must_fit(text: str, fits: bool) -> None:
    row = {"outcome": "Failed", "type": "chat", "": "other:word"}
    test = list_filter(text, FIELDS)
    assert test is not None
    assert test(row) is fits


@pytest.mark.parametrize("text", ["", "  ", "outcome:", "!"])
def test_a_filter_without_effect_is_none(text: str) -> None:
    assert list_filter(text, FIELDS) is None


@pytest.mark.parametrize("text", ["chat", "two words", "a*b", "what?", 'with "quotes"', "x:y"])
def test_a_filter_made_for_a_text_finds_it_and_nothing_else(text: str) -> None:
    made = field_filter("type", text)
    test = list_filter(made, FIELDS)
    assert test is not None
    assert test({"outcome": "", "type": f"before {text} after"})
    assert not test({"outcome": text, "type": "something else"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("outcome:x", ""),
        ("x", ""),
        ("outcom:x", "There is no field outcom. Did you mean outcome?"),
        ("x zzz:x", "There is no field zzz. There are outcome, type."),
    ],
)
def test_an_unknown_field_of_a_list_is_described(text: str, says: str) -> None:
    assert unknown_field(text, FIELDS) == says


def test_a_hostile_field_is_made_safe() -> None:
    said = unknown_field("\x1b[31m" + "z" * 99 + ":x", FIELDS)
    assert "\x1b" not in said and len(said) < 90

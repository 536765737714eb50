"""Keys by action: their syntax and their effect."""

from __future__ import annotations

import pytest
from textual.keys import _character_to_key

from fuseboard_console.actions.catalogue import ACTIONS
from fuseboard_console.actions.key_names import character_of, parse_key, shown_key
from fuseboard_console.actions.keymap import key_conflicts, with_keys
from fuseboard_console.actions.model import Action, key_for


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("r", "r"),
        ("R", "R"),
        ("shift+r", "R"),
        ("?", "question_mark"),
        ("question_mark", "question_mark"),
        ("/", "slash"),
        ("+", "plus"),
        ("ctrl++", "ctrl+plus"),
        (" ", "space"),
        ("Esc", "escape"),
        ("PgDn", "pagedown"),
        ("Ctrl+R", "ctrl+r"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("F12", "f12"),
        ("é", "é"),
    ],
)
def test_a_key_is_accepted_in_common_spellings(text: str, key: str) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "unknown key ''"),
        ("enterr", "did you mean enter?"),
        ("f25", "unknown key 'f25'"),
        ("hyper+r", "unknown modifier 'hyper'; write one of alt, ctrl, shift"),
        ("ctrl+i", "terminals send ctrl+i as tab"),
        ("ctrl+[", "as escape"),
        ("ctrl+c", "it always quits"),
        ("ctrl+p", "it opens the palette"),
        ("\x1b", "unknown key"),
    ],
)
def test_an_invalid_key_is_refused_with_a_reason(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"unknown key|unknown modifier|terminals send|is reserved") as caught:
        parse_key(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("sign", "!\"#$%&'()*,-./:;<=>?@[\\]^_`{|}~+")
def test_punctuation_keys_have_the_names_that_the_screen_shows(sign: str) -> None:
    assert parse_key(sign) == _character_to_key(sign)
    assert character_of(parse_key(sign)) == shown_key(parse_key(sign)) == sign


@pytest.mark.parametrize("key", sorted({key for action in ACTIONS for key in action.keys}))
def test_every_key_of_every_action_can_be_written(key: str) -> None:
    assert parse_key(shown_key(key)) == key


def test_the_keys_of_the_named_actions_are_changed_and_no_others() -> None:
    keys = {"reset": ("ctrl+r",), "quit": ("q", "x")}
    changed = {action.id: action.keys for action in with_keys(ACTIONS, keys)}
    assert changed == {action.id: action.keys for action in ACTIONS} | keys


def test_an_action_without_a_key_leaves_the_footer() -> None:
    (sort,) = [action for action in with_keys(ACTIONS, {"sort": ()}) if action.id == "sort"]
    assert sort.keys == ()
    assert not sort.footer


def test_the_default_keys_do_not_conflict() -> None:
    assert key_conflicts(ACTIONS, {action.id: action.keys for action in ACTIONS}) == []


def test_two_actions_may_swap_keys() -> None:
    assert key_conflicts(ACTIONS, {"reset": ("o",), "force_open": ("r",)}) == []


def test_one_key_may_have_different_actions_on_different_pages() -> None:
    actions = [Action("a", ("a",), "", "", pages=("one",)), Action("b", ("b",), "", "", pages=("two",))]
    assert key_conflicts(actions, {"a": ("b",)}) == []
    anywhere = [actions[0], Action("b", ("b",), "", "")]
    assert [action for action, _ in key_conflicts(anywhere, {"a": ("b",)})] == ["a"]


def test_a_dangerous_actions_key_is_never_reassigned_without_an_error() -> None:
    for action in ACTIONS:
        if action.dangerous:
            assert key_conflicts(ACTIONS, {"theme": action.keys})


def test_a_sentence_names_the_configured_key() -> None:
    assert key_for(ACTIONS, "live") == "L"
    assert key_for(with_keys(ACTIONS, {"live": ("f5", "l")}), "live") == "f5"
    assert key_for(with_keys(ACTIONS, {"live": ()}), "live") == "ctrl+p “live”"

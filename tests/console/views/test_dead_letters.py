"""Dead letters as lines and as sentences: values in, values out."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseboard_console.operator.bulk_prompts import Outcome
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.json_lines import MAX_LINES, json_lines
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.text.list_columns import shown_columns, titles_line
from fuseboard_console.views.dead_letters.prompts import (
    batch_dead_letter_prompt,
    discard_prompt,
    done_text,
    refusal,
    refused_text,
)
from fuseboard_console.views.dead_letters.table import (
    CHOICES,
    columns_of,
    dead_letter_line,
    dead_letter_lines,
    empty_list_text,
    sign_of,
    status_choice_word,
)
from fuseboard_console.views.dead_letters.text import dead_letter_text
from fuseboard_console.views.events.dead_letter_labels import next_retry, status_at
from fuseboard_engine.dead_letters.letter import STATUSES, DeadLetter
from fuseboard_engine.events import DeadLetterChanged, DeadLettered
from fuseboard_storage.board.board import Entry
from support.console_story import NOON, SECOND
from support.hostile_texts import HOSTILE


def letter(id: int = 12, **fields: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "id": id,
            "engine": "checkout",
            "task": f"t{id}",
            "task_type": "order",
            "form": "payload",
            "payload": '{"n": 1}',
            "category": "network",
            "created_at": NOON - 60 * SECOND,
            "changed_at": NOON - 60 * SECOND,
            "due_at": None,
            "error_type": "ConnectionError",
            "error": "refused",
            "adapter": "prefect",
            "attempts": 2,
            "max_retries": 3,
            **fields,
        }
    )


def test_the_next_retry_is_described_briefly() -> None:
    assert next_retry(letter(due_at=NOON + 4 * SECOND), NOON) == "in 4 s"
    assert next_retry(letter(due_at=NOON), NOON) == "due"
    assert next_retry(letter(due_at=None), NOON) == "by hand"
    assert next_retry(letter(status="exhausted"), NOON) == "by hand"
    assert next_retry(letter(status="retrying", lease_until=NOON + 1), NOON) == "now"
    assert next_retry(letter(status="archived", due_at=NOON), NOON) == ""


def test_a_letter_whose_lease_expired_is_shown_as_pending_even_if_not_recorded() -> None:
    taken = letter(status="retrying", lease_until=NOON, due_at=NOON - 5)
    assert status_at(taken, NOON - 1) == "retrying"
    assert status_at(taken, NOON) == "pending"
    assert next_retry(taken, NOON) == "due"


def test_every_status_has_a_sign_of_its_own() -> None:
    for glyphs in (UNICODE, ASCII):
        assert len({sign_of(status, glyphs) for status in STATUSES}) == len(STATUSES)


def test_the_status_filter_starts_with_letters_that_need_attention_and_ends_with_all() -> None:
    assert [status_choice_word(choice) for choice in CHOICES] == ["unfinished", *STATUSES, "all"]
    assert all(empty_list_text(choice, "f") for choice in CHOICES)
    assert empty_list_text(("archived",), "f") == "No dead letter is archived; f shows others."


def test_an_empty_list_says_that_tasks_were_lost() -> None:
    for choice in (CHOICES[0], CHOICES[-1]):
        assert "2 tasks of the last two minutes had no answer and were not kept." in empty_list_text(choice, "f", 2)
        assert "1 task of the last two minutes had no answer and was not kept." in empty_list_text(choice, "f", 1)
        assert "dead letter policy" in empty_list_text(choice, "f", 1)


def test_a_narrow_line_keeps_number_status_next_retry_and_error() -> None:
    columns = columns_of([letter()])
    said = text_of(dead_letter_line(letter(due_at=NOON), NOON, columns, 40, UNICODE))
    assert said.split() == ["12", "◔", "PENDING", "due", "Connection:", "re…"]
    titles = [[column.title for column in shown_columns(columns, cells)] for cells in (30, 60, 80, 120, 160)]
    assert titles[0] == ["id", "status", "next"]
    assert titles[-1] == ["id", "status", "type", "category", "retries", "age", "next", "adapter"]
    assert all(set(few) <= set(more) for few, more in pairwise(titles))


def test_titles_and_rows_stand_in_the_same_columns() -> None:
    columns = columns_of([letter(), letter(id=1_234_567, task_type="a long type of task")])
    for cells in (44, 60, 80, 100, 130, 200):
        title = text_of(titles_line(columns, "error", cells))
        row = text_of(dead_letter_line(letter(due_at=NOON), NOON, columns, cells, UNICODE))
        assert title.index("next") == row.index("due ")
        assert title.index("error") == row.index("Connection")


def test_one_dead_letter_is_shown_with_its_context_payload_and_history() -> None:
    told = letter(
        status="retrying",
        retries=1,
        deferrals=2,
        lease_until=NOON + SECOND,
        order=("prefect", "agno"),
        rule="connection",
        context={"user": "ana", "trace": "4bf9"},
        deadline=2.5,
        changed_at=NOON,
        actor="bo@web-1",
        detail="retry 2",
    )
    history = [
        Entry(1, 1, DeadLettered(at=NOON - 60 * SECOND, letter=12, task="t12", task_type="order", category="network")),
        Entry(2, 1, DeadLetterChanged(at=NOON, letters=(12,), before="pending", status="retrying", actor="bo@web-1")),
    ]
    said = "\n".join(text_of(line) for line in dead_letter_lines(told, history, NOON, 110, UNICODE))
    for text in ("RETRYING", "next retry now", "ConnectionError: refused", "network (attribution row connection)",
                 "1 of 3 failed; deferred 2 times", "prefect → agno", "user: ana", "trace: 4bf9", "60 s ago",
                 "by bo@web-1: retry 2", "2.5 s for a retry", "its worker has it until", '"n": 1', "came",
                 "retrying    by bo@web-1"):  # fmt: skip
        assert text in said


def test_a_history_that_is_being_read_or_was_not_kept_is_reported() -> None:
    for history, text in ((None, "Reading…"), ([], "Its events are no longer kept.")):
        assert text in "\n".join(text_of(line) for line in dead_letter_lines(letter(), history, NOON, 80, UNICODE))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_hostile_texts_do_not_break_the_layout_of_list_and_detail(text: str, glyphs: Glyphs) -> None:
    hostile = letter(
        task=text, task_type=text, error=text, error_type=text, adapter=text, engine=text, order=(text, text),
        context={text: text}, rule=text, actor=text, detail=text, changed_at=NOON, payload=json.dumps({text: [text]}),
    )  # fmt: skip
    change = DeadLetterChanged(at=NOON, letters=(12,), before="x", status="pending", actor=text, detail=text)
    for cells in (1, 30, 80, 200):
        line = dead_letter_line(hostile, NOON, columns_of([hostile]), cells, glyphs)
        assert line_width(line) <= cells
        for line in dead_letter_lines(hostile, [Entry(1, 1, change)], NOON, cells, glyphs):
            assert not set("\x1b\x9b\n\r\t\u202e") & set(text_of(line))
            assert line_width(line) <= max(cells, 60)


# -------------------------------------------------------------------- payloads


def test_a_payload_is_indented_and_folded() -> None:
    lines = [text_of(line) for line in json_lines('{"items":[{"sku":"A1"}],"note":"one two three four"}', 24)]
    assert lines[:5] == ["{", '  "items": [', "    {", '      "sku": "A1"', "    }"]
    assert lines[6:8] == ['  "note": "one two three', '  four"']


def test_a_payload_that_is_not_json_is_shown_unchanged() -> None:
    assert [text_of(line) for line in json_lines("not [json\nat all", 40)] == ["not [json", "at all"]
    assert json_lines("[" * 100_000, 40)


def test_a_huge_payload_is_cut_and_the_rest_counted() -> None:
    lines = json_lines(json.dumps(list(range(MAX_LINES + 500))), 40)
    assert len(lines) == MAX_LINES + 1
    assert text_of(lines[-1]) == "and 502 more lines"


@given(text=st.text(max_size=300) | st.recursive(st.text(max_size=20), st.lists, max_leaves=20).map(json.dumps),
       cells=st.integers(2, 120))  # fmt: skip
def test_no_payload_is_wider_than_its_cells(text: str, cells: int) -> None:
    assert all(line_width(line) <= cells for line in json_lines(text, cells))


# -------------------------------------------------------------------- sentences


def test_the_prompt_for_several_names_ids_types_and_those_that_do_not_allow_it() -> None:
    meant = [letter(id) for id in range(30, 19, -1)]
    others = [letter(5, status="archived"), letter(6, status="retrying", lease_until=NOON + SECOND)]
    asked = batch_dead_letter_prompt("archive", meant, others, NOON)
    assert (asked.title, asked.word, asked.yes) == ("Archive 11 dead letters?", "order", "Archive 11")
    assert "30, 29, 28, 27, 26, 25, 24, 23 and 3 more" in asked.text
    assert "Not 5: archived; 6: being retried (its lease runs until 14:00:01)." in asked.text
    mixed = batch_dead_letter_prompt("discard", [*meant, letter(1, task_type="")], [], NOON)
    assert mixed.word == "12"
    assert "order 11, no type 1" in mixed.text
    kinds = [letter(n, task_type=f"type {n}") for n in range(9)]
    assert "5 more types" in batch_dead_letter_prompt("retry", kinds, [], NOON).text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_type_is_neither_requested_for_typing_nor_interpreted(text: str) -> None:
    asked = batch_dead_letter_prompt("discard", [letter(1, task_type=text), letter(2, task_type=text)], [], NOON)
    assert asked.word.isprintable()
    assert asked.word.isascii()
    assert "\x1b" not in asked.text
    assert "\x1b" not in discard_prompt(letter(task_type=text, task=text, error=text)).text


def test_an_action_that_is_not_allowed_is_refused_with_the_reason() -> None:
    assert refused_text("archive", [letter(status="archived")], NOON) == (
        "Dead letter 12 is archived: it can't be archived."
    )
    assert refused_text("retry", [letter(status="archived")], NOON).endswith("retried; unarchive it first.")
    assert refused_text("retry", [letter(1, status="discarded"), letter(2, status="succeeded")], NOON) == (
        "None of them can be retried; 1: discarded; 2: succeeded."
    )


def test_an_outcome_is_one_sentence_with_the_key_that_undoes_it() -> None:
    good = [Outcome(str(id), True) for id in range(9)]
    assert done_text("archive", good[:1], "u") == "Dead letter 0 archived. u puts it back."
    assert done_text("archive", good, "u") == "9 dead letters archived. u puts them back."
    bad = Outcome("3", False, "no such adapter.")
    assert done_text("retry", [*good, bad]) == "9 of 10 retried; 3: no such adapter."
    assert done_text("retry", [bad]) == "0 of 1 retried; 3: no such adapter."
    assert done_text("retry", good[:2], in_progress=3) == "2 of 5 retried; 3 still in progress."
    assert done_text("archive", [refusal(letter(status="discarded"), NOON)], "u") == "0 of 1 archived; 12: discarded."


def test_a_shown_dead_letter_has_its_whole_error_and_says_what_is_left_out_of_a_payload() -> None:
    shown = dead_letter_text(letter(error="e" * 8_000, payload="p" * 12_000), NOON)
    assert "e" * 8_000 in shown
    assert shown.endswith("p… (12,000 characters; --json prints all)")

"""What followed operators' commands, as text in the audit and in notices."""

from __future__ import annotations

import pytest

from fuseboard_console.operator.audit import audit_entries
from fuseboard_console.operator.follow_up import (
    follow_up_text,
    follow_ups_text,
    followed_of,
    is_known,
    notice_text,
)
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import text_of
from fuseboard_console.views.adapters.engine_names import engine_names
from fuseboard_console.views.events.audit import audit_columns, audit_line, audit_lines
from fuseboard_engine.events import AdapterRemoved, CommandDone, Event, State
from fuseboard_storage.board.board import Board, Entry
from support.console_story import added, answered, at, attempt, changed, failed, opened, route, started

BEGIN: list[Event] = [started(), *(added(name) for name in ("claude", "gpt", "agno"))]


def told(verb: str, after: State, adapter: str = "claude", command: int = 1, detail: str = "") -> list[Event]:
    reason = "reset" if verb.startswith("reset") else "by_hand"
    return [
        changed(adapter, after, 5, reason=reason, actor="ana"),
        CommandDone(at=at(5), command=command, verb=verb, adapter=adapter, actor="ana", ok=True, detail=detail),
    ]


def board_of(*events: Event) -> Board:
    board = Board()
    for seq, event in enumerate([*BEGIN, *events], 1):
        board.apply(Entry(seq, 1, event))
    return board


RESET = told("reset", "closed")
GOOD = [answered("claude", 6 + n) for n in range(5)]
REFUSED = route(6, attempt("claude", "rejected", 0), success=False)


@pytest.mark.parametrize(
    ("events", "text", "notice"),
    [
        (RESET, "no call since then", "claude: reset; no call since then."),
        ([*RESET, *GOOD], "5 of 5 calls since then succeeded", "claude: reset; 5 of 5 calls since then succeeded."),
        ([*RESET, GOOD[0]], "1 of 1 call since then succeeded", "claude: reset; 1 of 1 call since then succeeded."),
        (
            [*RESET, opened("claude", 6), failed("claude", 6.001, "", error_type="ConnectionRefused")],
            "opened again after 1 s: ConnectionRefused",
            "claude opened again after 1 s: ConnectionRefused.",
        ),
        (
            [*RESET, opened("claude", 5.2)],
            "opened again after 200 ms: 5 failures in a row",
            "claude opened again after 200 ms: 5 failures in a row.",
        ),
        (
            [*told("force_open", "forced_open"), REFUSED, REFUSED],
            "2 calls refused since then",
            "claude: held open; 2 calls refused since then.",
        ),
        (
            [*told("force_open", "forced_open"), REFUSED, changed("claude", "closed", 9, reason="reset", actor="ben")],
            "reset by ben after 4 s; 1 call refused until then",
            "claude: held open; reset by ben after 4 s; 1 call refused until then.",
        ),
        (
            [
                *told("half_open", "half_open"),
                changed("claude", "closed", 8, reason="probes_succeeded", detail="3 good"),
            ],
            "closed after 3 s: 3 good",
            "claude closed after 3 s: 3 good.",
        ),
        (
            [*told("disable", "disabled"), *GOOD, changed("claude", "closed", 65, reason="by_hand", actor="ben")],
            "enabled by ben after 60 s; 5 of 5 calls until then succeeded",
            "claude: disabled; enabled by ben after 60 s; 5 of 5 calls until then succeeded.",
        ),
        (
            [*RESET, AdapterRemoved(at=at(8), adapter="claude")],
            "its engine ended or it was removed after 3 s; no call until then",
            "claude: reset; its engine ended or it was removed after 3 s; no call until then.",
        ),
    ],
)
def test_it_says_what_followed(events: list[Event], text: str, notice: str) -> None:
    board = board_of(*events)
    (many,) = followed_of(board).values()
    assert follow_up_text(many[0]) == text
    assert notice_text(many, engine_names(board)) == notice


def test_a_second_command_of_the_same_kind_is_what_ended_the_first() -> None:
    again = CommandDone(
        at=at(7), command=2, verb="force_open", adapter="claude", actor="ben", ok=True, requested_at=at(7)
    )
    found = followed_of(board_of(*told("force_open", "forced_open"), REFUSED, again))
    (first,) = found[1, at(5)]
    assert follow_up_text(first) == "held open by ben after 2 s; 1 call refused until then"


def test_five_calls_or_a_change_are_enough_to_know() -> None:
    for events, known in (([*RESET, *GOOD[:4]], False), ([*RESET, *GOOD], True), ([*RESET, opened("claude", 6)], True)):
        (many,) = followed_of(board_of(*events)).values()
        assert is_known(many) is known


def test_many_breakers_are_summed_up() -> None:
    names = ("claude", "gpt", "agno")
    resets = [changed(name, "closed", 5, reason="reset", actor="ana") for name in names]
    command = CommandDone(at=at(5), command=1, verb="reset_all", actor="ana", ok=True, detail="claude, gpt, agno reset")
    calls = [answered("claude", 6), answered("gpt", 6)]
    board = board_of(*resets, command, *calls)
    (many,) = followed_of(board).values()
    assert follow_ups_text(many, engine_names(board)) == "2 of 2 calls since then succeeded"
    assert notice_text(many, engine_names(board)) == "3 breakers reset: 2 of 2 calls since then succeeded."
    board = board_of(*resets, command, *calls, opened("gpt", 7))
    (many,) = followed_of(board).values()
    assert notice_text(many, engine_names(board)) == "3 breakers reset: 1 of 3 opened again: gpt."


def test_the_audit_says_what_followed() -> None:
    board = board_of(*told("reset", "closed", detail="claude went from open to closed"), *GOOD)
    (entry,) = audit_entries(board.actions).values()
    (many,) = followed_of(board).values()
    line = audit_line(entry, audit_columns([entry]), 120, UNICODE, followed=follow_up_text(many[0]))
    assert "5 of 5 calls since then succeeded (claude went from open to closed)" in text_of(line)
    lines = audit_lines(entry, 80, followed=[("claude", follow_up_text(many[0]))])
    assert "then        5 of 5 calls since then succeeded" in "\n".join(map(text_of, lines))


def test_an_audit_line_names_its_engine_without_the_mailbox() -> None:
    board = board_of(*RESET)
    for seq, event in enumerate([started(), added("claude")], 100):
        board.apply(Entry(seq, 2, event))
    (entry,) = audit_entries(board.actions).values()
    assert entry.instance == 1


def test_hostile_texts_are_safe() -> None:
    events = [*RESET, opened("claude", 6), failed("claude", 6.001, "a\x1b[2Jb\n\u202ec")]
    (many,) = followed_of(board_of(*events)).values()
    assert "\x1b" not in follow_up_text(many[0]) and "\n" not in follow_up_text(many[0])


def test_the_audit_says_what_was_selected_and_the_last_outcome_of_a_command_that_took_long() -> None:
    told = {"command": 7, "verb": "dlq_retry", "actor": "ana", "ok": True, "what": "12, 14 and 3 more", "target": 1}
    first = CommandDone(at=at(5), detail="the retry continues", **told)
    last = CommandDone(at=at(9), detail="the retry ended: 5 dead letters retried: 5 succeeded", **told)
    (entry,) = audit_entries([last, first]).values()
    line = text_of(audit_line(entry, audit_columns([entry]), 120, UNICODE))
    assert "retry dead letters 12, 14 and 3 m" in line
    assert "the retry ended" in line
    assert "selected    12, 14 and 3 more" in "\n".join(text_of(one) for one in audit_lines(entry, 80))

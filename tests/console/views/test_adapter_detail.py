"""The detail of an adapter: its policy in words, its last two minutes, and what may be done."""

from __future__ import annotations

from typing import ClassVar

import pytest

from fuseboard_console.actions.catalogue import actions_for
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.views.adapters.chain_positions import chain_lines
from fuseboard_console.views.detail.adapter_detail import detail_lines
from fuseboard_console.views.events.copy_text import adapter_copy
from fuseboard_engine import BreakerPolicy
from fuseboard_engine.event_log.policy_text import policy_text
from fuseboard_engine.events import AdapterAdded, CallOverdue, HealthChecked, OverdueCallEnded
from fuseboard_storage.board.board import AdapterKey, Board
from support.console_story import STORY_ENDS, added, at, changed, failed, fold, opened, started, story
from support.hostile_texts import HOSTILE

ACTIONS = tuple(action for action in actions_for(False) if action.verb and action.needs_selection)


def detail(board: Board, adapter: str, seconds: float = STORY_ENDS, cells: int = 100) -> str:
    lines = detail_lines(board, AdapterKey(1, adapter), at(seconds), cells, ACTIONS, UNICODE)
    return "\n".join(text_of(line) for line in lines)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            BreakerPolicy(),
            "opens after 5 failures in a row; waits 1 s, 1.5 s, 2.25 s … 60 s; closes after 3 good probes",
        ),
        (
            BreakerPolicy(failure_threshold=None, failure_rate=0.5, window_seconds=30, recovery_timeout=60),
            "opens when 50.0 % of 10 calls or more fail within 30 s; waits 60 s each time; closes after 3 good probes",
        ),
        (
            BreakerPolicy(
                failure_threshold=1, window_size=20, slow_call_rate=1, slow_call_seconds=2, backoff_multiplier=1,
                half_open_calls=5,
            ),
            "opens after 1 failure within 20 calls or when 100 % of 10 calls or more take longer than 2 s"
            " within 20 calls; waits 1 s each time; closes after 3 good of 5 probes",
        ),
        (
            BreakerPolicy(failure_threshold=None, success_threshold=1),
            "never opens by itself; waits 1 s, 1.5 s, 2.25 s … 60 s; closes after 1 good probe",
        ),
    ],
)  # fmt: skip
def test_a_policy_is_described_in_words(policy: BreakerPolicy, words: str) -> None:
    assert policy_text(policy.model_dump()) == words


def test_a_state_that_an_operator_set_names_the_operator() -> None:
    board = fold([started(), added("gpt"), changed("gpt", "open", 5, detail="opened by hand", actor="ana@web-1")])
    assert "because     opened by hand (ana@web-1)" in detail(board, "gpt", 10)


def test_an_unrecorded_policy_has_no_text() -> None:
    assert policy_text({}) == ""


def test_the_detail_counts_overdue_calls_until_they_end_and_in_all() -> None:
    overdue = [started(), added("gpt"), CallOverdue(at=at(1), adapter="gpt", overdue=1, total=1)]
    assert "overdue" not in detail(fold(overdue[:2], alive=2), "gpt", 2)
    said = "in all went on for more than a second after their time limit"
    assert f"1 call now, 1 {said}" in detail(fold(overdue, alive=2), "gpt", 2)
    ended = OverdueCallEnded(at=at(2), adapter="gpt", seconds=1.5, overdue=0, total=0)
    assert f"0 calls now, 1 {said}" in detail(fold([*overdue, ended], alive=2), "gpt", 2)


def test_the_detail_tells_state_reason_chain_failures_and_actions() -> None:
    shown = detail(fold(story(), alive=STORY_ENDS), "prefect")
    for text in (
        "✖ OPEN, down since",
        "(66 s, 2nd try); last change 2 s ago",
        "4.1 s",
        "5 failures in a row",
        "prefect → agno",
        "×42",
        "42 failed",
        "Hold the",
    ):
        assert text in shown


def test_the_strip_shows_past_states_from_left_to_right() -> None:
    board = fold([started(), added("gpt"), opened("gpt", 60), changed("gpt", "closed", 100, before="open")], alive=120)
    strip = next(line for line in detail(board, "gpt", 120, cells=81).splitlines() if line.startswith("states"))
    assert strip.split()[1] == "●" * 30 + "✖" * 20 + "●" * 10


def test_a_removed_adapter_is_reported_as_gone() -> None:
    assert detail(fold([started()]), "gpt") == "This adapter is gone."


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cells", [20, 78])
def test_hostile_text_is_shown_but_not_interpreted(text: str, cells: int) -> None:
    odd = AdapterAdded(at=at(0), adapter=text, policy={"failure_threshold": 5})
    board = fold([started(), odd, failed(text, 5, text, error_type=text), opened(text, 6)], alive=7)
    assert all(line.isprintable() for line in detail(board, text, 7, cells).splitlines())


class TestChains:
    CHAINS: ClassVar = {(1, ""): ("gpt", "agno"), (1, "rag"): ("agno", "gpt"), (2, ""): ("gpt", "other")}

    def test_the_only_chain_of_an_engine_needs_no_name(self) -> None:
        assert [text_of(line) for line in chain_lines(self.CHAINS, 2, 80, "→")] == ["chain       gpt → other"]

    def test_beside_others_the_default_chain_is_called_so(self) -> None:
        shown = [text_of(line) for line in chain_lines(self.CHAINS, 1, 80, "→", "gpt")]
        assert shown == ["chain       default: gpt → agno", "chain       rag: agno → gpt"]
        assert chain_lines(self.CHAINS, 1, 80, "→", "unknown") == []

    def test_a_long_chain_is_folded(self) -> None:
        chains = {(1, ""): tuple(f"adapter-{number}" for number in range(20))}
        lines = chain_lines(chains, 1, 60, "→")
        assert len(lines) > 1
        assert max(line_width(line) for line in lines) <= 60


def test_the_reason_of_an_adapter_that_is_passed_over_is_its_health_check() -> None:
    closed = changed("gpt", "closed", 5, before="half_open", reason="probes_succeeded", detail="3 good probes")
    checked = HealthChecked(at=at(9), adapter="gpt", status="unhealthy", before="healthy", detail="no answer in 2 s")
    board = fold([started(), added("gpt"), closed, checked], alive=STORY_ENDS)
    text = detail(board, "gpt")
    assert "because     its health check fails: no answer in 2 s" in text
    assert "3 good probes" not in text
    assert "3 good probes" not in adapter_copy(board, AdapterKey(1, "gpt"), at(STORY_ENDS))

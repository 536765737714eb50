"""Runs of workflows as lines, and their graphs: values in, values out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.line import line_width, text_of
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.workflows.graph import Graph, graph_lines, layers, node_sign
from fuseboard_console.views.workflows.table import (
    Run,
    run_line,
    run_lines,
    run_of_row,
    run_of_saved,
    run_sign,
    runs_columns,
)
from fuseboard_console.views.workflows.text import GLYPHS
from fuseboard_engine.workflow.checkpoints import SavedNode, SavedRun
from fuseboard_storage.board.workflow_runs import NodeRow, WorkflowRow
from support.console_story import NOON, SECOND
from support.hostile_texts import HOSTILE

STATES = ("pending", "running", "done", "degraded", "failed", "skipped")
DIAMOND = (("fetch", "eu"), ("fetch", "us"), ("fetch", "ap"), ("eu", "merge"), ("us", "merge"), ("ap", "merge"))


def drawn(names: str, edges: str, cells: int = 80, glyphs: Glyphs = UNICODE) -> list[str]:
    """The lanes of a graph whose nodes are letters, each line cut before the node's state."""
    nodes = {name: NodeRow("done") for name in names}
    graph = Graph("w", nodes, tuple((edge[0], edge[1]) for edge in edges.split()))
    return [text_of(line).split("  DONE")[0].rstrip() for line in graph_lines(graph, NOON, cells, glyphs)]


def test_a_state_has_one_sign_on_the_screen_and_in_plain_text() -> None:
    assert {state: node_sign(state, UNICODE)[0] for state in GLYPHS} == GLYPHS  # type: ignore[arg-type]


def test_parallel_nodes_are_drawn_side_by_side() -> None:
    assert drawn("abcd", "ab ac bd cd") == [
        "✓    a",
        "├─╮",
        "✓ │  b",
        "│ ✓  c",
        "├─╯",
        "✓    d",
    ]


def test_sequential_nodes_are_drawn_in_one_lane_with_a_line_between() -> None:
    assert drawn("abc", "ab bc") == ["✓  a", "│", "✓  b", "│", "✓  c"]


def test_unrelated_nodes_are_not_connected() -> None:
    assert drawn("abc", "") == ["✓  a", "✓  b", "✓  c"]


def test_an_edge_that_skips_nodes_has_its_own_lane() -> None:
    assert drawn("abc", "ab bc ac") == ["✓    a", "├─╮", "✓ │  b", "├─╯", "✓    c"]


def test_a_lane_crossed_by_an_edge_is_unbroken() -> None:
    assert drawn("abcde", "ad cd be") == [
        "✓      a",
        "│ ✓    b",
        "│ │ ✓  c",
        "├─│─╯",
        "✓ │    d",
        "  ✓    e",
    ]


def test_ascii_glyphs_draw_the_same_graph() -> None:
    assert drawn("abcd", "ab ac bd cd", glyphs=ASCII) == ["+    a", "+-+", "+ |  b", "| +  c", "+-+", "+    d"]


def test_edges_to_the_same_node_share_lanes() -> None:
    sources, targets = "abcdefgh", "rstuvwxyz"
    lines = drawn(sources + targets, " ".join(s + t for s in sources for t in targets), 120)
    assert all(any(line.endswith(f" {name}") for line in lines) for name in sources + targets)
    assert max(map(len, lines)) < 2 * (len(sources) + len(targets)) + 4


def test_a_graph_too_wide_for_its_edges_becomes_an_indented_list() -> None:
    assert drawn("abcd", "ab ac bd cd", 24) == ["✓ a", "  ✓ b", "  ✓ c", "    ✓ d"]


def test_a_node_shows_its_state_adapter_attempts_and_error() -> None:
    nodes = {
        "fetch": NodeRow("done", NOON, "nightly.fetch", 1, 0.3),
        "eu": NodeRow("done", NOON, "nightly.eu_backup", 3, 1.2),
        "us": NodeRow("failed", NOON, "", 3, 9.0, "ConnectionError: refused"),
        "ap": NodeRow("running", NOON - 2 * SECOND),
        "merge": NodeRow(),
    }
    said = [text_of(line) for line in graph_lines(Graph("nightly", nodes, DIAMOND), NOON, 100, UNICODE)]
    by_name = {name: next(line for line in said if f" {name} " in line) for name in nodes}
    assert "DONE      300 ms" in by_name["fetch"]
    assert "by" not in by_name["fetch"]
    assert "by eu_backup  ×3 attempts" in by_name["eu"]
    assert all(text in by_name["us"] for text in ("✗", "FAILED", "9.0 s", "×3 attempts", "ConnectionError: refused"))
    assert "│ │ ◐  ap        RUNNING   2.0 s" in by_name["ap"]
    assert "· " in by_name["merge"]


def test_each_node_comes_after_its_predecessors() -> None:
    assert layers("abcd", [("d", "c"), ("c", "a"), ("b", "a")]) == {"b": 0, "d": 0, "c": 1, "a": 2}


def test_cycles_and_edges_of_unknown_nodes_are_drawn() -> None:
    assert layers("abc", [("a", "b"), ("b", "a"), ("c", "c"), ("c", "x")]) == {"c": 0, "a": 1, "b": 1}
    assert len(drawn("abc", "ab ba cc cx xc ac ac")) >= 3


names = st.text(max_size=12) | st.sampled_from(HOSTILE) | st.text(min_size=300, max_size=320)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph: most have no circle, some have, and some have edges of nodes that there are not."""
    made = draw(st.lists(names, min_size=0, max_size=40, unique=True))
    ends = st.sampled_from(made) if made else st.just("nobody")
    if draw(st.booleans()):
        pairs = draw(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=80))
        edges = [(made[a], made[b]) for a, b in pairs if a < b < len(made)]
    else:
        edges = draw(st.lists(st.tuples(ends | st.just("nobody"), ends), max_size=60))
    rows = {
        name: NodeRow(
            draw(st.sampled_from(STATES)),
            draw(st.sampled_from((0, NOON, 2**53))),
            draw(names),
            draw(st.sampled_from((0, 1, 7, 2**40))),
            draw(st.sampled_from((0.0, 0.02, 1e9))),
            draw(names),
        )
        for name in made
    }
    return Graph("w", rows, tuple(edges))


@settings(max_examples=150, deadline=None)
@given(graph=graphs(), cells=st.integers(0, 200), glyphs=st.sampled_from((UNICODE, ASCII)))
def test_any_graph_in_any_width_shows_every_node_once_and_fits(graph: Graph, cells: int, glyphs: Glyphs) -> None:
    lines = graph_lines(graph, NOON, cells, glyphs)
    assert all(line_width(line) <= cells for line in lines)
    assert not any(set("\x1b\n\r\u202e") & set(text_of(line)) for line in lines)
    wide = graph_lines(graph, NOON, 5_000, glyphs)
    words = [span.text.strip() for line in wide for span in line if span.text.strip() in map(str.upper, STATES)]
    assert len(words) == len(graph.nodes)
    shown = [span.text for line in wide for span in line]
    for name in graph.nodes:
        assert any(text.startswith(safe_text(name, 80)[:8]) for text in shown), name


def test_hundreds_of_nodes_are_drawn() -> None:
    nodes = {f"n{number}": NodeRow("done") for number in range(800)}
    chain = tuple((f"n{number}", f"n{number + 1}") for number in range(799))
    fan = tuple(("n0", f"n{number}") for number in range(1, 800))
    assert len(graph_lines(Graph("w", nodes, chain), NOON, 80, UNICODE)) == 1_599
    assert len(graph_lines(Graph("w", nodes, fan), NOON, 80, UNICODE)) == 800


# -------------------------------------------------------------------- runs


def run(state: str = "failed", **fields: Any) -> Run:
    nodes = {"fetch": NodeRow("done"), "store": NodeRow("failed", NOON, "", 2, 0.1, "down"), "tell": NodeRow("skipped")}
    values = {"nodes": nodes, "edges": (("fetch", "store"), ("store", "tell")), "changed_at": NOON - 60 * SECOND}
    return Run("n1", "nightly", "Nightly build", state, started_at=NOON - 72 * SECOND, **{**values, **fields})


def test_a_run_is_shown_with_its_bar_its_times_and_its_error() -> None:
    said = text_of(run_line(run(resumed=2), NOON, runs_columns(["n1"]), 120, UNICODE))
    assert said.split("  ")[0].strip() == "n1"
    for text in ("Nightly build", "✗ FAILED", "1/3", "12 s", "60 s", "×2", "store: down"):
        assert text in said


def test_only_an_unfinished_run_that_no_engine_executes_can_be_resumed() -> None:
    expected = {"running": False, "done": False, "degraded": False, "failed": True, "interrupted": True, "killed": True}
    assert {state: run(state).resumable for state in expected} == expected
    assert len({run_sign(state, UNICODE)[0] for state in expected}) == len(expected)


def test_a_run_whose_engine_is_gone_was_killed() -> None:
    row = WorkflowRow(1, "n1", "nightly", "", NOON, NOON)
    assert run_of_row(row, over=True).state == "killed"
    assert run_of_row(row, over=False).state == "running"
    row.state = "done"
    assert run_of_row(row, over=True).state == "done"


def test_a_saved_run_derives_its_edges_from_the_inputs_of_its_results() -> None:
    saved = SavedRun(
        run="n1",
        workflow="nightly",
        definition={
            "fetch": json.dumps({"from": []}),
            "store": json.dumps({"from": [["fetch", ["rows", "rows"]]]}),
            "spoilt": "{",
            "odd": json.dumps({"from": [[], 3]}),
        },
        input="null",
        started_at=NOON,
        steps=("fetch", "store", "spoilt", "odd"),
        nodes={"fetch": SavedNode(node="fetch", state="done", at=NOON, answered="nightly.fetch", attempts=1)},
    )
    made = run_of_saved(saved)
    assert made.edges == (("fetch", "store"),)
    assert [node.state for node in made.nodes.values()] == ["done", "pending", "pending", "pending"]
    assert made.state == "killed"


def test_a_run_in_full_has_its_graph_and_whole_errors() -> None:
    long = "the upstream said: " + "no " * 100 + "END"
    broken = run(nodes={"fetch": NodeRow("done"), "store": NodeRow("failed", NOON, "", 2, 0.1, long)}, error="store")
    said = "\n".join(text_of(line) for line in run_lines(broken, "checkout@web-1:42", NOON, 76, UNICODE))
    for text in ("✗ FAILED", "1/2 nodes", "it can be resumed", "Nightly build (nightly)", "took 12 s", "60 s ago",
                 "checkout@web-1:42", "✗ store", "failed at 14:00:00 after 2 attempts", "END"):  # fmt: skip
        assert text in said


def test_an_error_of_a_node_is_not_repeated_for_its_run() -> None:
    nodes = {"store": NodeRow("failed", NOON, "", 1, 0.1, "disk full")}
    for error, told in (("store: disk full", False), ("the engine stopped", True)):
        lines = run_lines(run(nodes=nodes, edges=(), error=error), "", NOON, 80, UNICODE)
        assert any(text_of(line).startswith("error ") for line in lines) is told


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_not_break_the_layout_of_a_run(text: str) -> None:
    node = NodeRow("failed", NOON, text, 1, 0.1, text)
    hostile = Run(text, text, text, "failed", NOON, NOON, {text: node}, ((text, text),), 3, text)
    for cells in (1, 30, 80, 200):
        assert line_width(run_line(hostile, NOON, runs_columns([text]), cells, UNICODE)) <= cells
        for line in run_lines(hostile, safe_text(text), NOON, cells, ASCII):
            assert not set("\x1b\x9b\n\r\t\u202e") & set(text_of(line))
            assert line_width(line) <= max(cells, 20)

"""Workflow runs as lines: the list, and one in full with its graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fuseboard_console.text.bars import countdown_bar
from fuseboard_console.text.formatting import SECOND, clock, plural, span, stamp, whole_span
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line, Span, cut_line, text_of
from fuseboard_console.text.list_columns import ListColumn, columns_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import fold, width
from fuseboard_console.views.events.copy_text import FULL_TEXT
from fuseboard_console.views.workflows.graph import Edge, Graph, graph_lines, node_sign
from fuseboard_console.views.workflows.text import state_of
from fuseboard_engine.workflow.checkpoints import SavedRun
from fuseboard_storage.board.workflow_runs import NodeRow, WorkflowRow

FINISHED = ("done", "degraded")
"""The states, of runs and of nodes, that need nothing more."""
_BAR = 9
_STYLES = {
    "running": "info",
    "done": "ok",
    "degraded": "warn",
    "failed": "bad",
    "interrupted": "ready",
    "killed": "bad",
}


class Run(NamedTuple):
    """One run, from the Board or from the table of saved runs. Times are UTC microseconds.

    `state` is `running`, `done`, `degraded`, `failed`, `interrupted`, or `killed` if its process ended without saying
    so. `instance` is the instance that executed it last, or None if unknown.
    """

    run: str
    workflow: str
    name: str
    state: str
    started_at: int
    changed_at: int
    nodes: Mapping[str, NodeRow]
    edges: tuple[Edge, ...] = ()
    resumed: int = 0
    error: str = ""
    instance: int | None = None

    @property
    def resumable(self) -> bool:
        """Whether unfinished nodes are left and no instance executes the run."""
        return self.state not in (*FINISHED, "running")

    @property
    def title(self) -> str:
        """The workflow's name, as safe text."""
        return safe_text(self.name or self.workflow, 80)


def run_of_row(row: WorkflowRow, over: bool) -> Run:
    """Return a run of the Board. `over`: its instance is known to have ended."""
    state = "killed" if row.state == "running" and over else row.state
    return Run(
        row.run, row.workflow, row.name, state, row.started_at, row.changed_at, row.nodes, row.edges, row.resumed,
        row.error, row.instance,
    )  # fmt: skip


def run_of_saved(saved: SavedRun) -> Run:
    """Return a run that only the table has."""
    nodes = {name: NodeRow() for name in saved.steps}
    for name, node in saved.nodes.items():
        nodes[name] = NodeRow(node.state, node.at, node.answered, node.attempts, node.duration, node.error)
    edges = tuple((source, name) for name in nodes for source in _sources(saved.definition.get(name, "")))
    return Run(
        saved.run, saved.workflow, saved.name, state_of(saved), saved.started_at, saved.changed_at, nodes, edges,
        error=saved.error,
    )  # fmt: skip


def _sources(definition: str) -> list[str]:
    """Return a node's predecessors from what its results depend on, or nothing if that is unreadable."""
    try:
        return [str(edge[0]) for edge in json.loads(definition)["from"]]
    except (ValueError, TypeError, KeyError, IndexError):
        return []


def run_sign(state: str, glyphs: Glyphs) -> tuple[str, str]:
    """Return the sign of a run's state, and its style."""
    sign = {
        "running": glyphs.of("probing"),
        "done": glyphs.answered,
        "degraded": glyphs.degraded,
        "failed": glyphs.failed,
        "interrupted": glyphs.of("ready"),
        "killed": glyphs.dead,
    }.get(state, glyphs.none)
    return sign, _STYLES.get(state, "muted")


# -------------------------------------------------------------------- the list


def runs_columns(runs: Sequence[str]) -> tuple[ListColumn, ...]:
    """Return the columns for runs with these ids."""
    ids = min(22, max(8, max((width(safe_text(run, 80)) for run in runs), default=8)))
    return (
        ListColumn("run", ids),
        ListColumn("workflow", 20, 104),
        ListColumn("state", 13),
        ListColumn("nodes", _BAR + 8, 56),
        ListColumn("took", 6, 62),
        ListColumn("age", 6, 70),
        ListColumn("resumed", 7, 96),
    )


def run_line(run: Run, now: int, columns: Sequence[ListColumn], cells: int, glyphs: Glyphs) -> Line:
    """Return a run at `now` (UTC microseconds), in at most `cells`."""
    sign, style = run_sign(run.state, glyphs)
    row = {
        "run": Span(safe_text(run.run, 80), "strong" if run.state == "running" else "text"),
        "workflow": Span(run.title, "muted"),
        "state": Span(f"{sign} {safe_text(run.state, 40).upper()}", style),
        "nodes": Span(f"{text_of(_bar(run, _BAR, glyphs))} {_progress(run)}", style),
        "took": Span(span(duration_of(run, now)), "muted"),
        "age": Span(span(max(0, now - run.changed_at) / SECOND), "muted"),
        "resumed": Span(f"{glyphs.times}{run.resumed}" if run.resumed else "", "muted"),
    }
    return columns_line(columns, row, (Span(_problem(run), "muted"),), cells)


def _bar(run: Run, cells: int, glyphs: Glyphs) -> Line:
    return countdown_bar(
        len(run.nodes) - _finished(run), len(run.nodes) or 1, cells, glyphs, _STYLES.get(run.state, "")
    )


def _finished(run: Run) -> int:
    return sum(node.state in FINISHED for node in run.nodes.values())


def _progress(run: Run) -> str:
    return f"{_finished(run):,}/{len(run.nodes):,}"


def duration_of(run: Run, now: int) -> float:
    until = now if run.state == "running" else run.changed_at
    return max(0, until - run.started_at) / SECOND


def _problem(run: Run) -> str:
    """Return the run's error, or that of the first failed node."""
    if run.error:
        return safe_text(run.error, 400)
    failed = ((name, node) for name, node in run.nodes.items() if node.state == "failed")
    return next((safe_text(f"{name}: {node.error}", 400) for name, node in failed), "")


# -------------------------------------------------------------------- one in full


def run_lines(run: Run, engine: str, now: int, cells: int, glyphs: Glyphs) -> list[Line]:
    """Return a run in full at `now` (UTC microseconds). `engine` names its instance, as safe text."""
    sign, style = run_sign(run.state, glyphs)
    resumable = "  it can be resumed" if run.resumable else ""
    head = (
        Span(f"{sign} {safe_text(run.state, 40).upper()}  ", style),
        *_bar(run, max(4, min(24, cells - 44)), glyphs),
        Span(f" {_progress(run)} nodes", "muted"),
        Span(resumable, "warn"),
    )
    lines: list[Line] = [
        cut_line(head, cells),
        *labelled("run", safe_text(run.run, 300), cells),
        *labelled("workflow", run.title if run.name in ("", run.workflow) else _run_title(run), cells),
        *labelled("when", _times_text(run, now), cells),
        *labelled("engine", engine, cells),
        *labelled("error", "" if _is_node_error(run) else safe_text(run.error, FULL_TEXT), cells, "bad-dim"),
        (),
        *graph_lines(Graph(run.workflow, run.nodes, run.edges), now, cells, glyphs),
    ]
    for name, node in run.nodes.items():
        if node.error and node.state != "skipped":
            mark, of_node = node_sign(node.state, glyphs)
            first, *others = fold(safe_text(name, 300), max(8, cells - 2)) or [""]
            lines += [(), (Span(f"{mark} ", of_node), Span(first, "strong"))]
            lines += [(Span(f"  {part}", "strong"),) for part in others]
            lines.append(cut_line((Span(f"  {_node_times(node)}", "muted"),), cells))
            lines += [(Span(f"  {part}"),) for part in fold(safe_text(node.error, FULL_TEXT), max(8, cells - 2))]
    return lines


def _is_node_error(run: Run) -> bool:
    """Return whether the error of a run is that of a node, which is shown below its graph."""
    return any(node.error and run.error.endswith(node.error) for node in run.nodes.values() if node.state == "failed")


def _run_title(run: Run) -> str:
    return f"{run.title} ({safe_text(run.workflow, 80)})"


def _times_text(run: Run, now: int) -> str:
    took = span(duration_of(run, now))
    began = f"began {stamp(run.started_at)}"
    resumed = f", resumed {plural(run.resumed, 'time')}" if run.resumed else ""
    if run.state == "running":
        return f"{began}, for {took} now{resumed}"
    return f"{began}, took {took}, last change {whole_span(max(0, now - run.changed_at) / SECOND)} ago{resumed}"


def _node_times(node: NodeRow) -> str:
    tried = f" after {plural(node.attempts, 'attempt')}" if node.attempts else ""
    return f"{node.state} at {clock(node.since)}{tried}"

"""Workflow runs as plain text and as JSON with a stable schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fuseboard_console.text.formatting import SECOND, plural, span
from fuseboard_console.text.glyphs import UNICODE
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import cut
from fuseboard_engine.workflow.checkpoints import SavedRun

SCHEMA = "fuseboard.workflows/1"
"""The name of the JSON's shape. Fields may be added; none leaves or changes its meaning under this name."""

MAX_ERROR_CELLS = 100  # cells of an error
GLYPHS = {
    "done": UNICODE.answered,
    "degraded": UNICODE.degraded,
    "failed": UNICODE.failed,
    "skipped": UNICODE.no_verdict,
    "pending": UNICODE.gap,
}
"""The signs of nodes, which the page of workflows has too."""


def state_of(run: SavedRun) -> str:
    """Return a run's state as a word. `killed` means that its process ended without saying so."""
    return "killed" if run.state == "running" and not run.alive else run.state


def workflows_json(runs: Sequence[SavedRun], file: str, saved: int, waiting: int) -> dict[str, Any]:
    """Return runs as plain values. Times are UTC microseconds. `saved` and `waiting` are as in `workflows_text`."""
    runs_json = [_run_json(run) for run in runs]
    return {"schema": SCHEMA, "file": file, "saved": saved, "resumable": waiting, "runs": runs_json}


def _run_json(run: SavedRun) -> dict[str, Any]:
    return {
        "run": run.run,
        "workflow": run.workflow,
        "name": run.name,
        "state": state_of(run),
        "resumable": run.resumable,
        "started_at": run.started_at,
        "changed_at": run.changed_at,
        "error": run.error,
        "nodes": [_node_json(run, name) for name in run.steps],
    }


def _node_json(run: SavedRun, name: str) -> dict[str, Any]:
    node = run.nodes.get(name)
    if node is None:
        return {"node": name, "state": "pending"}
    return {
        "node": name,
        "state": node.state,
        "answered": node.answered,
        "attempts": node.attempts,
        "duration": node.duration,
        "at": node.at,
        "error": node.error,
        "result": _value_of(node.result),
    }


def _value_of(result: str) -> Any:
    """Return a result that is stored as JSON; the text itself if it is damaged."""
    try:
        return json.loads(result)
    except (ValueError, RecursionError):
        return result


def workflows_text(
    runs: Sequence[SavedRun], file: str, now: int, saved: int, waiting: int, *, unfinished: bool = False
) -> str:
    """Return runs as text.

    Args:
        runs: The newest runs.
        file: The recording's name.
        now: UTC microseconds.
        saved: How many runs the recording has, listed or not.
        waiting: How many of those can be resumed.
        unfinished: Whether only resumable runs were requested.
    """
    name = safe_text(file, 200)
    if not runs:
        return f"{name}: {'no run can be resumed' if unfinished else 'it contains no workflow run'}."
    newest = f"the newest {len(runs):,} of "
    head = (
        f"{name}: {newest if not unfinished and len(runs) < saved else ''}{plural(saved, 'run')}, {waiting:,} to resume"
    )
    if unfinished and len(runs) < waiting:
        head += f"; {newest}those"
    return "\n".join([head, *("\n" + _run_text(run, now) for run in runs)])


def _run_text(run: SavedRun, now: int) -> str:
    finished = sum(node.finished for node in run.nodes.values())
    ago = span(max(0, now - run.changed_at) / SECOND)
    state = state_of(run).upper()
    head = (
        f"{safe_text(run.run, 80)}  {safe_text(run.name or run.workflow, 80)}  {state}  "
        f"{finished} of {plural(len(run.steps), 'node')} done, last change {ago} ago"
    )
    lines = [f"{head}; can be resumed" if run.resumable else head]
    for name in run.steps:
        node = run.nodes.get(name)
        state = node.state if node is not None else "pending"
        line = f"  {GLYPHS[state]} {safe_text(name, 60)}  {state}"
        if node is not None and node.answered:
            line += f" by {safe_text(node.answered, 60)}"
        if node is not None and node.error:
            line += f": {cut(safe_text(node.error, 300), MAX_ERROR_CELLS)}"
        lines.append(line)
    return "\n".join(lines)

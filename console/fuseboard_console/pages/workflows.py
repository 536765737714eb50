"""The workflows page: each run and its graph, and which runs can be resumed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fuseboard_console.operator.command_target import find_target
from fuseboard_console.pages.list_page import ListPage
from fuseboard_console.screens.adapter_detail import show_detail
from fuseboard_console.screens.text_detail import DetailAction, Link
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.text.line import Line
from fuseboard_console.text.list_columns import titles_line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.adapters.engine_presence import connection_to
from fuseboard_console.views.selection.list_filter import field_filter
from fuseboard_console.views.workflows.table import (
    Run,
    duration_of,
    run_line,
    run_lines,
    run_of_row,
    run_of_saved,
    runs_columns,
)
from fuseboard_engine.events import RouteFinished
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey
from fuseboard_storage.recording.recording import Recording

MOST = 500
"""Saved runs that are listed beside those of the Board."""
EVERY = 2.0
"""Seconds at least between two looks into the table of saved runs."""


class Workflows(ListPage[str]):
    """The runs, newest first, by id: those of the Board, then those that only the table has."""

    PAGE = "workflows"
    EMPTY = "No workflow has run. Each run is listed here from its start. An unfinished run can be resumed."
    FIELDS = ("run", "workflow", "state", "node", "error")
    FIGURES = ("took", "nodes", "resumed")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self.list.newest_first = self.list.follows = True
        self._resumable = False
        self._saved: dict[str, Run] = {}
        self._saved_of: Path | None = None
        self._engines: dict[int, str] = {}
        self._over: set[int] = set()  # engines that are known to have ended
        self._counted = ""
        self._columns = runs_columns(())
        self._read_of: tuple[object, ...] = ()
        self._reading = self._failed = False
        self._began = -EVERY
        self._opened: Run | None = None

    # ---------------------------------------------------------------- reading

    async def refresh_data(self, frame: Frame) -> None:
        """Read the runs that the Board does not have, when they may have changed."""
        self._read_if_due(frame)

    def _read_if_due(self, frame: Frame) -> None:
        recording, now = self.host.feed.recording, time.monotonic()
        wanted = (recording, tuple(frame.board.workflows), frame.board.roster_version)
        elsewhere = not self._read_of or self._read_of[0] is not recording
        if recording is not None and recording.path != self._saved_of:
            self._saved, self._saved_of = {}, recording.path
        waits = not elsewhere and now - self._began < EVERY
        if recording is None or not self.is_attached or self._reading or waits:
            return
        if wanted == self._read_of and not self._failed:
            return
        self._read_of, self._began, self._reading = wanted, now, True
        run_in_background(self, partial(self._read, recording.path, wanted))

    async def _read(self, path: Path, wanted: tuple[object, ...]) -> None:
        known = list(self.host.frame.board.workflows)
        try:
            async with Recording.open(path) as recording:
                found = await recording.workflow_runs(MOST, without=known, results=False)
                engines = await recording.instances()
            self._failed = False
        except FEED_ERRORS:
            self._failed = True  # the banner says what is wrong with the file; the next time it may be well
        else:
            if wanted[0] is self.host.feed.recording:
                self._saved = {saved.run: run_of_saved(saved) for saved in found}
                self._engines = {row.id: row.name for row in engines}
        finally:
            self._reading = False
        self.host.show()

    # ---------------------------------------------------------------- the list

    def rows(self, frame: Frame) -> Sequence[str]:
        """Return the ids of the runs up to the shown time."""
        self._read_if_due(frame)
        board = frame.board.workflows
        older = [key for key, run in self._saved.items() if key not in board and _had_ended(run, frame)]
        self._over = {id for id in frame.board.instances if connection_to(frame.board, id, frame.now).over}
        runs = [run for key in (*reversed(board), *older) if (run := self._run(key)) is not None]
        waiting = [run for run in runs if run.resumable]
        running = sum(run.state == "running" for run in runs)
        told = (f"{count:,} {word}" for count, word in ((running, "running"), (len(waiting), "to resume")) if count)
        self._counted = ", ".join(told)
        keys = [run.run for run in (waiting if self._resumable else runs)]
        self._columns = runs_columns(keys)
        return keys

    def _run(self, key: str) -> Run | None:
        row = self.host.frame.board.workflows.get(key)
        return self._saved.get(key) if row is None else run_of_row(row, row.instance in self._over)

    @property
    def caption(self) -> str:
        """The shown runs, how many are running, and how many can be resumed."""
        only = "only those that can be resumed" if self._resumable else ""
        return "  ".join(part for part in (self.title, only, self._counted) if part)

    @property
    def trail(self) -> str:
        """The shown runs."""
        return "resumable" if self._resumable else ""

    @property
    def nothing(self) -> str:
        """Why the list is empty."""
        return "No run can be resumed." if self._resumable else self.EMPTY

    def heading(self, cells: int) -> Line:
        """Return the column titles."""
        return titles_line(self._columns, "error", cells)

    def line(self, key: str, cells: int) -> Line:
        """Return a run's line."""
        run = self._run(key)
        return () if run is None else run_line(run, self.host.frame.now, self._columns, cells, self.host.glyphs)

    def order_of(self, key: str, field: str) -> Any:
        """Return the value by which a row is sorted."""
        run = self._run(key)
        if run is None:
            return 0 if field in self.FIGURES else super().order_of(key, field)
        if field == "took":
            return duration_of(run, self.host.frame.now)
        if field == "nodes":
            return len(run.nodes)
        return run.resumed if field == "resumed" else super().order_of(key, field)

    def fields(self, key: str) -> Mapping[str, str]:
        """Return the row's texts that a filter can match, by field."""
        run = self._run(key)
        if run is None:
            return dict.fromkeys(self.FIELDS, "")
        return {
            "run": run.run,
            "workflow": f"{run.workflow} {run.name}",
            "state": run.state,
            "node": " ".join(run.nodes),
            "error": " ".join((run.error, *(node.error for node in run.nodes.values()))),
        }

    def action_run_resumable(self) -> None:
        """Show only the runs that can be resumed, or all again."""
        self._resumable = not self._resumable
        self.host.show()

    # ---------------------------------------------------------------- one of them

    def title_of(self, key: str) -> str:
        """Return its id."""
        self._opened = self._run(key)
        return f"Run {safe_text(key, 60)}"

    def about(self, key: str, cells: int) -> list[Line]:
        """Return a run in full. It stays available after the Board drops it."""
        self._opened = self._run(key) or self._opened
        if self._opened is None:
            return []
        frame = self.host.frame
        instance = frame.board.instances.get(self._opened.instance or 0)
        engine = instance.label if instance is not None else self._engines.get(self._opened.instance or 0, "")
        return run_lines(self._opened, safe_text(engine, 120), frame.now, cells, self.host.glyphs)

    def links(self, key: str) -> Sequence[Link]:
        """Link to the routes of its nodes and to their adapters: first those that failed, then those that answered."""
        run, board = self._run(key), self.host.frame.board

        def to_routes() -> None:
            self.host.go_to("routes").filter_by(field_filter("task", f"{key}:"))

        names = dict.fromkeys((*self._failed_in(run), *(node.answered for node in run.nodes.values()))) if run else {}
        found = [AdapterKey(run.instance, name) for name in names] if run is not None and run.instance else []
        there = [adapter for adapter in found if adapter in board.adapters][:5]
        return [
            Link("v", "its routes", to_routes),
            *(
                Link(str(place), safe_text(adapter.adapter, 16), partial(show_detail, self.host, adapter))
                for place, adapter in enumerate(there, 1)
            ),
        ]

    def _failed_in(self, run: Run) -> list[str]:
        """Return the adapters that were tried for failed nodes, as far as the Board has their routes."""
        failed = {f"{run.run}:{name}" for name, node in run.nodes.items() if node.state == "failed"}
        routes = (entry.event for entry in self.host.frame.board.routes)
        tried = [route.attempts for route in routes if isinstance(route, RouteFinished) and route.task in failed]
        return [attempt.adapter for attempts in tried for attempt in attempts]

    def detail_actions(self, key: str) -> Sequence[DetailAction]:
        """Return the actions on a run that its detail offers."""
        return [
            DetailAction(action, partial(self._resume, key))
            for action in self.host.actions
            if action.id == "run_resume"
        ]

    # ---------------------------------------------------------------- resuming

    def action_run_resume(self) -> None:
        """Have an engine resume the run under the cursor."""
        if self.list.selected is not None:
            self._resume(self.list.selected)

    def _resume(self, key: str) -> None:
        """Send the resume command to the run's engine, or to any. Report at once if there is nothing to resume or no
        engine.
        """
        run, board = self._run(key), self.host.frame.board
        if run is None or self.host.refuse_if_read_only():
            return
        name = safe_text(key, 60)
        if run.state == "running":
            self.host.show_notice(f"Run {name} is under way: there is nothing to resume.", "warning")
            return
        if not run.resumable:
            self.host.show_notice(f"Run {name} is {run.state}: there is nothing to resume.", "warning")
            return
        recording = self.host.feed.recording
        file = safe_text(recording.path.name, 200) if recording is not None else "this recording"
        instance = board.instances.get(run.instance or 0)
        before = instance.name if instance is not None else self._engines.get(run.instance or 0)
        found = find_target(board, {before} if before else (), wall_clock(), file)
        if found.instance is None:
            self.host.show_notice(f"{found.why} Run {name} stays as it is.", "error")
            return
        run_in_background(self, partial(self.host.dispatcher.send, "resume", "", found.instance, {"run": key}))


def _had_ended(run: Run, frame: Frame) -> bool:
    """Return whether a run that the Board does not have belongs to the shown time."""
    return not frame.past or run.changed_at <= frame.now

"""The scenarios page: plays the chosen scenario in an engine of its own and shows its recording."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.content import Content

from fuseboard_console.actions.model import key_for
from fuseboard_console.pages.list_page import SortedPage
from fuseboard_console.pages.scenario_files import folders_here, found
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.views.lists.scenarios import ScenarioEntry, heading, names_width, order_of, scenario_lines
from fuseboard_console.widgets.folded_list import FoldedList
from fuseboard_console.widgets.selectable_list import SelectableList
from fuseboard_scenarios import shipped
from fuseboard_storage.errors import RecordingError


class Scenarios(SortedPage[Path]):
    """The scenarios that come with Fuseboard, and those in the working directory."""

    PAGE = "scenarios"
    FIGURES = ("scenario", "lasts", "adapters", "title")

    def __init__(self, host: ConsoleHost) -> None:
        super().__init__(host)
        self._list: FoldedList[Path] = FoldedList(
            host.palette, host.glyphs, id="scenario-list", title="Scenarios", empty="Scenarios are being read."
        )
        self._listed: dict[Path, ScenarioEntry] = {}
        self._read_once = False

    def compose(self) -> ComposeResult:
        """Yield the list."""
        yield self._list

    @property
    def lists(self) -> Iterable[LineList]:
        """The list."""
        return (self._list,)

    def show(self, frame: Frame) -> None:
        """Show the scenarios. The files are read when the page first opens."""
        if not self._read_once:
            self._read_once = True
            run_in_background(self, self._read)
        names = names_width(self._listed.values())
        self._list.border_title = Content(f"{self.title}{self.order_text}")
        self._list.show_folded(
            tuple(self.in_order(tuple(self._listed))),
            lambda path, cells: self._lines(path, cells, names),
            lambda cells: heading(cells, names),
        )

    async def _read(self) -> None:
        listed = await asyncio.to_thread(found, shipped().values(), folders_here())
        self._listed = {one.path: one for one in listed}
        self._list.empty = "There is no scenario."
        self.host.show()

    def order_of(self, key: Path, field: str) -> Any:
        """Return the value by which a scenario is sorted."""
        return order_of(self._listed[key], field)

    def _lines(self, path: Path, cells: int, names: int) -> list[Line]:
        playing = self.host.playing
        speed = playing[1] if playing and playing[0] == path.stem else ""
        return scenario_lines(self._listed[path], cells, names, speed)

    @on(SelectableList.Chosen)
    async def _play_chosen(self) -> None:
        """Play the scenario that was double-clicked."""
        await self.action_play()

    async def action_play(self) -> None:
        """Play the scenario under the cursor and show its recording."""
        path = self._list.selected
        if path is None:
            return
        if (wrong := self._listed[path].wrong) or self._listed[path].scenario is None:
            self.host.show_notice(safe_text(wrong, 400), "error")
            return
        self.host.leave_scenario(lambda: run_in_background(self, lambda: self._start(path)))

    async def _start(self, path: Path) -> None:
        from fuseboard_console.sources.scenario_session import start_scenario

        self.host.pop_all_sessions()
        try:
            place = await start_scenario(path, read_only=self.host.dispatcher.read_only)
        except (OSError, RecordingError) as error:
            self.host.show_notice(safe_text(f"It can't be played: {error}", 400), "error")
            return
        self.host.push_session(place)
        self.host.go_to("overview")
        actions = ("pause", "slower", "faster", "live")
        pause, slower, faster, live = (key_for(self.host.actions, id) for id in actions)
        self.host.show_notice(f"{pause} stops it, {slower} and {faster} change its pace, {live} leaves it.")

    def action_stop_playing(self) -> None:
        """Stop the scenario that is playing."""
        if self.host.playing is None:
            self.host.show_notice("No scenario plays.")
            return
        self.host.leave_scenario(self._stop)

    def _stop(self) -> None:
        self.host.pop_all_sessions()
        self.host.show_notice("The scenario has ended.")

"""The overview page: the fallback chains, the breakers table, and below it the latest failures or routes."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.content import Content
from textual.events import Click
from textual.geometry import Size

from fuseboard_console.actions.model import key_for
from fuseboard_console.pages.page import Page
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.text.line import Line
from fuseboard_console.tui.protocols import ConsoleHost, Frame
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.columns import BY_ID, columns_of
from fuseboard_console.views.events.copy_text import adapter_copy
from fuseboard_console.views.frame.empty_state import empty_state_lines, starting_lines, unreadable_lines
from fuseboard_console.views.selection.filter import Term, parse, problem_of
from fuseboard_console.views.selection.grouping import GROUPINGS, UNFOLDED, Folds, GroupHead, Grouping, marked_group
from fuseboard_console.views.selection.layout import LAYOUTS, Plan, next_layout, plan
from fuseboard_console.views.selection.ordering import Choice, Order, Ordering, chosen_title
from fuseboard_console.views.selection.sorting import BY_STATE
from fuseboard_console.widgets.breakers import BreakersTable
from fuseboard_console.widgets.chains import ChainsPane
from fuseboard_console.widgets.empty_state import EmptyState
from fuseboard_console.widgets.panes import LogPanes
from fuseboard_storage.board.board import AdapterKey, Board

_GROUPINGS: dict[str, Grouping] = {"none": "", "engine": "instance", "tag": "tag"}
"""The groupings by their names in the preferences."""


class Overview(Page):
    """All breakers. The operator chooses which adapters are shown, and in which order."""

    PAGE = "overview"

    def __init__(self, host: ConsoleHost, file: str, preferences: Preferences = DEFAULT) -> None:
        """Create the page for the recording `file` (safe text), with the operator's preferences."""
        super().__init__(host)
        self.layout_name = preferences.layout
        """The division of the page: one of `LAYOUTS`."""
        self.table = BreakersTable(host.palette, host.glyphs, highlight=preferences.glow)
        columns = preferences.columns.get("breakers")
        self.table.chosen = columns_of(columns) if columns else ()
        self.chains = ChainsPane(host.palette, host.glyphs)
        self.panes = LogPanes(host.palette, host.glyphs)
        self._file = file
        self.picture = EmptyState(host.palette, self._lines_without_data)
        self.sort = BY_STATE
        self.order = Order((), {})
        """The adapters shown, in order, and the number in each condition."""
        self.group: Grouping = _GROUPINGS[preferences.group]
        """The grouping of the adapters."""
        self.folds = Folds(all=preferences.folded)
        """Which groups are folded."""
        self.faults = False
        """Whether only those are shown that need a person or count failures."""
        self._ordering = Ordering()
        self._terms: tuple[Term, ...] = ()
        self._title = ""
        self._plan: Plan | None = None
        self._area = Size(0, 0)

    def _lines_without_data(self, cells: int, rows: int) -> list[Line]:
        if trouble := self.host.feed.trouble:
            return unreadable_lines(self._file, trouble, cells, rows)
        if self.host.steering.active:
            return starting_lines(cells, rows)
        return empty_state_lines(self._file, cells, rows)

    def compose(self) -> ComposeResult:
        """Yield the panes, top to bottom."""
        yield self.chains
        yield self.table
        yield self.panes
        yield self.picture

    @property
    def lists(self) -> Iterable[LineList]:
        """The table, then the other panes."""
        return self.table, self.chains, self.panes.routes, self.panes.failures

    def apply_palette(self, palette: Palette) -> None:
        """Repaint in the palette of another theme."""
        super().apply_palette(palette)
        self.picture.repaint(palette)

    # ---------------------------------------------------------------- showing

    def choose(self, frame: Frame) -> None:
        """Sort and filter again, and show what is left out."""
        board = frame.board
        choice = Choice(self.sort, self._terms, self.group, self.faults, self.folds if self.group else UNFOLDED)
        self.order = self._ordering.order(board, frame.now, choice)
        self.table.sort = self.sort
        self.table.grouped_by_engine = self.group == "instance"
        self.table.empty = self._nothing(board)
        unseen = "" if self.sort.column in self.table.column_ids else BY_ID[self.sort.column].title
        title = chosen_title(
            choice, self.filter_text, len(self.order.keys), len(board.adapters), len(self.table.marked), unseen
        )
        if title != self._title:
            self._title = title
            self.table.border_title = Content(title)  # typed text is not markup

    def _nothing(self, board: Board) -> str:
        if not board.adapters:
            return ""
        return "No adapter fits this filter." if self._terms else "No breaker needs you."

    def show(self, frame: Frame) -> None:
        """Show the Board. `choose` was called for this frame."""
        self.chains.show(frame.board, frame.now)
        self._lay_out(frame)
        self.tick(frame)
        self.panes.show(frame.board)
        if self.picture.display:
            self.picture.show()

    def tick(self, frame: Frame) -> None:
        """Update the table's countdowns and the chains."""
        self.chains.show(frame.board, frame.now)
        lost = "silent" in self.order.counts or "ended" in self.order.counts
        self.table.show(frame.board, self.order, frame.now, lost=lost, places=self._ordering.places)

    def flush_deferred(self) -> None:
        """Paint the deferred routes and failures."""
        self.panes.flush_deferred()

    def on_resize(self) -> None:
        """Lay the panes out for the new size."""
        self._plan = None
        self.host.show()

    def _lay_out(self, frame: Frame) -> None:
        if self.size != self._area:
            self._area = self.size
            self._plan = None
        empty = not frame.board.instances and not frame.board.adapters
        size = self.size
        wanted = plan(
            size.width, size.height, len(self.order.lines), self.layout_name, self.host.compact,
            chains=self.chains.count(),
        )  # fmt: skip
        if wanted == self._plan and self.picture.display == empty:
            return
        self._plan = wanted
        self.apply_frames(frames=wanted.frames)
        self.picture.display = empty
        self.table.display = not empty and wanted.table > 0
        self.chains.display = not empty and wanted.chains > 0
        self.panes.display = not empty and wanted.routes + wanted.failures > 0
        self.chains.styles.height = wanted.chains
        self.table.styles.height = wanted.table
        self.panes.divide(wanted)
        focused = self.screen.focused
        if self.table.display and self.is_attached and (focused is None or not focused.display):
            self.focus_first()  # nothing took them while there was nothing to show
        self.call_after_refresh(self.host.show)

    # ---------------------------------------------------------------- choosing

    @property
    def counting(self) -> bool:
        """Whether a countdown is visible."""
        return self.table.counting

    @property
    def target(self) -> AdapterKey | None:
        """The adapter under the cursor."""
        return self.table.selected

    @property
    def targets(self) -> tuple[AdapterKey, ...]:
        """The marked adapters, visible ones first, in the order of the table; if none are, the folded group's."""
        marked = self.table.marked
        if not marked:
            return () if (group := self.table.folded) is None else group.folded
        shown = [key for key in self.order.keys if key in marked]
        return (*shown, *sorted(marked.difference(shown)))

    @property
    def targets_name(self) -> str:
        """The name of the group that is marked, if nothing else is; without marks that of the folded group."""
        if not self.table.marked:
            return "" if (group := self.table.folded) is None else group.name
        return marked_group(self.order.lines, self.table.marked)

    def unmark(self) -> None:
        """Remove all marks."""
        there = bool(self.table.marked)
        self.table.unmark()
        if there:
            self.host.show()

    @property
    def filter_problem(self) -> str:
        """The problem of the filter."""
        adapters = self.host.frame.board.adapters
        return problem_of(self._terms, lambda: [key.adapter for key in adapters])

    @property
    def matched(self) -> tuple[int, int]:
        """The number of adapters shown, and the number of all adapters."""
        return len(self.order.keys), len(self.host.frame.board.adapters)

    def filter_by(self, text: str) -> None:
        """Show only the adapters that match the filter."""
        super().filter_by(text)
        self._terms = parse(text)
        self.host.show()

    def action_unfilter(self) -> None:
        """Remove all marks, or the filter if there are none."""
        if self.table.marked:
            self.unmark()
        elif self.filter_text or self.faults:
            self.faults = False
            self.filter_by("")
        else:
            raise SkipAction  # the key leaves the past

    def action_faults(self) -> None:
        """Show only adapters that need attention or count failures, or all again."""
        self.faults = not self.faults
        self.host.show()

    def action_group(self) -> None:
        """Group adapters by the next criterion."""
        self.group = GROUPINGS[(GROUPINGS.index(self.group) + 1) % len(GROUPINGS)]
        self.host.show()

    def action_fold(self) -> None:
        """Fold or unfold the group that the cursor is in."""
        if (group := self.table.group) is not None:
            self.fold(group.name)
        else:
            key = key_for(self.host.actions, "group")
            self.host.show_notice(f"The adapters are not grouped: {key} groups them.")

    def fold(self, group: str) -> None:
        """Fold or unfold a group."""
        self.folds = self.folds.toggled(group)
        self.host.show()

    def action_fold_all(self) -> None:
        """Fold every group, or unfold every group if one is folded."""
        if not self.group:
            self.group = "tag"
        folded = any(isinstance(line, GroupHead) and line.folded for line in self.order.lines)
        self.folds = Folds(all=not folded)
        self.host.show()

    @on(BreakersTable.GroupClicked)
    def _fold_clicked(self, event: BreakersTable.GroupClicked) -> None:
        """Fold or unfold the clicked group."""
        self.fold(event.group)

    def action_mark(self) -> None:
        """Mark or unmark the selected adapter."""
        self.table.toggle_mark()
        self.host.show()

    def action_mark_all(self) -> None:
        """Mark every adapter that is shown, or none."""
        self.table.mark_all()
        self.host.show()

    def action_sort(self) -> None:
        """Sort by the next column."""
        ids = self.table.column_ids or ("state",)
        at = ids.index(self.sort.column) if self.sort.column in ids else -1
        self.sort = BY_STATE._replace(column=ids[(at + 1) % len(ids)])
        self.host.show()

    def sort_by(self, column: str) -> None:
        """Sort by a column, visible or not."""
        self.sort = BY_STATE._replace(column=column)
        self.host.show()

    def action_turn(self) -> None:
        """Reverse the order."""
        self.sort = self.sort._replace(reverse=not self.sort.reverse)
        self.host.show()

    @on(BreakersTable.TitleClicked)
    def _sort_by_title(self, event: BreakersTable.TitleClicked) -> None:
        """Sort by the clicked column, or reverse the order if it is the sort column."""
        reverse = event.column == self.sort.column and not self.sort.reverse
        self.sort = BY_STATE._replace(column=event.column, reverse=reverse)
        self.host.show()

    def action_next_problem(self) -> None:
        """Move the cursor to the next adapter that needs attention. While a scenario is steered, the key is its own."""
        if self.host.steering.active:
            raise SkipAction
        if not self.table.next_problem(self.host.frame.now):
            self.host.show_notice("No breaker needs you.")

    def action_layout(self) -> None:
        """Switch to the next layout."""
        self.layout_name = next_layout(self.layout_name)
        self.host.show_notice(f"Layout {self.layout_name}: {LAYOUTS[self.layout_name].about}.")
        self.host.show()

    def copied(self, frame: Frame) -> str:
        """The marked adapters or the one under the cursor in full; for another pane, its top item."""
        if self.screen.focused in (self.chains, self.panes.routes, self.panes.failures):
            return super().copied(frame)
        keys = self.targets or ((self.target,) if self.target else ())
        return "\n".join(adapter_copy(frame.board, key, frame.now) for key in keys)

    def on_click(self, event: Click) -> None:
        """Handle a double click on a line like Enter."""
        place = event.get_content_offset(self.table) if event.widget is self.table else None
        on_heading = place is not None and (place.y < self.table.HEADINGS or self.table.is_group(place.y))
        if event.chain == 2 and not on_heading:
            self.action_detail()

    def action_detail(self) -> None:
        """Open the selected adapter's detail. From another pane, go to its page. A folded group unfolds."""
        panes: dict[object, str] = {
            self.chains: "routes", self.panes.routes: "routes", self.panes.failures: "failures",
        }  # fmt: skip
        if self.screen.focused in panes:
            self.host.go_to(panes[self.screen.focused])
        elif (group := self.table.folded) is not None:
            self.fold(group.name)
        elif self.target is not None:
            from fuseboard_console.screens.adapter_detail import show_detail

            show_detail(self.host, self.target)

"""The console: follows a feed, shows its Board, and carries an operator's commands to the mailbox."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer

from fuseboard_console.actions import actions_for, while_paused
from fuseboard_console.choosing import Choosing
from fuseboard_console.desk import Desk
from fuseboard_console.feed import Feed, Mailbox
from fuseboard_console.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.keys import bindings_of
from fuseboard_console.safe_text import safe_text
from fuseboard_console.themes import THEMES, Palette, palette_of
from fuseboard_console.views.adapters import Order
from fuseboard_console.views.banner import banner
from fuseboard_console.views.connection import Connection, connection_of, connection_to
from fuseboard_console.views.empty import empty_picture
from fuseboard_console.views.footer import footer_line
from fuseboard_console.views.header import Heading, Totals, header_line, totals_of
from fuseboard_console.views.line import Line
from fuseboard_console.views.plan import Plan, plan
from fuseboard_console.views.times import SECOND, whole
from fuseboard_console.views.told import told_line
from fuseboard_console.widgets.breakers import BreakersTable
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar
from fuseboard_console.widgets.line_bar import LineBar
from fuseboard_console.widgets.line_list import LineList
from fuseboard_console.widgets.panes import LogPanes
from fuseboard_console.widgets.picture import Picture
from fuseboard_engine.clock import wall_clock
from fuseboard_storage.errors import RecordingError

POLL = 0.1
"""Seconds between two looks at the recording."""
KEYS = 28
"""Cells of the footer that its most needed keys keep when a scenario tells what it does."""
COUNT = 0.1
"""Seconds between two frames while a countdown is in sight."""


class ConsoleApp(Choosing):
    """Watches one recording. Without a mailbox it is read-only."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Fuseboard"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        # First of all keys: what is typed quickly after it is text of the filter and no command.
        Binding("slash", "filter", "filter", show=False, priority=True),
    ]

    def __init__(
        self,
        feed: Feed,
        *,
        file: str,
        mailbox: Mailbox | None = None,
        glyphs: Glyphs = UNICODE,
        theme: str = "fuseboard-dark",
        now: Callable[[], int] = wall_clock,
        poll: float = POLL,
        worry: Callable[[], str] | None = None,
    ) -> None:
        """Show `feed`, whose recording is called `file`. `now` gives UTC microseconds, `poll` is in seconds.

        `worry` returns a sentence when something is wrong that the recording can't tell; it is said once.
        """
        super().__init__()
        self._feed = feed
        self._file = safe_text(file, 200)
        self._glyphs = glyphs
        self._clock = now
        self._desk = Desk(mailbox, self._file, lambda instance: connection_to(feed.board, instance, now()), self.tell)
        self._poll = poll
        self._worry = worry
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme
        palette = self._palette()
        self.actions = actions_for(mailbox is None)
        for binding in bindings_of(action for action in self.actions if action.group != "Move"):
            self._bindings.bind(binding.key, binding.action, binding.description, show=binding.show, key_display=None)
        self._header = LineBar(palette, id="header")
        self._banner = LineBar(palette, id="banner")
        self._table = BreakersTable(palette, glyphs)
        self._panes = LogPanes(palette, glyphs)
        self._footer = FooterBar(palette)
        self._filter = FilterBar(palette)
        self._filter.display = False
        self._picture = Picture(palette, lambda cells, rows: empty_picture(self._file, cells, rows))
        self._shown = (-1, -1)
        self._order = Order((), {})
        self._totals = Totals(0.0, None)
        self._connection = Connection("empty")
        self._paused_at: int | None = None
        self._behind = 0
        self._plan: Plan | None = None
        self._area = Size(0, 0)
        self._tick: Timer | None = None

    # ---------------------------------------------------------------- laying out

    def compose(self) -> ComposeResult:
        """Yield the widgets, top to bottom."""
        yield self._header
        yield self._banner
        yield self._table
        yield self._panes
        yield self._picture
        yield self._footer
        yield self._filter

    def on_mount(self) -> None:
        """Show what there is, then follow."""
        for pane in (self._table, self._panes.chains, self._panes.failures):
            pane.add_class("pane")
        self.screen.set_class(self._glyphs is ASCII, "ascii")
        self._table.focus()
        self.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self.run_worker(self._follow(), name="follow", exit_on_error=True)

    def on_resize(self, event: Resize) -> None:
        """Divide the new size."""
        self._area = event.size
        self._plan = None
        self._shown = (-1, -1)
        self.show()

    def _lay_out(self, board_is_empty: bool, banner_shown: bool) -> None:
        wanted = plan(self._area.width, self._area.height, len(self._order.keys), banner_shown)
        if wanted == self._plan and self._picture.display == board_is_empty:
            return
        self._plan = wanted
        self.screen_stack[0].set_class(not wanted.frames, "bare")
        self._picture.display = board_is_empty
        self._table.display = not board_is_empty and wanted.table > 0
        self._panes.display = not board_is_empty and wanted.chains > 0
        self._table.styles.height = wanted.table
        self._panes.divide(wanted)
        self.call_after_refresh(self._show_panes)

    # ---------------------------------------------------------------- following

    async def _follow(self) -> None:
        while True:
            if self._paused_at is None:
                if await self._feed.advance():
                    self._shown = (-1, -1)
                if self._shown == (-1, -1):
                    self.show()
            else:
                await self._count_behind()
            self._panes.catch_up()
            await self._desk.look()
            self._look_for_worries()
            await asyncio.sleep(self._poll)

    def _look_for_worries(self) -> None:
        if self._worry is not None and (text := self._worry()):
            self._worry = None
            self.notify(safe_text(text, 400), severity="error", markup=False, timeout=120)

    async def _count_behind(self) -> None:
        with suppress(sqlite3.Error, OSError, RecordingError):
            behind = await self._feed.behind()
            if behind != self._behind:
                self._behind = behind
                self._show_header()

    def now(self) -> int:
        """Return the time that is shown, UTC microseconds; it stands while the view is paused."""
        return self._clock() if self._paused_at is None else self._paused_at

    def show(self) -> None:
        """Show the Board as of now; what did not change is not painted."""
        if not self._header.is_attached:
            return
        now = self.now()
        board = self._feed.board
        shown = (board.seq, now // SECOND)
        if shown != self._shown:
            self._shown = shown
            self._choose(now)
            self._totals = totals_of(board, now)
            self._take_connection(connection_of(board, now))
            notice = banner(self._connection, self._feed.trouble)
            self._banner.set_class(bool(notice), "shown")
            self._banner.show(notice)
            self._lay_out(not board.instances and not board.adapters, bool(notice))
            self._show_panes()
        else:
            self._show_table()
        self._plan_next_tick()

    def _take_connection(self, connection: Connection) -> None:
        if self._connection.state in ("silent", "ended") and connection.state == "live":
            self.tell(f"The engine is back after {whole((self.now() - self._connection.since) / SECOND)}.")
        self._connection = connection

    def _show_panes(self) -> None:
        self._show_header()
        self._show_footer()
        self._show_table()
        self._panes.show(self._feed.board)
        if self._picture.display:
            self._picture.show()

    def _show_table(self) -> None:
        lost = "silent" in self._order.counts or "ended" in self._order.counts
        self._table.show(self._feed.board, self._order, self.now(), lost=lost)

    def _show_header(self) -> None:
        behind = None if self._paused_at is None else self._behind
        heading = Heading(self._file, self._connection, self._order.counts, self._totals, self.now(), behind)
        self._header.show(header_line(heading, self._area.width, self._glyphs))

    def _show_footer(self) -> None:
        told: Line = ()
        if self._connection.state == "live":  # nobody plays the scenario of an engine that is no more
            told = told_line(self._feed.board, self.now(), self._area.width - KEYS, self._glyphs)
        actions = self.actions if self._paused_at is None else while_paused(self.actions)
        self._footer.show_keys(footer_line(actions, self._area.width, self._desk.read_only, told))

    def _plan_next_tick(self) -> None:
        """Wake when time alone changes the screen: at the next second, or sooner while something counts down."""
        if self._tick is not None:
            self._tick.stop()
            self._tick = None
        if self._paused_at is not None:
            return
        now = self._clock()
        wait = COUNT if self._table.counting else (SECOND - now % SECOND) / SECOND + 0.002
        self._tick = self.set_timer(wait, self.show)

    # ---------------------------------------------------------------- themes

    def _palette(self) -> Palette:
        return palette_of(self.current_theme, ascii_only=self._glyphs is ASCII)

    def _take_theme(self) -> None:
        palette = self._palette()
        for bar in (self._header, self._banner, self._footer, self._filter):
            bar.repaint(palette)
        panes: tuple[LineList, ...] = (self._table, self._panes.chains, self._panes.failures, self._picture)
        for pane in panes:
            pane.repaint(palette)

    def action_theme(self) -> None:
        """Go to the next of the console's own themes."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the actions, for the palette."""
        for action in self.actions:
            if action.group != "Move":
                run = getattr(self, f"action_{action.id}")
                yield SystemCommand(action.label.capitalize(), action.description, run)

    # ---------------------------------------------------------------- view

    def action_pause(self) -> None:
        """Stop the view, or go on."""
        self._paused_at = self._clock() if self._paused_at is None else None
        self._behind = 0
        self._shown = (-1, -1)
        self.show()

    def action_next_pane(self) -> None:
        """Go to the next pane."""
        self.screen.focus_next()

    def action_help(self) -> None:
        """Show the help."""
        from fuseboard_console.screens.help import HelpScreen

        self.push_screen(HelpScreen(self._palette(), self.actions, self._glyphs))

"""What the console shows around its pages: header, banner, footer, and when a frame is due."""

from __future__ import annotations

from textual.timer import Timer

from fuseboard_console.actions.model import Action, collapse_page_keys, on_page, promoted, read_only_actions
from fuseboard_console.app.operator_actions import Operating
from fuseboard_console.pages.overview import Overview
from fuseboard_console.painting.line_bar import LineBar
from fuseboard_console.text.formatting import SECOND, whole
from fuseboard_console.text.glyphs import Glyphs
from fuseboard_console.text.line import Line
from fuseboard_console.tui.protocols import Frame
from fuseboard_console.views.adapters.engine_presence import Connection, connection_of
from fuseboard_console.views.frame.banner import banner
from fuseboard_console.views.frame.footer import footer_line
from fuseboard_console.views.frame.header import Counting, Heading, header_line
from fuseboard_console.views.frame.scenario_caption import told_line
from fuseboard_console.views.frame.seek_bar import SeekBar, SeekView, seek_bar
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar

KEYS = 38
"""Cells of the footer that its most needed keys keep when a scenario tells what it does."""
KEYS_OF_TIME = 25
"""And as many more where the present is not shown."""
COUNT = 0.1
"""Seconds between two frames while a countdown is in sight."""
NOTHING = (-1, -1)


class Showing(Operating):
    """The console's frames, on top of what an operator does. A frame paints only what changed."""

    actions: tuple[Action, ...]
    glyphs: Glyphs
    overview: Overview
    _file: str
    _header: LineBar
    _banner: LineBar
    _footer: FooterBar
    _filter: FilterBar
    _shown = NOTHING  # the Board's number and the second that are on the screen
    _counting: Counting
    _connection = Connection("empty")
    _aged = 0  # the second that its age is of
    _headed: tuple[object, ...] = ()  # what the header says
    _footed: tuple[object, ...] = ()  # what the footer says
    _tick: Timer | None = None
    _planned: int | None = None  # the second that the next tick ends; None: a countdown's
    _behind = 0
    _seek_bar = SeekBar((), 0, 0)

    def now(self) -> int:
        """Return the time that is shown, UTC microseconds."""
        raise NotImplementedError

    @property
    def still(self) -> bool:
        """Whether the view is held still."""
        raise NotImplementedError

    @property
    def past(self) -> bool:
        """Whether what is shown is not the present."""
        raise NotImplementedError

    @property
    def frame(self) -> Frame:
        """What is shown now."""
        return Frame(self.feed.board, self.now(), self._connection, past=self.past)

    @property
    def working(self) -> tuple[Action, ...]:
        """The actions that work where one is: all that the foot, the help and the palette offer."""
        actions = on_page(self.actions, self.page.PAGE)
        return read_only_actions(actions) if self.dispatcher.read_only else actions

    def show(self) -> None:
        """Show everything anew: a choice was made, or the size is another."""
        self._shown = NOTHING
        self._show()

    def _show(self) -> None:
        """Show the Board as of now; what did not change is not painted."""
        if not self._header.is_attached:
            return
        frame = self.frame
        shown = (frame.board.seq, frame.now // SECOND)
        if shown != self._shown:
            self._shown = shown
            self.overview.choose(frame)
            self._take_connection(connection_of(frame.board, frame.now), frame.now // SECOND)
            notice = banner(self._connection, self.feed.trouble)
            self._banner.set_class(bool(notice), "shown")
            self._banner.show(notice)
            self._show_header()
            self._show_footer()
            if self.page.is_attached:
                self.page.show(self.frame)
            if self._filter.display:
                self._filter.say(*self.page.matched, self.page.filter_problem)
        elif self.page.is_attached:
            self.page.tick(frame)
        self._plan_next_tick()

    def _take_connection(self, connection: Connection, second: int) -> None:
        """Take how the engines stand. Their age alone is told once a second, for it would change every frame."""
        before = self._connection
        if second == self._aged and connection._replace(age=before.age, since=before.since) == before:
            return
        if self._connection.state in ("silent", "ended") and connection.state == "live":
            self.show_notice(f"The engine is back after {whole((self.now() - self._connection.since) / SECOND)}.")
        self._connection, self._aged = connection, second

    def _seek_view(self) -> SeekView | None:
        """Return where the replay stands that is shown; None: none is."""
        raise NotImplementedError

    def _show_header(self) -> None:
        crumbs = (self.page.TITLE, self.page.trail, *(getattr(on_top, "crumb", "") for on_top in self.screen_stack[1:]))
        where = tuple(part for part in crumbs if part)
        view = self._seek_view()
        self._header.set_class(view is not None, "past")
        if view is not None:
            steps, changes = (
                f"{self.key(f'previous_{what}')} {self.key(f'next_{what}')}" for what in ("event", "change")
            )
            view = view._replace(where=(self._file, *where))
            self._seek_bar = seek_bar(view, self.size.width, self.glyphs, (steps, changes, self.key("live")))
            self._header.show(self._seek_bar.line)
            self._headed = ()
            return
        counts = self.overview.order.counts
        behind = self._behind if self.still else None
        second = self.now() // SECOND * SECOND
        totals = self._counting.totals(self.feed.board, second)
        heading = Heading(self._file, self._connection, counts, totals, second, behind, where)
        if (headed := (heading, self.size.width)) != self._headed:
            self._headed = headed
            self._header.show(header_line(heading, self.size.width, self.glyphs))

    def _show_footer(self) -> None:
        seen = self._seek_view()
        first: dict[str, str] = {}  # what is done to time comes first where it is not the present's
        if self.still:
            first = {"pause": "resume"}
        elif seen is not None:
            first = {"pause": "hold" if seen.playing else "play"}
            if seen.back is not None:
                first["live"] = "live"
        told: Line = ()
        if self._connection.state == "live":  # nobody plays the scenario of an engine that is no more
            room = self.size.width - KEYS - KEYS_OF_TIME * bool(first)
            told = told_line(self.feed.board, self.now(), room, self.glyphs)
        footed = (self.page.PAGE, first, self.dispatcher.read_only, self.size.width, told)
        if footed == self._footed:
            return
        self._footed = footed
        actions = collapse_page_keys(promoted(self.working, first))
        self._footer.show_keys(footer_line(actions, self.size.width, self.dispatcher.read_only, told))

    def _plan_next_tick(self) -> None:
        """Wake when time alone changes the screen: at the next second, or sooner while something counts down."""
        now = self.now()
        planned = None if self.still or self.page.counting else now // SECOND
        if self._tick is not None:
            if planned is not None and planned == self._planned:
                return
            self._tick.stop()
            self._tick = None
        if self.still:
            return
        wait = COUNT if planned is None else (SECOND - now % SECOND) / SECOND + 0.002
        self._tick, self._planned = self.set_timer(wait, self._on_tick), planned

    def _on_tick(self) -> None:
        self._tick = None
        self._show()

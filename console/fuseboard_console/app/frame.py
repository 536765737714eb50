"""The bars around the page: header, banner, footer and filter; and when the next frame is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuseboard_console.actions.model import collapse_page_keys, promoted
from fuseboard_console.painting.line_bar import FoldedBar, LinesBar
from fuseboard_console.text.formatting import SECOND, whole_span
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.adapters.engine_presence import Connection, connection_of
from fuseboard_console.views.frame.banner import banner
from fuseboard_console.views.frame.footer import footer_line
from fuseboard_console.views.frame.header import Counting, Heading, header_line, summary_lines
from fuseboard_console.views.frame.scenario_caption import CaptionKeys, caption_lines
from fuseboard_console.views.frame.seek_bar import SeekBar, SeekView, seek_bar, time_at
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar
from fuseboard_console.widgets.header import HeaderBar

if TYPE_CHECKING:
    from textual.timer import Timer

    from fuseboard_console.app.protocols import Console
    from fuseboard_console.tui.protocols import Frame

COUNTDOWN_INTERVAL = 0.1
"""Seconds between two frames while a countdown is in sight."""
NOT_SHOWN = (-1, -1)


class FrameRenderer:
    """Renders the bars and the page in view. A frame repaints only what changed."""

    def __init__(self, console: Console, palette: Palette) -> None:
        self._console = console
        self.header = HeaderBar(palette)
        self.caption = LinesBar(palette, id="caption")
        self.banner = FoldedBar(palette, id="banner")
        self.footer = FooterBar(palette)
        self.filter = FilterBar(palette)
        self.filter.display = False
        self.connection = Connection("empty")
        """The state of the engines, as of the last frame."""
        self._shown = NOT_SHOWN  # the Board's sequence number and the second on the screen
        self._aged = 0  # the second of the connection's age
        self._unread = True  # whether the session had not been read when the connection was judged
        self._counting = Counting()
        self._header_key: tuple[object, ...] = ()  # what the header was made from
        self._footer_key: tuple[object, ...] = ()  # what the footer was made from
        self.seek_bar = SeekBar((), 0, 0)
        """The seek bar of the last frame; it has no cells outside a replay."""
        self._tick: Timer | None = None
        self._planned: int | None = None  # the second that the next tick ends; None for the tick of a countdown

    def apply_palette(self, palette: Palette) -> None:
        """Repaint the bars in the palette of another theme."""
        for bar in (self.header, self.caption, self.banner, self.footer, self.filter):
            bar.repaint(palette)

    # ---------------------------------------------------------------- frames

    def invalidate(self) -> None:
        """Make the next frame render the whole Board."""
        self._shown = NOT_SHOWN

    @property
    def stale(self) -> bool:
        """Whether the Board changed since the last frame."""
        return self._shown == NOT_SHOWN

    def forget_connection(self) -> None:
        """Forget the state of the engines, when another session comes into view."""
        self.connection = Connection("empty")

    def render(self) -> None:
        """Render the Board at the time that is shown."""
        console = self._console
        if not self.header.is_attached:
            return
        frame = console.frame
        shown = (frame.board.seq, frame.now // SECOND)
        if shown != self._shown:
            self._shown = shown
            console.overview.choose(frame)
            self._update_connection(connection_of(frame.board, frame.now), frame.now // SECOND)
            feed, file = console.feed, console.sessions.current.file
            notice = banner(self.connection, feed.trouble, frame.board.restarted, frame.now, feed.file_change, file)
            self.banner.set_class(bool(notice), "shown")
            self.banner.show(notice)
            self.render_header()
            self._render_caption(frame)
            self._render_footer()
            if console.page.is_attached:
                console.page.show(console.frame)
            if self.filter.display:
                self.filter.say(*console.page.matched, console.page.filter_problem)
        elif console.page.is_attached:
            console.page.tick(frame)
        self._plan_next_tick()

    def _update_connection(self, connection: Connection, second: int) -> None:
        """Update the state of the engines. A change of only the age is shown once a second: it changes every frame."""
        before, sessions = self.connection, self._console.sessions
        if second == self._aged and connection._replace(age=before.age, since=before.since) == before:
            self._unread = sessions.unread
            return
        returned = before.state in ("silent", "ended") and connection.state == "live"
        played = self._console.feed.board.scenario is not None  # its engine starts over when the operator says so
        if sessions.replay is None and returned and not (self._unread or played):
            seconds = (sessions.now() - before.since) / SECOND
            self._console.show_notice(f"The engine is back after {whole_span(seconds)}.")
        self.connection, self._aged, self._unread = connection, second, sessions.unread

    def _plan_next_tick(self) -> None:
        """Set a timer for when time alone changes the screen: at the next second, or sooner during a countdown."""
        sessions = self._console.sessions
        now = sessions.now()
        planned = None if sessions.paused or self._console.page.counting else now // SECOND
        if self._tick is not None:
            if planned is not None and planned == self._planned:
                return
            self._tick.stop()
            self._tick = None
        if sessions.paused:
            return
        wait = COUNTDOWN_INTERVAL if planned is None else (SECOND - now % SECOND) / SECOND + 0.002
        self._tick, self._planned = self._console.set_timer(wait, self._on_tick), planned

    def _on_tick(self) -> None:
        self._tick = None
        self.render()

    # ---------------------------------------------------------------- header and footer

    def render_header(self) -> None:
        """Render the header: the seek bar in a replay, else the breadcrumb, the counts and the totals."""
        console, sessions = self._console, self._console.sessions
        screens = console.screen_stack[1:]
        crumbs = (console.page.title, console.page.trail, *(getattr(screen, "crumb", "") for screen in screens))
        where = tuple(part for part in crumbs if part)
        view = sessions.seek_view
        self.header.set_class(view is not None, "past")
        behind = sessions.behind if sessions.paused else None
        second = sessions.now() // SECOND * SECOND
        heading = Heading(
            sessions.current.file,
            self.connection,
            console.overview.order.counts,
            self._counting.totals(console.feed.board, second),
            second,
            behind,
            where,
            bool(console.feed.trouble),
            scenario=console.feed.board.scenario is not None,
            alarm=sessions.trouble_below,
        )
        self.header.set_class(heading.scenario and view is None, "scenario")
        if view is not None:
            summary = summary_lines(heading, console.size.width, console.glyphs)
            self._render_seek_bar(view._replace(where=(sessions.current.file, *where), summary=summary))
        elif (key := (heading, console.size.width)) != self._header_key:
            self._header_key = key
            self.header.show(header_line(heading, console.size.width, console.glyphs))

    def _render_seek_bar(self, view: SeekView) -> None:
        console = self._console
        steps, changes = (
            f"{console.key(f'previous_{what}')} {console.key(f'next_{what}')}" for what in ("event", "change")
        )
        self.seek_bar = seek_bar(view, console.size.width, console.glyphs, (steps, changes, console.key("live")))
        self.header.show(self.seek_bar.line)
        self._header_key = ()

    def time_at(self, column: int) -> int | None:
        """Return the time at a column of the seek bar, in UTC microseconds; None when there is no seek bar."""
        view = self._console.sessions.seek_view
        return None if view is None else time_at(view, self.seek_bar, column)

    def _render_caption(self, frame: Frame) -> None:
        """Render the caption of the scenario that plays, in the past too."""
        console = self._console
        keys = CaptionKeys()
        if console.sessions.controls is not None:
            keys = CaptionKeys(console.key("restart"), "" if console.sessions.at_bottom else console.key("live"))
        (width, height), past = console.size, console.sessions.replay is not None
        lines = caption_lines(frame.board, frame.now, width, height, console.glyphs, keys, word=past)
        self.caption.show_lines(lines)

    def _render_footer(self) -> None:
        console = self._console
        first = self._first_keys()
        read_only = console.dispatcher.read_only
        key = (console.page.PAGE, first, read_only, console.size.width)
        if key == self._footer_key:
            return
        self._footer_key = key
        actions = collapse_page_keys(promoted(console.available_actions, first))
        self.footer.show_keys(footer_line(actions, console.size.width, read_only))

    def _first_keys(self) -> dict[str, str]:
        """Return the actions that come first while the past or a scenario is shown, with their labels."""
        if self._console.sessions.paused:
            return {"pause": "resume"}
        if (controls := self._console.sessions.controls) is not None:
            stop = {"pause": "go on" if controls.paused else "stop"}
            fault = {} if self._console.dispatcher.read_only else {"inject": "fault"}
            return {**stop, "next_step": "next step", "restart": "start over", **fault}
        view = self._console.sessions.seek_view
        if view is None:
            return {}
        first = {"pause": "hold" if view.playing else "play"}
        return first if view.back is None else first | {"live": "live"}

    # ---------------------------------------------------------------- the filter

    def open_filter(self, text: str) -> None:
        """Show the filter in place of the footer, with the text that the page is filtered by."""
        self.footer.display = False
        self.filter.text = text
        self.filter.display = True

    def close_filter(self) -> None:
        """Show the footer in place of the filter."""
        self.filter.display = False
        self.footer.display = True

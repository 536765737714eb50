"""The console: follows a feed, shows its Board, and carries an operator's commands to the mailbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.actions import SkipAction
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from fuseboard_console.actions.catalogue import ACTIONS, actions_for
from fuseboard_console.actions.keymap import with_keys
from fuseboard_console.actions.model import Action, read_only_actions
from fuseboard_console.app.customisation import Personal
from fuseboard_console.app.frame import NOTHING
from fuseboard_console.pages.overview import Overview
from fuseboard_console.pages.page import Page
from fuseboard_console.pages.registry import BY_ID
from fuseboard_console.painting.cached_widget import CachedContainer, CachedScreen
from fuseboard_console.painting.line_bar import LineBar
from fuseboard_console.painting.scrollbar import draw_scrollbars
from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.sources.feed import TROUBLE, Feed, Mailbox
from fuseboard_console.sources.session import Session
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.alerts import Alerts
from fuseboard_console.tui.bindings import bindings_of
from fuseboard_console.tui.themes import THEMES
from fuseboard_console.views.frame.header import Counting
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar
from fuseboard_console.widgets.header import HeaderBar
from fuseboard_engine.runtime.clock import wall_clock

if TYPE_CHECKING:
    from textual.command import Provider

    from fuseboard_console.sources.replay import Replay

POLL = 0.1
"""Seconds between two looks at the recording."""
CALM = 20
"""Looks in a row that find nothing new, after which it is looked half as often: a calm console costs little."""


def _adapter_commands() -> type[Provider]:
    """Import what finds adapters in the palette when that first opens."""
    from fuseboard_console.app.palette_adapters import AdapterCommands

    return AdapterCommands


class ConsoleApp(Personal):
    """Watches one recording. Without a mailbox it is read-only."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Fuseboard"
    COMMANDS = Personal.COMMANDS | {_adapter_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("escape", "drop_notices", "Remove notices", show=False, priority=True),
    ]

    def __init__(
        self,
        feed: Feed,
        *,
        file: str,
        mailbox: Mailbox | None = None,
        replay: Replay | None = None,
        glyphs: Glyphs = UNICODE,
        theme: str = "fuseboard-dark",
        now: Callable[[], int] = wall_clock,
        poll: float = POLL,
        failure_reason: Callable[[], str] | None = None,
        preferences: Preferences = DEFAULT,
        greets: bool = False,
    ) -> None:
        """Show `feed`, whose recording is called `file`. `now` gives UTC microseconds, `poll` is in seconds.

        `replay` is the feed itself when it can seek. `failure_reason` returns a sentence when something is wrong that
        the recording does not show, else an empty text; the sentence is shown once. The caller has already resolved
        the glyphs and the theme of `preferences`. `greets` shows the hints of a first start.
        """
        super().__init__()
        self.feed = feed
        self._file = safe_text(file, 200)
        self.glyphs = glyphs
        self._clock = now
        self._places = [Session(feed, self._file, mailbox, replay=replay, failure_reason=failure_reason)]
        self._left: list[Session] = []
        self._dispatchers = [self._dispatcher_for(self._places[0])]
        self.dispatcher = self._dispatchers[0]
        self._poll = poll
        self._worried: set[Session] = set()
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme
        self.palette = palette = self._palette()
        self.set_class(glyphs is ASCII, "ascii")
        draw_scrollbars(glyphs is ASCII)
        self.preferences, self.greets, self.compact = preferences, greets, preferences.compact
        self._alerts = Alerts()
        self.actions = with_keys(actions_for(mailbox is None), preferences.keys)
        if mailbox is None:  # the keys that are gone say so
            for action in with_keys(ACTIONS, preferences.keys):
                if action.verb:
                    self._bindings.bind(",".join(action.keys), "read_only", action.label, show=False)
        for binding in bindings_of(action for action in self.actions if self._is_mine(action)):
            # The filter's key comes first of all: what is typed quickly after it is its text and no command.
            # So does the one that puts the console aside, which works over any screen.
            first = binding.id in ("filter", "suspend")
            self._bindings.bind(binding.key, binding.action, binding.description, show=binding.show, priority=first)
        self._header = HeaderBar(palette)
        self._banner = LineBar(palette, id="banner")
        self._footer = FooterBar(palette)
        self._counting = Counting()
        self._filter = FilterBar(palette)
        self._filter.display = False
        self.overview = Overview(self, self._file, preferences)
        self.page: Page = self.overview
        self._pages: dict[str, Page] = {self.overview.PAGE: self.overview}
        self._body = CachedContainer(self.overview, id="body")
        self._looked_at = (-1, "", 0)

    def _is_mine(self, action: Action) -> bool:
        """Whether an action is the console's own: the others are bound by the pages and the lists they work in."""
        return action.group != "Move" and hasattr(self, "action_" + action.call.partition("(")[0])

    # ---------------------------------------------------------------- laying out

    def compose(self) -> ComposeResult:
        """Yield the widgets, top to bottom."""
        yield self._header
        yield self._banner
        yield self._body
        yield self._footer
        yield self._filter

    def get_default_screen(self) -> CachedScreen:
        """Return what everything lies on."""
        return CachedScreen(id="_default")

    def on_mount(self) -> None:
        """Show what there is, then follow."""
        self.page.focus_first()
        self.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self.run_worker(self._follow(), name="follow", exit_on_error=True)

    def on_resize(self) -> None:
        """Fill the new size, which Textual takes over only after this."""
        self.call_later(self.show)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let a key mean only what works where one is: a page, or what stands on top of it."""
        known = [one for one in self.actions if one.call.partition("(")[0] == action]
        if not known or not any(one.pages for one in known):
            return True
        where = getattr(self.screen, "PAGE", self.page.PAGE)
        return any(not one.pages or where in one.pages for one in known)

    # ---------------------------------------------------------------- pages

    def action_page(self, page: str) -> None:
        """Go to a page."""
        self.go_to(page)

    def go_to(self, page: str) -> Page:
        """Go to a page by its id and return it; screens that stand on top are closed."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if page == self.page.PAGE:
            return self.page
        self.clear_notifications()  # they cover lines of the page that is gone to
        self._leave_filter()
        self.screen.set_focus(None)  # the next key may have come already: it is none of the page that is left
        self.page.display = False
        if page not in self._pages:
            self._pages[page] = BY_ID[page].make(self)
            self._body.mount(self._pages[page])
        self.page = self._pages[page]
        self.page.display = True
        if self.page.is_attached:
            self.page.focus_first()
        self.call_after_refresh(self._arrive)
        return self.page

    def _arrive(self) -> None:
        self.apply_page_frames()
        self.page.focus_first()
        self.show()

    # ---------------------------------------------------------------- following

    async def _follow(self) -> None:
        calm = 0
        while True:
            await self._close_left()
            calm += 1
            if self._paused_at is None:
                if await self.feed.advance():
                    self._shown = NOTHING
                    calm = 0
                    await asyncio.sleep(0)  # a key that came meanwhile goes first
                if self._shown == NOTHING:
                    self._show()
            else:
                await self._count_behind()
            await self._refresh_page_data()
            self.page.flush_deferred()
            for dispatcher in self._dispatchers:
                await dispatcher.look()
            self._look_for_worries()
            self.look_for_alerts()
            await asyncio.sleep(self._poll if calm < CALM else 2 * self._poll)

    async def _refresh_page_data(self) -> None:
        # What a page reads may be another without any event: it looks once a second at least.
        looked_at = (self.feed.board.seq, self.page.PAGE, int(time.monotonic()))
        if looked_at != self._looked_at and self.page.is_attached:
            self._looked_at = looked_at
            await self.page.refresh_data(self.frame)

    def _look_for_worries(self) -> None:
        place = self._place
        if place.failure_reason is not None and place not in self._worried and (text := place.failure_reason()):
            self._worried.add(place)
            self.notify(safe_text(text, 400), severity="error", markup=False, timeout=120)

    async def _count_behind(self) -> None:
        with suppress(*TROUBLE):
            behind = await self.feed.behind()
            if behind != self._behind:
                self._behind = behind
                self._show_header()

    # ---------------------------------------------------------------- the filter

    def action_filter(self) -> None:
        """Type a filter; within one, or on another screen, its key is a key like any other."""
        if len(self.screen_stack) > 1 or not self.page.FILTERS or self._filter.display:
            raise SkipAction
        self._footer.display = False
        self._filter.text = self.page.filter_text
        self._filter.display = True
        self.screen.set_focus(self._filter)  # at once: the next key may have come already
        self.call_after_refresh(self.show)

    def on_filter_bar_typed(self, event: FilterBar.Typed) -> None:
        """Filter by what was typed so far."""
        self.page.filter_by(event.text)
        self.show()

    def on_filter_bar_left(self) -> None:
        """Give the keys back to the page."""
        self._leave_filter()
        self.page.focus_first()
        self.call_after_refresh(self.show)

    def _leave_filter(self) -> None:
        self._filter.display = False
        self._footer.display = True

    # ---------------------------------------------------------------- the palette

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return all that can be done, for the palette."""
        from fuseboard_console.app.palette_actions import commands_of

        return commands_of(
            self, read_only_actions(self.actions) if self.dispatcher.read_only else self.actions, self.working
        )

    async def run_one(self, action: Action) -> None:
        """Do an action, whether it is the console's or the page's."""
        mine = hasattr(self, "action_" + action.call.partition("(")[0])
        await self.run_action(action.call, default_namespace=self if mine else self.page)

    async def on_footer_bar_clicked(self, event: FooterBar.Clicked) -> None:
        """Do the action that was clicked at the foot."""
        await self.run_one(next(action for action in self.actions if action.id == event.action))

    # ---------------------------------------------------------------- view

    def action_next_pane(self) -> None:
        """Go to the next pane."""
        self.screen.focus_next()

    def action_help(self) -> None:
        """Show the help."""
        from fuseboard_console.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.palette, self.working, self.glyphs))

"""The console's Textual app: bindings, actions and messages. Its parts render frames, seek and send commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.reactive import var
from textual.screen import Screen

from fuseboard_console.actions.catalogue import ACTIONS, actions_for
from fuseboard_console.actions.keymap import with_keys
from fuseboard_console.actions.model import Action, key_for, on_page, read_only_actions, while_steered
from fuseboard_console.app.customisation import Customisation
from fuseboard_console.app.frame import FrameRenderer
from fuseboard_console.app.operator_actions import OperatorActions, Steering
from fuseboard_console.app.polling import POLL, Polling
from fuseboard_console.app.session_stack import SessionStack
from fuseboard_console.app.suspend import has_shell, install_suspend_handlers
from fuseboard_console.cli import exit_codes
from fuseboard_console.pages.overview import Overview
from fuseboard_console.pages.page import Page
from fuseboard_console.pages.registry import make_page
from fuseboard_console.painting.cached_widget import CachedContainer, CachedScreen
from fuseboard_console.painting.scrollbar import draw_scrollbars
from fuseboard_console.preferences.model import DEFAULT, Preferences
from fuseboard_console.screens.detail_modal import DetailModal
from fuseboard_console.sources.feed import Feed, Mailbox
from fuseboard_console.sources.session import Controls, Session, Speeds
from fuseboard_console.text.glyphs import ASCII, UNICODE, Glyphs
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.tui.bindings import bindings_of
from fuseboard_console.tui.notices import NoticeApp
from fuseboard_console.tui.protocols import Frame
from fuseboard_console.tui.themes import THEMES, Palette, variables_of
from fuseboard_console.views.adapters.engine_presence import connection_of
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar
from fuseboard_console.widgets.header import HeaderBar
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.board.board import AdapterKey

if TYPE_CHECKING:
    from textual.command import Provider

    from fuseboard_console.operator.dispatcher import CommandDispatcher
    from fuseboard_console.sources.replay import Replay

SKIP_SECONDS = 10.0
"""Seconds that the keys for back and forward skip."""
NO_COLOURS = NoColor()
"""The filter that leaves the attributes of a text, such as bold, and its colours to the terminal."""


def _adapter_commands() -> type[Provider]:
    """Import the palette's search for adapters when the palette first opens."""
    from fuseboard_console.app.palette_adapters import AdapterCommands

    return AdapterCommands


class ConsoleApp(NoticeApp):
    """Shows one recording, live or as a replay. Without a mailbox it is read-only.

    The app holds four parts: `sessions` (what is shown, and where commands go), `renderer` (the bars and the frames),
    `operator` (commands on breakers) and `customisation` (the operator's preferences).
    """

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "Fuseboard"
    SUSPENDED_SCREEN_CLASS = "-suspended"
    COMMANDS = App.COMMANDS | {_adapter_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True),
        Binding("escape", "drop_notices", "Remove notices", show=False, priority=True),
        Binding("escape", "leave", "Leave the past or a scenario", show=False),
    ]

    compact: var[bool] = var(False, init=False)
    """Whether lists are shown without frames."""

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
        controls: Controls | None = None,
        preferences: Preferences = DEFAULT,
        show_hints_at_start: bool = False,
        reveal: bool = False,
    ) -> None:
        """Create the app.

        Args:
            feed: what to show.
            file: the name of its recording.
            mailbox: where commands go; None makes the console read-only.
            replay: the feed itself when it can seek.
            glyphs: the signs to draw with; the caller has resolved those of `preferences`.
            reveal: show payloads of dead letters with the secrets in them.
            theme: the id of the theme; the caller has resolved that of `preferences`.
            now: returns the present, in UTC microseconds.
            poll: seconds between two polls of the feed.
            failure_reason: returns a sentence when something is wrong that the recording does not show, else an empty
                text. The sentence is shown once.
            controls: steers the scenario whose recording this is; None if it is no scenario of this console.
            preferences: the operator's preferences.
            show_hints_at_start: whether to show the hints of a first start.
        """
        super().__init__()
        self.glyphs = glyphs
        self.reveal = reveal
        self._polling = Polling(self, poll)
        self._show_hints_at_start = show_hints_at_start
        self.actions = with_keys(actions_for(mailbox is None), preferences.keys)
        name = safe_text(file, 200)
        first = Session(feed, name, mailbox, replay=replay, controls=controls, failure_reason=failure_reason)
        self.sessions = SessionStack(first, now, self.show_notice, self.key, self._session_changed)
        for own in THEMES:
            self.register_theme(own)
        self.theme = theme
        self.set_class(glyphs is ASCII, "ascii")
        self.set_class(self.no_color, "no-color")
        draw_scrollbars(glyphs is ASCII)
        self.set_reactive(ConsoleApp.compact, preferences.compact)
        self.customisation = Customisation(self, preferences)
        self.renderer = FrameRenderer(self, self.palette)
        self.operator = OperatorActions(self)
        self.steering = Steering(self)
        self._bind_actions(preferences, read_only=mailbox is None)
        self.overview = Overview(self, name, preferences)
        self.page: Page = self.overview
        self._pages: dict[str, Page] = {self.overview.PAGE: self.overview}
        self._body = CachedContainer(self.overview, id="body")

    def _bind_actions(self, preferences: Preferences, *, read_only: bool) -> None:
        """Bind the keys of the app's own actions; pages and lists bind theirs."""
        if read_only:  # the keys of commands show why they do nothing
            for action in with_keys(ACTIONS, preferences.keys):
                if action.verb:
                    self._bindings.bind(",".join(action.keys), "read_only", action.label, show=False)
        for binding in bindings_of(action for action in self.actions if self._is_own(action)):
            # The filter's key has priority, so that what is typed quickly after it becomes its text.
            # So has the one that suspends, which works over any screen.
            first = binding.id in ("filter", "suspend")
            self._bindings.bind(binding.key, binding.action, binding.description, show=binding.show, priority=first)

    def _is_own(self, action: Action) -> bool:
        """Return whether an action is the app's own rather than that of a page or a list."""
        return action.group != "Move" and hasattr(self, "action_" + action.call.partition("(")[0])

    # ---------------------------------------------------------------- what pages and screens need

    @property
    def feed(self) -> Feed:
        """The feed in view."""
        return self.sessions.current.feed

    @property
    def dispatcher(self) -> CommandDispatcher:
        """The dispatcher of the session in view."""
        return self.sessions.dispatcher

    @property
    def palette(self) -> Palette:
        """The styles of the theme in use."""
        return self.customisation.palette

    @property
    def frame(self) -> Frame:
        """The content of the current frame."""
        sessions = self.sessions
        return Frame(sessions.current.feed.board, sessions.now(), self.renderer.connection, past=sessions.past)

    @property
    def available_actions(self) -> tuple[Action, ...]:
        """The actions that work on the page in view: those that the footer, the help and the palette offer."""
        actions = on_page(self.actions, self.page.PAGE)
        actions = while_steered(actions, steered=self.sessions.controls is not None)
        return read_only_actions(actions) if self.dispatcher.read_only else actions

    @property
    def playing(self) -> tuple[str, str] | None:
        """The scenario that plays and its speed, such as `×2`; None when none plays."""
        scenario = self.sessions.scenario
        return None if scenario is None else (scenario[0], f"{self.glyphs.times}{scenario[1]}")

    def key(self, id: str) -> str:
        """Return the operator's key for an action, to be named in a sentence."""
        return key_for(self.actions, id)

    def show(self) -> None:
        """Render everything: a choice was made, or the size changed."""
        self.renderer.invalidate()
        self.renderer.render()

    def refuse_if_read_only(self) -> bool:
        """Show why no command can be sent, in a replay or a read-only console; return whether it was refused."""
        return self.operator.refuse_if_read_only()

    async def act_on(self, action: Action, adapter: AdapterKey) -> None:
        """Run an action on one adapter, wherever the cursor is and whatever is marked."""
        await self.operator.act_on(action, adapter)

    def to_terminal(self, code: str) -> None:
        """Send the terminal an escape code that does not change the screen."""
        if self._driver is not None:
            self._driver.write(code)

    # ---------------------------------------------------------------- layout and life cycle

    def compose(self) -> ComposeResult:
        """Yield the widgets, top to bottom."""
        yield self.renderer.header
        yield self.renderer.caption
        yield self.renderer.banner
        yield self._body
        yield self.renderer.footer
        yield self.renderer.filter

    def get_default_screen(self) -> CachedScreen:
        """Return the screen at the bottom of the stack."""
        return CachedScreen(id="_default")

    def on_mount(self) -> None:
        """Apply the preferences, and start to follow the feed."""
        install_suspend_handlers(self)
        self.customisation.apply_keys()
        if self._show_hints_at_start:
            self.customisation.show_hints()
        self.page.focus_first()
        self.theme_changed_signal.subscribe(self, lambda _: self._apply_theme())
        self._follow()

    async def on_unmount(self) -> None:
        """Close every session that was opened from the console."""
        await self.sessions.close()

    def on_resize(self) -> None:
        """Render for the new size, which Textual applies only after this."""
        self.call_later(self.show)

    @work(name="follow")
    async def _follow(self) -> None:
        """Poll the sessions until the app ends."""
        await self._polling.run()

    # ---------------------------------------------------------------- actions in general

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action works on the page in view, or on the screen on top."""
        known = [one for one in self.actions if one.call.partition("(")[0] == action]
        if self.sessions.controls is None and any(one.steers for one in known):
            return False
        if not known or not any(one.pages for one in known):
            return True
        page = getattr(self.screen, "PAGE", self.page.PAGE)
        return any(not one.pages or page in one.pages for one in known)

    async def run_one(self, action: Action) -> None:
        """Run an action, whether it is the app's or the page's."""
        await self.run_action(action.call, default_namespace=self if self._is_own(action) else self.page)

    @on(FooterBar.Clicked)
    async def _run_clicked(self, event: FooterBar.Clicked) -> None:
        """Run the action that was clicked in the footer."""
        await self.run_one(next(action for action in self.actions if action.id == event.action))

    def action_read_only(self) -> None:
        """Show why a key does nothing."""
        self.operator.refuse_if_read_only()

    def action_interrupt(self) -> None:
        """Leave the console with the exit code that Ctrl-C has in every command."""
        self.exit(return_code=exit_codes.INTERRUPTED)

    def action_next_pane(self) -> None:
        """Focus the next pane."""
        self.screen.focus_next()

    def action_help(self) -> None:
        """Show the help."""
        from fuseboard_console.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.palette, self.available_actions, self.glyphs))

    def action_suspend_process(self) -> None:
        """Suspend the console, if a shell waits that can bring it back."""
        if has_shell():
            super().action_suspend_process()
        else:
            self.show_notice("The console cannot be suspended: no shell waits to bring it back.")

    # ---------------------------------------------------------------- pages

    def action_page(self, page: str) -> None:
        """Go to a page."""
        self.go_to(page)

    def action_page_menu(self) -> None:
        """Choose among all pages."""
        from fuseboard_console.app.palette_actions import PageCommands

        self.customisation.open_palette("a page", [PageCommands])

    def go_to(self, page: str) -> Page:
        """Go to a page by its id and return it. Screens on top are closed."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if page == self.page.PAGE:
            return self.page
        self.clear_notifications()  # they cover lines of the next page
        self.renderer.close_filter()
        self.screen.set_focus(None)  # a key that has already come must not reach the page that is left
        self.page.display = False
        if page not in self._pages:
            self._pages[page] = make_page(page, self)
            self._body.mount(self._pages[page])
        self.page = self._pages[page]
        self.page.display = True
        if self.page.is_attached:
            self.page.focus_first()
        self.call_after_refresh(self._page_mounted)
        return self.page

    def _page_mounted(self) -> None:
        self.customisation.apply_page_frames()
        self.page.focus_first()
        self.show()

    # ---------------------------------------------------------------- the filter

    def action_filter(self) -> None:
        """Open the filter. While it is open, or on another screen, its key is an ordinary key."""
        if len(self.screen_stack) > 1 or not self.page.filterable or self.renderer.filter.display:
            raise SkipAction
        self.renderer.open_filter(self.page.filter_text)
        self.screen.set_focus(self.renderer.filter)  # at once: the next key may have come already
        self.call_after_refresh(self.show)

    @on(FilterBar.Typed)
    def _filter_page(self, event: FilterBar.Typed) -> None:
        """Filter by what was typed so far."""
        self.page.filter_by(event.text)
        self.show()

    @on(FilterBar.Left)
    def _close_filter(self) -> None:
        """Return the focus to the page."""
        self.renderer.close_filter()
        self.page.focus_first()
        self.call_after_refresh(self.show)

    # ---------------------------------------------------------------- sessions

    def push_session(self, session: Session) -> None:
        """Show another session; `pop_session` returns."""
        self.sessions.push(session)

    def pop_session(self) -> None:
        """Return to the session below; do nothing at the bottom."""
        self.sessions.pop()

    def pop_all_sessions(self) -> None:
        """Return to the session that the console was opened on, and end what was started since."""
        while not self.sessions.at_bottom:
            self.pop_session()

    def leave_scenario(self, then: Callable[[], object]) -> None:
        """Do what ends the scenario that was started from this console; ask first if it has not ended by itself."""
        self.steering.leave(then)

    async def action_quit(self) -> None:
        """Quit; ask first while a scenario plays."""
        self.steering.leave(self.exit, quits=True)

    def _session_changed(self) -> None:
        self.renderer.forget_connection()
        self.clear_notifications()  # they are about the session that was left
        for page in self._pages.values():
            page.unmark()  # marks are too: a command would apply to adapters out of sight
        self.show()

    def action_live(self) -> None:
        """Return to the present, or from a scenario to where it was started."""
        if self.sessions.at_bottom:
            if self.sessions.paused:
                self.action_pause()
            return
        self.steering.leave_view(self._leave_session)

    def _leave_session(self) -> None:
        while len(self.screen_stack) > 1:  # the detail of a past moment does not apply to the present
            self.pop_screen()
        self.pop_session()
        if self.sessions.past or self.sessions.controls:
            self.show_notice(f"Back at {self.sessions.current.file}.")
        elif connection_of(self.feed.board, self.sessions.now()).state == "live":
            self.show_notice("Live again.")
        else:
            self.show_notice("Back at the present: no engine is writing.")

    def action_leave(self) -> None:
        """Return from the past, a pause or a scenario. Whatever else the key closes or clears goes first."""
        if len(self.screen_stack) == 1 and (self.sessions.paused or not self.sessions.at_bottom):
            self.action_live()

    # ---------------------------------------------------------------- time

    def action_pause(self) -> None:
        """Pause the view or the replay, or resume it."""
        if self.sessions.replay is not None:
            self.sessions.replay.toggle()
        elif self.sessions.controls is not None:
            self.steering.toggle()
        else:
            self.sessions.toggle_pause()
        self.show()

    def action_next_step(self) -> None:
        """Go to the next step of the scenario."""
        self.steering.next_step()

    def action_restart(self) -> None:
        """Play the scenario from the beginning."""
        self.steering.restart()

    async def action_back(self) -> None:
        """Go ten seconds back."""
        await self._seek(lambda replay: replay.skip(-SKIP_SECONDS))

    async def action_forward(self) -> None:
        """Go ten seconds forward."""
        await self._seek(lambda replay: replay.skip(SKIP_SECONDS))

    async def action_previous_event(self) -> None:
        """Go back by one event."""
        await self._seek(lambda replay: replay.step(-1))

    async def action_next_event(self) -> None:
        """Go forward by one event."""
        await self._seek(lambda replay: replay.step(1))

    async def action_previous_change(self) -> None:
        """Go back to the previous state change of a breaker."""
        await self._seek(lambda replay: replay.to_change(-1))

    async def action_next_change(self) -> None:
        """Go forward to the next state change of a breaker."""
        await self._seek(lambda replay: replay.to_change(1))

    async def action_first_event(self) -> None:
        """Go to the beginning of the recording."""
        await self._seek(lambda replay: replay.to_start())

    async def action_go_to_time(self) -> None:
        """Ask for a time, and go there."""
        from fuseboard_console.screens.moment_prompt import ask_for_moment

        await ask_for_moment(self, self.sessions)

    @on(HeaderBar.Clicked)
    async def _seek_to_click(self, event: HeaderBar.Clicked) -> None:
        """Go to the time that was clicked on the seek bar."""
        at = self.renderer.time_at(event.x)
        if at is not None:
            await self.seek(at)

    async def seek(self, at: int) -> None:
        """Go to a time, in UTC microseconds."""
        await self._seek(lambda replay: replay.seek(at))

    async def _seek(self, move: Callable[[Replay], Awaitable[object]]) -> None:
        """Move the replay in view; from a live session, open a replay of it first."""
        replay = await self.sessions.open_replay()
        if replay is not None:
            await move(replay)
            self.show()

    def action_faster(self) -> None:
        """Double the speed of the replay or the scenario."""
        self._change_speed(lambda speeds: speeds.faster())

    def action_slower(self) -> None:
        """Halve the speed of the replay or the scenario."""
        self._change_speed(lambda speeds: speeds.slower())

    def _change_speed(self, change: Callable[[Speeds], object]) -> None:
        speeds = self.sessions.speeds
        if speeds is None:
            self.show_notice(f"A live view has no speed. {self.key('previous_event')} goes back in time.")
            return
        change(speeds)
        self.show()

    # ---------------------------------------------------------------- commands on breakers

    async def action_reset(self) -> None:
        """Reset the selected adapter's breaker."""
        await self.operator.send("reset")

    def action_reset_all(self) -> None:
        """Ask, then reset every breaker that refuses calls."""
        self.operator.reset_all()

    def action_force_open(self) -> None:
        """Ask, then hold the selected breaker open."""
        self.operator.confirm("force_open")

    def action_open_for(self) -> None:
        """Ask for how long, then open the selected breaker, or all marked ones."""
        self.operator.open_for()

    async def action_half_open(self) -> None:
        """End the selected breaker's wait."""
        await self.operator.half_open()

    def action_disable(self) -> None:
        """Ask, then let every call through the selected breaker."""
        self.operator.confirm("disable")

    def action_metrics_only(self) -> None:
        """Ask, then let every call through the selected breaker and count it."""
        self.operator.confirm("metrics_only")

    async def action_enable(self) -> None:
        """Let the selected breaker decide again."""
        await self.operator.send("enable")

    def action_inject(self) -> None:
        """Choose a fault for the selected adapter of a scenario."""
        self.operator.inject()

    # ---------------------------------------------------------------- looks and the palette

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        self.customisation.copy()

    def action_compact(self) -> None:
        """Remove the frames, or put them back."""
        self.compact = not self.compact

    def watch_compact(self) -> None:
        """Frame the lists of the page, or remove their frames."""
        self.customisation.apply_page_frames()
        self.show()

    def action_theme(self) -> None:
        """Go to the next of the console's own themes."""
        self.theme = self.customisation.next_theme()

    def _apply_theme(self) -> None:
        palette = self.customisation.apply_theme()
        self.renderer.apply_palette(palette)
        for page in self._pages.values():
            page.apply_palette(palette)
        for screen in self.screen_stack:
            if isinstance(screen, DetailModal):
                screen.apply_palette(palette)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of what is painted. With `NO_COLOR` there are no colours; Textual's own would be greys."""
        filters = super().get_line_filters()
        return [NO_COLOURS if isinstance(one, Monochrome) else one for one in filters] if self.no_color else filters

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the variables that the style sheets need from a theme that is not the console's own."""
        return variables_of(self.current_theme)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return all actions, for the palette."""
        from fuseboard_console.app.palette_actions import commands_of

        actions = read_only_actions(self.actions) if self.dispatcher.read_only else self.actions
        actions = while_steered(actions, steered=self.sessions.controls is not None)
        return commands_of(self, actions, self.available_actions)

    def action_command_palette(self) -> None:
        """Open the palette of actions and adapters."""
        self.customisation.open_palette("an action or an adapter")

    def search_themes(self) -> None:
        """Open a palette of all themes."""
        from textual.theme import ThemeProvider

        self.customisation.open_palette("a theme", [ThemeProvider])

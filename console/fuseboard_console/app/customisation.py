"""What is an operator's own in the console: keys, compactness, copying, alerts, and the hints of a first start."""

from __future__ import annotations

from functools import partial

from textual.actions import SkipAction

from fuseboard_console.app.first_start import hints
from fuseboard_console.app.session_stack import Travelling
from fuseboard_console.pages.page import Page
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.preferences.model import Preferences
from fuseboard_console.preferences.state_folder import state_folder
from fuseboard_console.screens.detail_modal import DetailModal
from fuseboard_console.terminal.clipboard import copied_text, copy
from fuseboard_console.text.glyphs import ASCII
from fuseboard_console.tui.alerts import Alerts, alert_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.themes import THEMES, Palette, palette_of, variables_of
from fuseboard_console.widgets.filter_bar import FilterBar

HINTS = 12.0
"""Seconds that the hints stay; Esc, another page and a click close them."""


class Personal(Travelling):
    """The console as one person wants it."""

    preferences: Preferences
    compact: bool
    """Whether nothing is framed."""
    greets: bool
    """Whether the hints are due."""
    _alerts: Alerts
    _pages: dict[str, Page]
    _filter: FilterBar

    def on_mount(self) -> None:
        """Take the operator's keys for what lists and texts bind, and show the hints when they are due."""
        theirs = {action.id: action for action in self.actions if action.group == "Move" or action.id == "copy"}
        self.set_keymap({id: ",".join(theirs[id].keys) for id in self.preferences.keys if id in theirs})
        if self.greets:
            text = "\n".join(hints(self.actions, self.glyphs.name == "ascii"))
            self.notify(text, title="Three hints, this once", markup=False, timeout=HINTS)

    def forget_marks(self) -> None:
        """Take the marks of all pages away."""
        for page in self._pages.values():
            page.unmark()

    def action_drop_notices(self) -> None:
        """Take the notices away, which cover lines; the key then does what else it does here."""
        self.clear_notifications()
        raise SkipAction

    # ---------------------------------------------------------------- copying

    def action_copy(self) -> None:
        """Copy what is under the cursor: what is meant, not the cells that show it."""
        if text := self._under_cursor():
            run_in_background(self, partial(self._copy, text), instead_of="copy")  # tmux may take seconds, or hang
        else:
            self.show_notice("There is nothing here to copy.")

    async def _copy(self, text: str) -> None:
        copied = await copy(text, state_folder(), self.to_terminal)
        self.show_notice(copied_text(text, copied), "information" if copied.done else "warning")

    def _under_cursor(self) -> str:
        if len(self.screen_stack) == 1:
            return self.page.copied(self.frame)
        return self.screen.focused.copied() if isinstance(self.screen.focused, LineList) else ""

    def to_terminal(self, code: str) -> None:
        """Send the terminal an escape code that moves nothing on the screen."""
        if self._driver is not None:
            self._driver.write(code)

    # ---------------------------------------------------------------- looks

    def _palette(self) -> Palette:
        return palette_of(self.current_theme, ascii_only=self.glyphs is ASCII)

    def _take_theme(self) -> None:
        self.palette = self._palette()
        for bar in (self._header, self._banner, self._footer, self._filter):
            bar.repaint(self.palette)
        for page in self._pages.values():
            page.apply_palette(self.palette)
        for screen in self.screen_stack:
            if isinstance(screen, DetailModal):
                screen.apply_palette(self.palette)

    def action_theme(self) -> None:
        """Go to the next of the console's own themes."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return what the style sheets need of a theme that isn't the console's own."""
        return variables_of(self.current_theme)

    def action_command_palette(self) -> None:
        """Open the palette, with its invitation in the signs there are."""
        from fuseboard_console.screens import palette

        if not isinstance(self.screen, palette.Palette):
            invitation = self._invitation("an action or an adapter")
            self.push_screen(palette.Palette(id="--command-palette", placeholder=invitation))

    def search_themes(self) -> None:
        """Let a theme be chosen from all there are."""
        from textual.theme import ThemeProvider

        from fuseboard_console.screens import palette

        self.push_screen(palette.Palette(providers=[ThemeProvider], placeholder=self._invitation("a theme")))

    def _invitation(self, what: str) -> str:
        return f"Search for {what}{'...' if self.glyphs is ASCII else '…'}"

    def action_compact(self) -> None:
        """Take the frames away, or put them back."""
        self.compact = not self.compact
        self.apply_page_frames()
        self.show()

    def apply_page_frames(self) -> None:
        """Put frames round the page's lists where there is room for them and they are wanted."""
        self.page.apply_frames(frames=not self.compact and self.size.width >= 40 and self.size.height >= 14)

    # ---------------------------------------------------------------- alerts

    def look_for_alerts(self) -> None:
        """Tell of breakers that have opened, by bell or notice, as far as that is wanted and this is the present."""
        wanted = self.preferences.bell
        if wanted == "none":
            return
        if self.past:
            self._alerts.forget()
            return
        if names := self._alerts.look(self.feed.board, self.now()):
            if wanted in ("bell", "both"):
                self.bell()
            if wanted in ("notify", "both"):
                self.show_notice(alert_text(names), "error")

"""Applies an operator's preferences: theme, frames, keys of the lists, copying, alerts and the first hints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from fuseboard_console.app.first_start import hints
from fuseboard_console.painting.line_list import LineList
from fuseboard_console.preferences.paths import state_folder
from fuseboard_console.terminal.clipboard import copied_text, copy
from fuseboard_console.text.glyphs import ASCII
from fuseboard_console.tui.alerts import Alerts, alert_text
from fuseboard_console.tui.background_work import run_in_background
from fuseboard_console.tui.themes import THEMES, Palette, palette_of

if TYPE_CHECKING:
    from textual.command import Provider

    from fuseboard_console.app.app import ConsoleApp
    from fuseboard_console.preferences.model import Preferences

HINT_SECONDS = 12.0
"""Seconds that the hints stay; Esc, another page and a click close them."""
FRAMES_FROM = (40, 14)
"""The cells and lines from which on lists are framed."""


class Customisation:
    """Applies an operator's preferences to the app."""

    def __init__(self, app: ConsoleApp, preferences: Preferences) -> None:
        self._app = app
        self.preferences = preferences
        self.palette = self._current_palette()
        """The styles of the theme in use."""
        self._alerts = Alerts()

    # ---------------------------------------------------------------- keys and hints

    def apply_keys(self) -> None:
        """Bind the operator's keys for what lists and texts bind by themselves."""
        bound = {action.id: action for action in self._app.actions if action.group == "Move" or action.id == "copy"}
        self._app.set_keymap({id: ",".join(bound[id].keys) for id in self.preferences.keys if id in bound})

    def show_hints(self) -> None:
        """Show the hints of a first start."""
        text = "\n".join(hints(self._app.actions, self._app.glyphs is ASCII))
        self._app.notify(text, title="Three hints, shown once", markup=False, timeout=HINT_SECONDS)

    # ---------------------------------------------------------------- looks

    def _current_palette(self) -> Palette:
        return palette_of(self._app.current_theme, ascii_only=self._app.glyphs is ASCII, colours=not self._app.no_color)

    def apply_theme(self) -> Palette:
        """Take the palette of the theme that was chosen, and return it."""
        self.palette = self._current_palette()
        return self.palette

    def next_theme(self) -> str:
        """Return the console's own theme that follows the one in use."""
        names = [theme.name for theme in THEMES]
        at = names.index(self._app.theme) if self._app.theme in names else -1
        return names[(at + 1) % len(names)]

    def open_palette(self, subject: str, providers: Sequence[type[Provider]] | None = None) -> None:
        """Open a palette over `providers`, by default the app's own, with a placeholder that the glyphs can show.

        The palette of the app's own does nothing while it is already open.
        """
        from fuseboard_console.screens.palette import Palette as CommandPalette

        app = self._app
        if providers is None and isinstance(app.screen, CommandPalette):
            return
        placeholder = f"Search for {subject}{'...' if app.glyphs is ASCII else '…'}"
        id = "--command-palette" if providers is None else None
        app.push_screen(CommandPalette(providers=providers, placeholder=placeholder, id=id))

    def apply_page_frames(self) -> None:
        """Frame the lists of the page in view, unless the view is compact or small."""
        app = self._app
        app.page.apply_frames(
            frames=not app.compact and app.size.width >= FRAMES_FROM[0] and app.size.height >= FRAMES_FROM[1]
        )

    # ---------------------------------------------------------------- copying

    def copy(self) -> None:
        """Copy what is under the cursor: its meaning as text, not the cells that show it."""
        if text := self._under_cursor():
            run_in_background(self._app, partial(self._copy, text), replaces="copy")  # tmux may take seconds, or hang
        else:
            self._app.show_notice("There is nothing to copy here.")

    async def _copy(self, text: str) -> None:
        copied = await copy(text, state_folder(), self._app.to_terminal)
        self._app.show_notice(copied_text(text, copied), "information" if copied.done else "warning")

    def _under_cursor(self) -> str:
        app = self._app
        if len(app.screen_stack) == 1:
            return app.page.copied(app.frame)
        return app.screen.focused.copied() if isinstance(app.screen.focused, LineList) else ""

    # ---------------------------------------------------------------- alerts

    def check_alerts(self) -> None:
        """Alert the operator to breakers that have opened, by bell or notice, when the present is shown."""
        wanted = self.preferences.bell
        if wanted == "none":
            return
        app = self._app
        if app.sessions.past:
            self._alerts.forget()
            return
        if names := self._alerts.opened(app.feed.board, app.sessions.now()):
            if wanted in ("bell", "both"):
                app.bell()
            if wanted in ("notify", "both"):
                app.show_notice(alert_text(names), "error")

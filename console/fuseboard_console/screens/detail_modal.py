"""A modal screen over any page: lines about one thing, and a footer with the keys that work on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen

from fuseboard_console.actions.model import Action, on_page, read_only_actions
from fuseboard_console.text.line import Line
from fuseboard_console.tui.themes import Palette
from fuseboard_console.views.frame.footer import footer_line
from fuseboard_console.widgets.footer import FooterBar
from fuseboard_console.widgets.text_pane import TextPane

if TYPE_CHECKING:
    from fuseboard_console.tui.protocols import ConsoleHost

REFRESH_SECONDS = 0.5
"""Seconds between two frames."""
CLOSE = Action("dismiss", ("escape",), "close", "Close this.", "Fuseboard")


class DetailModal(ModalScreen[None]):
    """Shows lines that are rebuilt twice a second, until Escape."""

    CSS_PATH = Path(__file__).with_name("detail_modal.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Close"),
        Binding("question_mark", "help", "Help"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012 - as Textual declares it
    PAGE: ClassVar[str] = "text-detail"
    """The id by which actions name it in `pages`."""

    def __init__(
        self, title: str, palette: Palette, make: Callable[[int], list[Line]], keys: Sequence[Action] = ()
    ) -> None:
        """Show what `make` returns for a width, under a `title` of safe text. `keys` are in the footer and the help."""
        super().__init__()
        self.crumb = title
        """Its part of the breadcrumb, while it is open."""
        self.keys = tuple(keys)
        self.pane = TextPane(palette, make, id="detail")
        self._palette = palette
        self._footer = FooterBar(palette)

    @property
    def host(self) -> ConsoleHost:
        """The console below it."""
        return cast("ConsoleHost", self.app)

    def compose(self) -> ComposeResult:
        """Yield its widgets."""
        self.pane.border_title = Content(self.crumb)
        yield self.pane
        yield self._footer

    def on_mount(self) -> None:
        """Focus the text, and refresh it by a timer."""
        self.pane.focus()
        for action in self.host.actions:
            if action.id in ("live", "palette"):
                for key in action.keys:
                    self._bindings.bind(key, f"app.{action.call}", show=False)  # after its own keys: those go first
        self.set_interval(REFRESH_SECONDS, self.refresh_lines)
        self._show_keys()
        self.host.show()

    def on_unmount(self) -> None:
        """Remove its title from the breadcrumb."""
        self.host.show()

    def on_resize(self) -> None:
        """Lay out for the new width."""
        self._show_keys()

    def apply_palette(self, palette: Palette) -> None:
        """Repaint in the palette of another theme."""
        self._palette = palette
        self.pane.repaint(palette)
        self._footer.repaint(palette)

    def refresh_lines(self) -> None:
        """Show the current lines."""
        self.pane.show()

    @property
    def _actions(self) -> tuple[Action, ...]:
        keys = read_only_actions(self.keys) if self.host.dispatcher.read_only else self.keys
        copy = [action for action in self.host.actions if action.id in ("copy", "help")]
        return (*keys, *(action._replace(footer=True) for action in copy), CLOSE)

    def _show_keys(self) -> None:
        self._footer.show_keys(footer_line(self._actions, self.size.width, self.host.dispatcher.read_only))

    @on(FooterBar.Clicked)
    async def _run_clicked(self, event: FooterBar.Clicked) -> None:
        """Run the clicked action."""
        event.stop()
        action = next(action for action in self._actions if action.id == event.action)
        mine = hasattr(self, "action_" + action.call.partition("(")[0])
        await self.run_action(action.call if mine else f"app.{action.call}")

    def action_help(self) -> None:
        """Show the keys that work here."""
        from fuseboard_console.screens.help import HelpScreen

        moves = [action for action in on_page(self.host.actions, self.PAGE) if action.group == "Move"]
        self.app.push_screen(HelpScreen(self._palette, (*self._actions, *moves), self.host.glyphs))

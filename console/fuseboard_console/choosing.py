"""Which adapters are shown: sort, filter, the way to the next problem, and one of them in detail."""

from __future__ import annotations

from textual.content import Content
from textual.events import Key

from fuseboard_console.actions import Action
from fuseboard_console.glyphs import Glyphs
from fuseboard_console.operating import Operating
from fuseboard_console.safe_text import safe_text
from fuseboard_console.themes import Palette
from fuseboard_console.views.adapters import BY_STATE, Order, order_of
from fuseboard_console.views.filtering import Term, parse
from fuseboard_console.views.line import Line
from fuseboard_console.widgets.filter_bar import FilterBar
from fuseboard_console.widgets.footer import FooterBar


class Choosing(Operating):
    """The console's choice of adapters, on top of what an operator does."""

    actions: tuple[Action, ...]
    _glyphs: Glyphs
    _filter: FilterBar
    _footer: FooterBar
    _order: Order
    _shown: tuple[int, int]
    _terms: tuple[Term, ...] = ()
    _sort = BY_STATE
    _title = ""

    def now(self) -> int:
        """Return the time that is shown, UTC microseconds."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the Board as of now."""
        raise NotImplementedError

    def _palette(self) -> Palette:
        """Return what the theme's styles look like."""
        raise NotImplementedError

    def _choose(self, now: int) -> None:
        """Sort and filter anew, and say what is left out."""
        board = self._feed.board
        self._order = order_of(board, now, self._sort, self._terms)
        self._table.sort = self._sort
        title = "Breakers"
        if self._terms:
            title = (
                f"Breakers  / {safe_text(self._filter.text, 40)}  {len(self._order.keys):,} of {len(board.adapters):,}"
            )
        if title != self._title:
            self._title = title
            self._table.border_title = Content(title)  # what was typed is no markup
        if self._filter.display:
            self._filter.say(len(self._order.keys), len(board.adapters))

    def _choose_again(self) -> None:
        self._shown = (-1, -1)
        self.show()

    def action_sort(self) -> None:
        """Sort by the next column."""
        ids = self._table.column_ids or ("state",)
        at = ids.index(self._sort.column) if self._sort.column in ids else -1
        self._sort = BY_STATE._replace(column=ids[(at + 1) % len(ids)])
        self._choose_again()

    def action_turn(self) -> None:
        """Turn the order round."""
        self._sort = self._sort._replace(turned=not self._sort.turned)
        self._choose_again()

    def action_filter(self) -> None:
        """Type a filter; within one it is a character like any other."""
        if len(self.screen_stack) > 1:
            return
        if self._filter.display:
            self._filter.post_message(Key("slash", "/"))  # behind what was typed before it
            return
        self._footer.display = False
        self._filter.display = True
        self.screen.set_focus(self._filter)  # at once: the next key may have come already
        self.call_after_refresh(self._choose_again)

    def action_unfilter(self) -> None:
        """Show all adapters again."""
        if self._terms or self._filter.text:
            self._filter.take("")

    def on_filter_bar_typed(self, event: FilterBar.Typed) -> None:
        """Filter by what was typed so far."""
        self._terms = parse(event.text)
        self._choose_again()

    def on_filter_bar_left(self) -> None:
        """Give the keys back to the table."""
        self._filter.display = False
        self._footer.display = True
        self._table.focus()
        self.call_after_refresh(self._choose_again)

    def action_next_problem(self) -> None:
        """Put the cursor on the next adapter that needs a person."""
        if not self._table.next_problem(self.now()):
            self.tell("No breaker needs you.")

    def action_detail(self) -> None:
        """Show all that is known of the selected adapter."""
        key = self._table.selected
        if key is None:
            return
        from fuseboard_console.screens.detail import DetailScreen
        from fuseboard_console.views.detail import detail_lines

        actions = [action for action in self.actions if action.verb and action.needs_selection]

        def lines(cells: int) -> list[Line]:
            return detail_lines(self._feed.board, key, self.now(), cells, actions, self._glyphs)

        self.push_screen(DetailScreen(key, safe_text(key.adapter, 60), self._palette(), actions, lines))

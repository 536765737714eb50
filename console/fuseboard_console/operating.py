"""What an operator does from the console: each command asked of an engine, the dangerous ones after a question."""

from __future__ import annotations

from textual.app import App
from textual.notifications import SeverityLevel

from fuseboard_console.desk import Desk
from fuseboard_console.feed import Feed
from fuseboard_console.views.questions import ask_reset_all
from fuseboard_console.widgets.breakers import BreakersTable


class Operating(App[None]):
    """The operator's actions of the console."""

    _feed: Feed
    _desk: Desk
    _table: BreakersTable

    def tell(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something to the operator for a few seconds."""
        self.notify(text, severity=severity, markup=False, timeout=6)

    async def action_reset(self) -> None:
        """Reset the selected adapter's breaker."""
        key = self._table.selected
        if key is not None:
            await self._desk.ask("reset", key.adapter, key.instance)

    def action_reset_all(self) -> None:
        """Ask, then reset every breaker that refuses calls."""
        question = ask_reset_all(self._feed.board)
        if question is None:
            self.tell("No breaker is open: there is nothing to reset.")
            return
        from fuseboard_console.screens.confirm import ConfirmScreen

        async def answered(yes: bool | None) -> None:
            if yes:
                for instance in question.instances:
                    await self._desk.ask("reset_all", "", instance)

        self.push_screen(ConfirmScreen(question.title, question.text, question.yes), answered)

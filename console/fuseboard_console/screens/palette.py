"""The palette of commands, and of themes."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """Textual's own, which turns pages also in a terminal that has no room for one."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the list alone while it has no room: it has no lines to go by then."""
        if action == "command_list" and not self.query_one(CommandList).scrollable_content_region:
            return False
        return super().check_action(action, parameters)

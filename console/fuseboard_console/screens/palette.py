"""The palettes of commands and themes."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """Textual's palette, with page keys that also work in a terminal too small for its list."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable list actions while the list has no room."""
        if action == "command_list" and not self.query_one(CommandList).scrollable_content_region:
            return False
        return super().check_action(action, parameters)

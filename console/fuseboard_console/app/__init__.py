"""The Textual application.

`ConsoleApp` loads when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_console.app.app import ConsoleApp

__all__ = ["ConsoleApp"]

if not TYPE_CHECKING:  # a checker reads the import above

    def __getattr__(name: str) -> object:
        if name != "ConsoleApp":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fuseboard_console.app.app import ConsoleApp

        return ConsoleApp

"""The entry point of the program: takes Ctrl-C over, then imports and runs the command line."""

from __future__ import annotations

import sys

try:
    from typing import NoReturn

    from fuseboard_console.cli import interrupts
except KeyboardInterrupt:
    sys.exit(130)


def main() -> NoReturn:
    """Run this process's command line and exit."""
    try:
        interrupts.take_interrupts()
    except KeyboardInterrupt:
        sys.exit(130)
    from fuseboard_console.cli.main import main as run_command_line

    run_command_line()

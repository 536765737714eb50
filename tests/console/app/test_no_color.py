"""`NO_COLOR`: the console paints with attributes alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from support.console_story import story
from support.replays import recorded
from support.terminal import Terminal

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:[34]8|3[0-7]|4[0-7]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


def test_with_no_color_the_console_sends_no_colours(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.db", story())
    with Terminal(sys.executable, "-m", "fuseboard_console", "watch", str(path), NO_COLOR="1") as terminal:
        terminal.wait_for("prefect")
        terminal.press("?")
        terminal.wait_for("esc")
        assert not COLOUR.search(bytes(terminal.raw))
        assert b"\x1b[1" in bytes(terminal.raw)  # bold stays

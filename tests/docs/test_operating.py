"""The operating page describes the screen as it is."""

from __future__ import annotations

import re

from fuseboard_console.text.glyphs import APPEARANCES
from support.paths import ROOT

PAGE = ROOT / "docs" / "operating.md"


def test_the_table_of_states_has_every_state_with_both_symbols_and_its_word() -> None:
    table = re.findall(r"^\| (\S) \| `(\S)` \| ([A-Z ]+?)(?: was OPEN| \d.*?)? \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(table) == sorted((look.glyph, look.ascii, look.word) for look in APPEARANCES.values())

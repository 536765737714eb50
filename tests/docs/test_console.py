"""The console page lists the keys of the actions."""

from __future__ import annotations

import runpy

from support.paths import ROOT


def test_the_page_lists_every_key() -> None:
    table = runpy.run_path(str(ROOT / "docs" / "key_table.py"))["table"]()
    assert table in (ROOT / "docs" / "console.md").read_text(encoding="utf-8"), "run: python docs/key_table.py"

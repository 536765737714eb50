"""The pages on migrating and troubleshooting: blocks of other libraries run where those are installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fuseboard
from support.paths import ROOT
from support.waiting import PATIENCE

PAGE = (ROOT / "docs" / "migrating.md").read_text()
SETTING_UP = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
BLOCKS = {
    match[1]: match[2] for match in re.finditer(r"^## From (\w+)\n\n```py\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
}


def test_each_library_with_a_python_api_has_a_block() -> None:
    assert list(BLOCKS) == ["pybreaker", "circuitbreaker", "tenacity", "purgatory"]


@pytest.mark.parametrize("library", BLOCKS)
def test_the_block_of_a_library_runs(library: str, tmp_path: Path) -> None:
    pytest.importorskip(library)
    script = tmp_path / "before.py"
    script.write_text(f"{SETTING_UP}\n\n{BLOCKS[library]}")
    result = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr


def test_every_error_in_the_page_on_troubleshooting_can_be_imported() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line.split("|")[1] for line in page[page.index("## Errors") :].splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 20
    assert [name for name in named if name not in fuseboard.__all__] == []

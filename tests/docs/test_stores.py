"""The backend of the page on stores passes the conformance suite, as the page shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT
from support.waiting import PATIENCE

PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")


def test_the_backend_that_is_shown_passes_the_suite(tmp_path: Path) -> None:
    (shown,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "StoreConformance" in block]
    (tmp_path / "test_my_store.py").write_text(shown)
    # The rules of time and of crashes take seconds; other tests run them.
    quick = "Letter or batch or order or taker or pruned or newest"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"({quick}) and not lease", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=5 * PATIENCE)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_page_names_every_protocol() -> None:
    from fuseboard_storage import backend

    protocols = [name for name, home in backend._HOME.items() if home == "protocols"]
    assert all(f"`{name}`" in PAGE for name in protocols if name != "Describable")

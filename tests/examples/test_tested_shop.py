"""The example of a tested application passes, and its tests notice a mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT
from support.waiting import PATIENCE


def pytest_run(folder: Path) -> str:
    """Run pytest in a folder, as in a project of its own, and return what it prints."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout


def test_the_example_passes_and_a_shop_without_failover_does_not(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "examples" / "tested_shop", tmp_path / "shop"))
    assert "3 passed" in pytest_run(folder)
    shop = folder / "shop.py"
    shop.write_text(
        shop.read_text().replace("execute_with_fallback(question)", 'execute_with_fallback(question, ["gpt"])')
    )
    assert "1 failed, 2 passed" in pytest_run(folder)

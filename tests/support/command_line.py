"""The command line, run as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from support.paths import PROGRAMS

ENGINE = PROGRAMS / "checkout_engine.py"


def fuseboard(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuseboard_console", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)  # type: ignore[call-overload, no-any-return]


def start_engine(file: Path) -> subprocess.Popen[str]:
    engine = subprocess.Popen(
        [sys.executable, str(ENGINE), str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert engine.stdout is not None
    assert engine.stdout.readline() == "recording\n"
    return engine


def status(file: Path) -> dict[str, object]:
    shown = fuseboard("status", file, "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)  # type: ignore[no-any-return]


def state_of(file: Path, adapter: str) -> str:
    adapters = status(file)["adapters"]
    return next((a["state"] for a in adapters if a["adapter"] == adapter), "")  # type: ignore[attr-defined, no-any-return]


def wait_for(file: Path, adapter: str, state: str) -> None:
    deadline = time.monotonic() + 10
    while state_of(file, adapter) != state:
        assert time.monotonic() < deadline, f"{adapter} never was {state}"

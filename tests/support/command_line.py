"""The command line, run as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.paths import PROGRAMS
from support.waiting import PATIENCE, until

ENGINE = PROGRAMS / "checkout_engine.py"


def fuseboard(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. An engine has a minute to accept what is asked of it: a busy machine may take long."""
    words = [str(argument) for argument in arguments]
    if words[:1] in (["reset"], ["inject"], ["heal"]) and "--wait" not in words:
        words += ["--wait", f"{PATIENCE:g}"]
    command = [sys.executable, "-m", "fuseboard_console", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)  # type: ignore[call-overload, no-any-return]


def start_engine(file: Path) -> subprocess.Popen[str]:
    """Start an engine whose prefect fails and whose agno answers; return once it records to the file."""
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


def end_engine(engine: subprocess.Popen[str]) -> None:
    """End an engine normally by closing its standard input."""
    engine.communicate("", timeout=PATIENCE)


def wait_for(file: Path, adapter: str, state: str) -> None:
    """Return once the recorded state of the adapter is `state`."""
    until(lambda: state_of(file, adapter) == state)

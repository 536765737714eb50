"""Cold starts: `fuseboard status` compared with the two imports that it needs, the console with a trivial app.

Each is a process of its own, started in turn. The console and the trivial app run in a pseudo-terminal of 120 by 40;
the first paint is when a word that only the painted screen contains is written.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from report import Report, Table, at_most
from timing import Scale

from fuseboard_engine import BreakerPolicy, Engine, RetryPolicy
from fuseboard_storage import record

STATUS_LIMIT = 2.0  # times the two imports
PAINT_LIMIT = 1.5  # times the trivial app
IMPORTS = "import asyncio, sqlite3"
GIVE_UP = 30.0  # seconds until a missing first paint is an error

TRIVIAL = """
from textual.app import App
from textual.widgets import Static
class Trivial(App):
    def compose(self):
        yield Static("painted")
Trivial().run()
"""


async def make_recording(path: Path, tasks: int) -> None:
    """Record some traffic: three adapters, one of them down."""

    async def answer(task: Any) -> int:
        return 1

    async def fail(task: Any) -> int:
        raise ConnectionError("connection refused")

    policy = BreakerPolicy(failure_threshold=5, recovery_timeout=3600.0, max_recovery_timeout=3600.0)
    engine = Engine("bench", breaker=policy, retry=RetryPolicy(strategy="immediate"))
    for name, call in (("prefect", fail), ("agno", answer), ("llamaindex", answer)):
        engine.add_adapter(name, call)
    async with record(engine, path) as recorder:
        for number in range(tasks):
            await engine.execute_with_fallback({"task_type": "invoice"})
            if number % 2_000 == 0:  # as in real traffic, the recorder gets time for its keyframes
                await recorder.flushed()
                await asyncio.sleep(0.1)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which compiled modules are cached and the user's preferences are not read."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    home = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")}
    return {**kept, **home, "PYTHONPYCACHEPREFIX": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def to_end(command: Sequence[str], folder: Path) -> Callable[[], float]:
    """Return a function that runs a command to its end and returns the seconds that took."""

    def start() -> float:
        started = perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, env=environment(folder), check=True)
        return perf_counter() - started

    return start


def to_paint(command: Sequence[str], word: bytes, folder: Path) -> Callable[[], float]:
    """Return a function that runs a command in a pseudo-terminal and returns the seconds until it writes `word`."""

    def start() -> float:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        started = perf_counter()
        child = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(folder), start_new_session=True
        )
        os.close(theirs)
        try:
            seen = b""
            while word not in seen:
                try:
                    part = os.read(ours, 65536)
                except OSError:
                    part = b""
                if not part or perf_counter() - started > GIVE_UP:
                    raise RuntimeError(f"{command[-1]!r} never painted {word!r}; its last output was {seen[-500:]!r}")
                seen += part
            return perf_counter() - started
        finally:
            child.kill()
            child.wait()
            os.close(ours)

    return start


def compare(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run each in turn, after one uncounted round that fills the disk cache; return milliseconds by name."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, start in ways.items():
            took = start() * 1000
            if number:
                times[name].append(took)
    return times


def table(title: str, times: dict[str, list[float]]) -> Table:
    """Return a table of the times, each also as a multiple of the first."""
    first = min(next(iter(times.values())))
    rows = tuple(
        (name, f"{min(taken):.0f}", f"{statistics.median(taken):.0f}", f"{min(taken) / first:.2f}")
        for name, taken in times.items()
    )
    return Table(title, ("", "best", "median", "of the first"), rows)


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    program = [sys.executable, "-c", "from fuseboard_console.cli.main import main; main()"]
    rounds = scale.of(30, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, large = folder / "small.db", folder / "large.db"
        asyncio.run(make_recording(small, 500))
        asyncio.run(make_recording(large, scale.of(100_000, 100)))
        starts = compare(
            {
                'python -c "import asyncio, sqlite3"': to_end(
                    [sys.executable, "-c", "import asyncio, sqlite3"], folder
                ),
                "fuseboard status": to_end([*program, "status", str(small)], folder),
            },
            rounds,
        )
        paints = compare(
            {
                "a trivial Textual app": to_paint([sys.executable, "-c", TRIVIAL], b"painted", folder),
                "fuseboard watch": to_paint([*program, "watch", str(small)], b"llamaindex", folder),
                "fuseboard watch, a hundred thousand tasks": to_paint(
                    [*program, "watch", str(large)], b"llamaindex", folder
                ),
            },
            rounds,
        )
    plain, status = (min(times) for times in starts.values())
    trivial, watch, _ = (min(times) for times in paints.values())
    return Report(
        (table("Start to end, milliseconds", starts), table("Start to first paint, milliseconds", paints)),
        (
            at_most("status: under twice the two imports", status / plain, STATUS_LIMIT),
            at_most("first paint: under 1.5 times a trivial Textual app", watch / trivial, PAINT_LIMIT),
        ),
        ("Cold as a process, warm on disk: a first round, which also compiles the modules, is not counted.",),
    )

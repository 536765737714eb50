"""The console in a pseudo-terminal: CPU and bytes per frame, idle cost, cost under load, key latency, first paint.

The same run measures a trivial Textual app and an app that shows the breakers in a DataTable. All follow real
recordings of engines in other processes. CPU is that of the whole process. The cost of a change is the cost above an
idle period just before it: reading the recording, folding the events, the frame that shows the change, and the frame
that ends its highlight.
"""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from report import Report, Table, Target, at_most
from screens import NOTHING, Passed, Screen
from startup import compare, environment, make_recording, to_paint
from timing import Scale, percentile

from fuseboard_engine import Engine
from fuseboard_engine.events import ProbeChanged, StateChanged
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage import Recorder, record

ONE_LIMIT, HUNDRED_LIMIT = 2.0, 10.0  # milliseconds of CPU per frame
BYTES_LIMIT = 1000.0  # per frame
IDLE_LIMIT = 0.5  # percent of a core
LOAD_LIMIT = 30.0  # percent of a core
KEY_LIMIT = 50.0  # milliseconds
PAINT_LIMIT = 1.5  # times a trivial app

HERE = Path(__file__).parent
CONSOLE = [sys.executable, "-m", "fuseboard_console", "watch"]
TABLE = [sys.executable, str(HERE / "console_rivals.py"), "table"]
TRIVIAL = [sys.executable, str(HERE / "console_rivals.py"), "trivial"]

CALM = 6.0  # seconds of an idle measurement
PAUSE = 0.75  # seconds between two changes: the highlight of one has ended before the next
SETTLE = 3.0  # seconds after the first paint that are not measured
CURSOR = re.compile(r"▌(?:\x1b\[[0-9;]*m|[^\x1b\n])*?(adapter-\d+)")


class Cost(NamedTuple):
    """The cost above an idle period: milliseconds of CPU and bytes per frame, and frames per change."""

    cpu: float
    written: float
    frames: float


class Changing:
    """An engine whose first adapters are half-open; each change is a new number in one cell of each."""

    def __init__(self, recorder: Recorder, engine: Engine, changing: int) -> None:
        self._engine = engine
        self._names = [f"adapter-{number:05}" for number in range(changing)]
        self._times = 0
        for name in self._names:
            engine.emit(
                StateChanged(
                    at=wall_clock(), adapter=name, before="closed", after="half_open", reason="probe_due", needed=10
                )
            )
        recorder.flush(30)

    def change(self) -> None:
        """Change one cell of each adapter."""
        self._times += 1
        for name in self._names:
            self._engine.emit(
                ProbeChanged(
                    at=wall_clock(),
                    adapter=name,
                    what="admitted",
                    in_flight=1,
                    successes=self._times % 9 + 1,
                    needed=10,
                )
            )


@contextmanager
def recorded(path: Path, adapters: int) -> Iterator[tuple[Recorder, Engine]]:
    """Record an idle engine with so many adapters."""
    engine = Engine("bench")
    for number in range(adapters):
        engine.add_adapter(f"adapter-{number:05}", lambda task: None)
    with record(engine, path) as recorder:
        yield recorder, engine


def cost(screen: Screen, change: Changing | None, changes: int, scale: Scale) -> Cost:
    """Measure idle periods and changes in turn; return the median cost of the rounds."""
    found: list[Cost] = []
    for _ in range(scale.of(5)):
        calm = screen.measure(CALM * max(0.1, scale.share))
        busy = NOTHING
        for _ in range(changes):
            if change is not None:
                change.change()
            busy += screen.measure(PAUSE + random.uniform(-0.05, 0.05))
        found.append(above(busy, calm, changes))
    return min(found, key=lambda one: abs(one.cpu - statistics.median(other.cpu for other in found)))


def above(busy: Passed, calm: Passed, changes: int) -> Cost:
    """Return the cost of changes above that of an idle period."""
    share = busy.seconds / calm.seconds
    frames = max(1.0, busy.frames - calm.frames * share)
    cpu, written = busy.cpu - calm.cpu * share, busy.written - calm.written * share
    return Cost(cpu / frames * 1000, written / frames, frames / changes)


def frames(folder: Path, scale: Scale) -> dict[tuple[str, int], Cost]:
    """Return the cost of a frame, by program and by the number of cells that change at once."""
    found: dict[tuple[str, int], Cost] = {}
    changes = scale.of(8)
    for changing in (1, 100):
        path = folder / f"cells-{changing}.db"
        with recorded(path, 1000) as (recorder, engine):
            change = Changing(recorder, engine, changing)
            for name, command in (("the console", CONSOLE), ("a DataTable", TABLE)):
                with Screen([*command, str(path)], environment(folder)) as screen:
                    screen.wait_for("adapter-00000")
                    screen.listen(SETTLE * max(0.1, scale.share))
                    found[name, changing] = cost(screen, change, changes, scale)
    with Screen([*TRIVIAL, str(PAUSE)], environment(folder)) as screen:
        screen.wait_for("painted")
        screen.listen(1.0)
        passed = screen.measure(CALM * scale.of(5) * max(0.1, scale.share))
    each = max(1, passed.frames)
    found["a trivial app", 1] = Cost(passed.cpu / each * 1000, passed.written / each, 1.0)
    return found


class Calm(NamedTuple):
    """The cost of an idle program: percent of a core, and wake-ups a second."""

    cpu: float
    wakeups: float


def idle(folder: Path, scale: Scale) -> dict[str, Calm]:
    """Return the cost of each program while only heartbeats happen; CPU is the median of several measurements."""
    found: dict[str, Calm] = {}
    path = folder / "idle.db"
    with recorded(path, 12) as (recorder, _):
        recorder.flush(30)
        for name, command, word in (
            ("the console", [*CONSOLE, str(path)], "adapter-00000"),
            ("a DataTable", [*TABLE, str(path)], "adapter-00000"),
            ("a trivial app", [*TRIVIAL, "0"], "painted"),
        ):
            with Screen(command, environment(folder)) as screen:
                screen.wait_for(word)
                screen.listen(SETTLE * max(0.1, scale.share))
                before = screen.wakeups()
                times = [screen.measure(CALM * max(0.1, scale.share)) for _ in range(scale.of(5))]
                woken = (screen.wakeups() - before) / sum(passed.seconds for passed in times)
                found[name] = Calm(statistics.median(passed.cpu / passed.seconds * 100 for passed in times), woken)
    return found


class Loaded(NamedTuple):
    """The console under load: percent of a core, frames and bytes a second, milliseconds to answer each key."""

    cpu: float
    frames: float
    written: float
    answers: Sequence[float]


def load(folder: Path, adapters: int, rate: int, scale: Scale) -> Loaded:
    """Measure the console while an engine in another process emits so many events a second."""
    path = folder / "load.db"
    command = [sys.executable, str(HERE / "console_load.py"), str(path), str(adapters), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            with Screen([*CONSOLE, str(path)], environment(folder)) as screen:
                screen.wait_for("adapter-0")
                screen.listen(SETTLE * max(0.1, scale.share))
                passed = screen.measure(20.0 * max(0.02, scale.share))
                keys = Keys(screen)
                answers = [keys.answered() for _ in range(scale.of(200, 3))]
        finally:
            writer.communicate()
    seconds = passed.seconds
    return Loaded(passed.cpu / seconds * 100, passed.frames / seconds, passed.written / seconds, answers)


class Keys:
    """Moves the cursor by a key and detects when it has moved."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._adapter = ""
        self._screen.press("j")
        self._await_move(1.0)

    def _await_move(self, seconds: float) -> float | None:
        """Return when the cursor was first seen on another adapter; None if that was not within so many seconds."""
        output = ""
        for chunk in self._screen.listen(seconds):
            output += chunk.data.decode(errors="replace")
            seen = CURSOR.findall(output)
            if seen and seen[-1] != self._adapter:
                self._adapter = seen[-1]
                return chunk.at
        return None

    def answered(self) -> float:
        """Press the key at a random moment and return the milliseconds until the cursor has moved.

        Raises:
            RuntimeError: It did not move within five seconds.
        """
        self._await_move(random.uniform(0.15, 0.35))
        started = perf_counter()
        self._screen.press("j")
        while perf_counter() - started < 5.0:
            if (at := self._await_move(0.02)) is not None:
                return (at - started) * 1000
        raise RuntimeError("the console did not answer a key within five seconds")


def run(scale: Scale) -> Report:
    """Measure everything and return the report."""
    adapters, rate = scale.of(10_000, 50), scale.of(5_000, 50)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs, calms = frames(folder, scale), idle(folder, scale)
        loaded = load(folder, adapters, rate, scale)
        paints = paint(folder, scale)
    one, hundred = costs["the console", 1], costs["the console", 100]
    slowest = percentile(loaded.answers, 0.99)
    trivial, console = (min(times) for times in paints.values())
    return Report(
        (
            Table(
                "A frame of 120 by 40, of 1,000 adapters",
                ("", "CPU, ms", "bytes", "frames for a change"),
                tuple(
                    (
                        f"{who}, {'one changed cell' if cells == 1 else f'{cells} changed cells'}",
                        f"{found.cpu:.2f}",
                        f"{found.written:,.0f}",
                        f"{found.frames:.1f}",
                    )
                    for (who, cells), found in costs.items()
                ),
            ),
            Table(
                "While nothing happens but heartbeats",
                ("", "of a core", "wake-ups a second"),
                tuple((who, f"{calm.cpu:.2f} %", f"{calm.wakeups:.0f}") for who, calm in calms.items()),
            ),
            Table(
                f"{adapters:,} adapters at {rate:,} events a second",
                ("of a core", "frames/s", "kB/s", "key answered, ms: p50", "p99", "worst"),
                (
                    (
                        f"{loaded.cpu:.1f} %",
                        f"{loaded.frames:.1f}",
                        f"{loaded.written / 1000:.0f}",
                        *(f"{percentile(loaded.answers, part):.1f}" for part in (0.5, 0.99, 1.0)),
                    ),
                ),
            ),
            Table(
                "Start to first paint, milliseconds",
                ("", "best", "median"),
                tuple((who, f"{min(t):.0f}", f"{statistics.median(t):.0f}") for who, t in paints.items()),
            ),
        ),
        (
            at_most("one changed cell: under 2 ms of CPU a frame", one.cpu, ONE_LIMIT, " ms"),
            at_most("one changed cell: under 1 kB a frame", one.written, BYTES_LIMIT, " B"),
            at_most("100 changed cells: under 10 ms of CPU a frame", hundred.cpu, HUNDRED_LIMIT, " ms"),
            at_most("idle: under 0.5 % of a core", calms["the console"].cpu, IDLE_LIMIT, " %"),
            at_most(f"{adapters:,} adapters: under 30 % of a core", loaded.cpu, LOAD_LIMIT, " %"),
            Target(
                "and keys answered within 50 ms, 99 of 100",
                f"{slowest:.1f} ms",
                slowest <= KEY_LIMIT,
            ),
            at_most("first paint: under 1.5 times a trivial app", console / trivial, PAINT_LIMIT),
        ),
        (
            "A change of the console's takes two frames: the new cell, and the end of its glow.",
            "The trivial app updates one Static of its own accord; it reads no file.",
            f"{len(loaded.answers)} keys, each pressed at a random moment.",
        ),
    )


def paint(folder: Path, scale: Scale) -> dict[str, list[float]]:
    """Return milliseconds to the first paint of a trivial app, and of the console with a hundred thousand events."""
    import asyncio

    large = folder / "large.db"
    asyncio.run(make_recording(large, scale.of(100_000, 100)))
    return compare(
        {
            "a trivial app": to_paint([*TRIVIAL, "0"], b"painted", folder),
            f"the console, {scale.of(100_000, 100):,} events": to_paint([*CONSOLE, str(large)], b"llamaindex", folder),
        },
        scale.of(20, 1),
    )

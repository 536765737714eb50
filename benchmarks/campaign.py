"""Faults in large numbers, with real processes and files: `python benchmarks/campaign.py [--quick] [NAME ...]`.

Each campaign damages something that an application depends on (its process, its file, its disk, its clock) again and
again, and counts what was acknowledged and is missing afterwards (lost), what exists twice (duplicated), what did not
end (hung), and the longest call. The exit code is 1 if anything was lost, duplicated or hung. `--write` puts the
table into docs/reliability.md. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from report import Report, Table, as_markdown, as_text
from run import machine, replace

from fuseboard import BreakerPolicy, DeadLetterPolicy, Engine, RetryPolicy, record

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
PATIENCE: Final = 20.0
"""Seconds after which a process that does not answer counts as hung."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The findings of a campaign. `worst` is the longest call in seconds; None when no calls were timed."""

    tried: int
    lost: int = 0
    duplicated: int = 0
    hung: int = 0
    worst: float | None = None
    note: str = ""

    def __add__(self, other: Outcome) -> Outcome:
        worsts = [worst for worst in (self.worst, other.worst) if worst is not None]
        return Outcome(
            self.tried + other.tried,
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.hung + other.hung,
            max(worsts, default=None),
            self.note or other.note,
        )

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated or hung."""
        return not (self.lost or self.duplicated or self.hung)


# -------------------------------------------------------------------------------- child processes


class Child:
    """A forked process that runs a function and reports lines of text through a pipe."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        self._read, write = os.pipe()
        self.lines: list[str] = []
        self._rest = b""
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self._read)
                os.setsid()
                work(lambda text: _write_line(write, text))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(write)

    def read(self, seconds: float) -> bool:
        """Collect lines for at most `seconds`; return False once the child has closed its end."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._read], [], [], left)
            if not ready:
                return True
            data = os.read(self._read, 1 << 16)
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode() for line in lines]
        return True

    def wait_for(self, text: str, seconds: float = PATIENCE) -> bool:
        """Collect lines until one equals `text`; return False if none came within `seconds`."""
        until = time.monotonic() + seconds
        while text not in self.lines:
            if time.monotonic() > until or not self.read(0.05):
                return text in self.lines
        return True

    def drain(self) -> None:
        """Collect the lines that are in the pipe now."""
        while select.select([self._read], [], [], 0)[0] and self.read(0.001):
            pass

    def goes_on(self, seconds: float = PATIENCE) -> bool:
        """Collect lines until two calls were recorded; return False if they were not within `seconds`.

        The first may have been recorded before, and its line written after.
        """
        before = len(self.lines)
        until = time.monotonic() + seconds
        while sum(line.startswith("event") for line in self.lines[before:]) < 2:
            if time.monotonic() > until or not self.read(0.02):
                return False
        return True

    def kill(self) -> None:
        """Kill the process with SIGKILL and collect what it had reported."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.read(1.0):
            pass
        os.waitpid(self.pid, 0)
        os.close(self._read)

    def join(self, seconds: float = PATIENCE) -> bool:
        """Wait for the end of the process; return False, and kill it, if it does not end within `seconds`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self.read(0.05):
                os.waitpid(self.pid, 0)
                os.close(self._read)
                return True
        self.kill()
        return False


def _write_line(pipe: int, text: str) -> None:
    os.write(pipe, f"{text}\n".encode())


# -------------------------------------------------------------------------------- the application under test


def application(name: str, **policies: Any) -> Engine:
    """Return an engine with one adapter that answers and one that always fails."""
    engine = Engine(
        name,
        breaker=BreakerPolicy(failure_threshold=None),
        retry=RetryPolicy(max_attempts=1),
        dead_letters=DeadLetterPolicy(automatic_retry=False),
        **policies,
    )

    async def answers(task: Any) -> Any:
        return {"success": True}

    async def fails(task: Any) -> Any:
        raise ConnectionError("refused")

    engine.add_adapter("answers", answers)
    engine.add_adapter("fails", fails)
    engine.set_preference(["answers"], "good")
    engine.set_preference(["fails"], "bad")
    return engine


async def write_until(
    path: Path, name: str, tell: Callable[[str], None], number: Iterator[int], *, calls: int | None = None
) -> None:
    """Write dead letters and events into a recording, and print the number of each that was acknowledged."""
    engine = application(name)
    async with record(engine, path) as recorder:
        tell("ready")
        done = 0
        while calls is None or done < calls:
            started = time.perf_counter()
            batch = [f"{name}-{next(number)}" for _ in range(4)]
            results = await asyncio.gather(
                *(engine.execute_with_fallback({"id": id, "task_type": "bad"}) for id in batch)
            )
            for id, result in zip(batch, results, strict=True):
                if result.dead_letter is not None:
                    tell(f"letter {id}")
            id = f"{name}-{next(number)}"
            await engine.execute_with_fallback({"id": id, "task_type": "good"})
            tell(f"call {time.perf_counter() - started:.6f}")
            await recorder.flushed()
            tell(f"event {id}")
            done += 1
    tell("closed")


def writing(path: Path, name: str, calls: int | None = None) -> Callable[[Callable[[str], None]], None]:
    """Return the work of a child process that writes into a recording as `write_until` does."""
    return lambda tell: asyncio.run(write_until(path, name, tell, counting(0), calls=calls))


def counting(start: int) -> Iterator[int]:
    """Yield whole numbers from `start`."""
    while True:
        yield start
        start += 1


def stored(path: Path) -> tuple[Counter[str], Counter[str]]:
    """Return how often each dead letter's task and each finished route's task is in a recording."""
    if not _is_recording(path):
        return Counter(), Counter()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        letters = Counter(row[0] for row in connection.execute("SELECT task FROM dead_letters"))
        events = Counter(row[0] for row in connection.execute("SELECT task FROM events WHERE kind = 'route_finished'"))
    return letters, events


def compare(lines: list[str], paths: list[Path]) -> tuple[int, int, float]:
    """Return how many acknowledged items are in none of the recordings, how many exist twice, and the worst call."""
    letters: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for path in paths:
        some_letters, some_events = stored(path)
        letters += some_letters
        events += some_events
    lost = 0
    worst = 0.0
    for line in lines:
        kind, _, value = line.partition(" ")
        if kind == "letter":
            lost += value not in letters
        elif kind == "event":
            lost += value not in events
        elif kind == "call":
            worst = max(worst, float(value))
    duplicated = sum(count - 1 for count in (*letters.values(), *events.values()) if count > 1)
    return lost, duplicated, worst


# -------------------------------------------------------------------------------- the campaigns


def kills(tries: int, folder: Path) -> Outcome:
    """Kill a writing application with SIGKILL at a random moment; twenty in a row write into one recording."""
    dice = random.Random(7)
    total = Outcome(0)
    for first in range(0, tries, 20):
        path = folder / f"kills-{first}.db"
        lines: list[str] = []
        hung = 0
        some = range(first, min(first + 20, tries))
        for trial in some:
            child = Child(writing(path, f"app{trial}"))
            if child.wait_for("ready"):
                child.read(dice.uniform(0.0, 0.12))
            else:
                hung += 1
            child.kill()
            lines += child.lines
        lost, duplicated, worst = compare(lines, [path])
        total += Outcome(len(some), lost, duplicated, hung, worst)
    return total


def writers(tries: int, folder: Path) -> Outcome:
    """Write from eight processes at full speed into one recording; `tries` is the calls of each."""
    path = folder / "writers.db"
    children = [Child(writing(path, f"app{n}", tries)) for n in range(8)]
    hung = sum(not child.join(PATIENCE + tries) for child in children)
    lost, duplicated, worst = compare([line for child in children for line in child.lines], [path])
    letters, events = stored(path)
    missing = 8 * tries * 4 - len(letters) + 8 * tries * 5 - len(events)
    return Outcome(8 * tries * 5, lost + missing, duplicated, hung, worst)


def replacements(tries: int, folder: Path) -> Outcome:
    """Move a recording away, or put another file in its place, while an application writes it.

    The other file is in turn none, an empty one, another recording, and a database of another program, which is taken
    away again after a moment.
    """
    total = Outcome(0)
    for first in range(0, tries, 10):
        path = folder / f"moved-{first}.db"
        child = Child(writing(path, "app"))
        kept: list[Path] = []
        hung = int(not child.wait_for("ready"))
        some = range(first, min(first + 10, tries))
        for trial in some:
            child.read(0.15)
            away = folder / f"moved-{first}-{trial}.db"
            kept.append(away)
            replace_recording(path, away, ("nothing", "empty", "recording", "foreign")[trial % 4])
            child.drain()
            hung += int(not child.goes_on())
        child.read(1.5)
        os.kill(child.pid, signal.SIGTERM)
        child.join(2.0)
        lost, duplicated, worst = compare(child.lines, [*kept, path])
        total += Outcome(len(some), lost, duplicated, hung, worst)
    return total


def replace_recording(path: Path, away: Path, kind: str) -> None:
    """Give a recording another path, and put another file in its place; the WAL stays there then."""
    if kind == "nothing":
        _move(path, away, os.rename)
        return
    _move(path, away, os.link)
    fresh = path.with_name("fresh.db")
    if kind == "empty":
        fresh.touch()
    elif kind == "recording":
        asyncio.run(write_until(fresh, away.stem, lambda text: None, counting(0), calls=1))
    else:
        with contextlib.closing(sqlite3.connect(fresh)) as connection:
            connection.execute("CREATE TABLE theirs(secret)")
    contents = fresh.read_bytes()
    fresh.replace(path)
    if kind == "foreign":
        time.sleep(0.3)
        if path.read_bytes() != contents:
            raise AssertionError("a database of another program was changed")
        path.unlink()


def _move(path: Path, away: Path, how: Callable[[Path, Path], None]) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            how(Path(f"{path}{suffix}"), Path(f"{away}{suffix}"))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount an ext4 file system of 32 MB of its own; raise PermissionError where that is not possible."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(mount)]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise PermissionError(f"{command[0]} is not installed") from error
        if done.returncode:
            raise PermissionError(f"{command[0]}: {done.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["fsfreeze", "-u", str(mount)], capture_output=True, check=False)
        for _ in range(50):
            if subprocess.run(["umount", str(mount)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        image.unlink()


@contextlib.contextmanager
def full(path: Path, child: Child) -> Iterator[None]:
    """Fill the disk."""
    ballast = path.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
    yield
    ballast.unlink()


@contextlib.contextmanager
def stalled(path: Path, child: Child) -> Iterator[None]:
    """Freeze the file system: every write waits."""
    subprocess.run(["fsfreeze", "-f", str(path.parent)], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", str(path.parent)], check=True)


@contextlib.contextmanager
def read_only(path: Path, child: Child) -> Iterator[None]:
    """Let the file system fall back to read-only, as after an I/O error."""
    subprocess.run(["mount", "-o", "remount,abort", str(path.parent)], check=False, capture_output=True)
    yield


@contextlib.contextmanager
def locked(path: Path, child: Child) -> Iterator[None]:
    """Let another program hold a transaction open."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def too_large(path: Path, child: Child) -> Iterator[None]:
    """Limit the size of files to a few pages more than the recording has."""
    import resource

    before = resource.prlimit(child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    yield
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def no_descriptors(path: Path, child: Child) -> Iterator[None]:
    """Leave no file descriptor free."""
    import resource

    before = resource.prlimit(child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    yield
    resource.prlimit(child.pid, resource.RLIMIT_NOFILE, before)


def _vanishes(suffix: str) -> Callable[[Path, Child], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def fault(path: Path, child: Child) -> Iterator[None]:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
        yield

    return fault


@contextlib.contextmanager
def folder_vanishes(path: Path, child: Child) -> Iterator[None]:
    """Rename the folder of the recording, and give it back later."""
    away = path.parent.with_name(f"{path.parent.name}-away")
    path.parent.rename(away)
    yield
    if path.parent.exists():
        shutil.rmtree(path.parent)
    away.rename(path.parent)


def _damaged(length: int | None, zeroed: bool) -> Callable[[Path, Child], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def fault(path: Path, child: Child) -> Iterator[None]:
        size = path.stat().st_size
        os.truncate(path, size // 2 if length is None else length)
        if zeroed:
            os.truncate(path, size)
        yield

    return fault


@contextlib.contextmanager
def link_loop(path: Path, child: Child) -> Iterator[None]:
    """Put a symbolic link to itself in the recording's place."""
    _move(path, path.with_name("away.db"), os.rename)
    path.symlink_to(path)
    yield
    path.unlink()


@contextlib.contextmanager
def not_a_folder(path: Path, child: Child) -> Iterator[None]:
    """Put a file in the place of the recording's folder."""
    away = path.parent.with_name(f"{path.parent.name}-away")
    path.parent.rename(away)
    path.parent.write_text("a file")
    yield
    path.parent.unlink()
    away.rename(path.parent)


@contextlib.contextmanager
def foreign(path: Path, child: Child) -> Iterator[None]:
    """Put another program's database in the recording's place; it must stay as it is."""
    _move(path, path.with_name("away.db"), os.rename)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs(x)")
        connection.execute("INSERT INTO theirs VALUES (1)")
        connection.commit()
    before = path.read_bytes()
    yield
    if path.read_bytes() != before:
        raise AssertionError("a foreign database was changed")
    path.unlink()


class Fault(NamedTuple):
    """A fault: how it is injected, and the expected effect.

    Attributes:
        make: makes the fault when entered, and heals it when left.
        own_disk: it needs a file system of its own.
        keeps: what was written before it is still there afterwards.
        heals: the recording can be written again afterwards.
    """

    make: Callable[[Path, Child], contextlib.AbstractContextManager[None]]
    own_disk: bool = False
    keeps: bool = True
    heals: bool = True


FAULTS: Final = {
    "disk full": Fault(full, own_disk=True),
    "disk stalled": Fault(stalled, own_disk=True),
    "disk read-only": Fault(read_only, own_disk=True, heals=False),
    "locked": Fault(locked),
    "file size limit": Fault(too_large),
    "no descriptors": Fault(no_descriptors),
    "-wal vanishes": Fault(_vanishes("-wal"), keeps=False),
    "-shm vanishes": Fault(_vanishes("-shm"), keeps=False),
    "file vanishes": Fault(_vanishes(""), keeps=False),
    "folder vanishes": Fault(folder_vanishes, keeps=False),
    "truncated": Fault(_damaged(None, False), keeps=False),
    "emptied": Fault(_damaged(0, False), keeps=False),
    "zeroed": Fault(_damaged(0, True), keeps=False),
    "link loop": Fault(link_loop),
    "not a folder": Fault(not_a_folder),
    "foreign database": Fault(foreign),
}


async def call_steadily(path: Path, tell: Callable[[str], None], *, heals: bool) -> None:
    """Call both adapters twenty times a second until SIGTERM.

    Events wait in memory while the file cannot be written, so they are expected only where the fault `heals`.
    """
    engine = application("app")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with record(engine, path, close_timeout=2.0):
        tell("ready")
        for number in counting(0):
            if stop.is_set():
                break
            started = time.perf_counter()
            result = await engine.execute_with_fallback({"id": f"bad-{number}", "task_type": "bad"}, deadline=1.0)
            if result.dead_letter is not None:
                tell(f"letter bad-{number}")
            await engine.execute_with_fallback({"id": f"good-{number}", "task_type": "good"}, deadline=1.0)
            tell(f"call {time.perf_counter() - started:.6f}")
            if heals:
                tell(f"event good-{number}")
            await asyncio.sleep(0.05)
        started = time.perf_counter()
    tell(f"closing {time.perf_counter() - started:.6f}")


def disk_faults(tries: int, folder: Path) -> Outcome:
    """Make every fault of a disk or file once while an application calls its adapters; heal it after three seconds."""
    total = Outcome(0)
    names = list(FAULTS)[:tries]
    for name in names:
        try:
            outcome = _with_fault(name, FAULTS[name], folder)
        except PermissionError as error:
            outcome = Outcome(0, note=f"{name} was left out: {error}")
        print(f"    {name}: {outcome}", file=sys.stderr, flush=True)
        total += outcome
    return total


def _with_fault(name: str, fault: Fault, folder: Path) -> Outcome:
    place = folder / name.replace(" ", "-")
    place.mkdir()
    with small_disk(place) if fault.own_disk else contextlib.nullcontext(place / "data") as data:
        data.mkdir(exist_ok=True)
        path = data / "app.db"
        child = Child(lambda tell: asyncio.run(call_steadily(path, tell, heals=fault.heals)))
        hung = int(not child.wait_for("ready"))
        child.read(1.0)
        with fault.make(path, child):
            child.read(1.2)
            seen = 0 if fault.keeps else len(child.lines)
            child.read(1.8)
        before = len(child.lines)
        child.read(2.5)
        hung += len(child.lines) == before  # calls continue
        os.kill(child.pid, signal.SIGTERM)
        hung += not child.join(10.0)
        hung += not any(line.startswith("closing") for line in child.lines)
        places = [found for found in place.rglob("*.db*") if not found.name.endswith(("-wal", "-shm"))]
        lost, duplicated, worst = compare(child.lines[seen:], [found for found in places if _is_recording(found)])
    return Outcome(1, lost, duplicated, hung, worst)


def _is_recording(path: Path) -> bool:
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("SELECT count(*) FROM events").fetchone())
    return False


def flips(tries: int, folder: Path) -> Outcome:
    """Flip bits of a recording and read it with the commands; a traceback counts as lost, more than 20 s as hung."""
    from fuseboard_console.cli.main import run

    whole = folder / "whole.db"
    child = Child(writing(whole, "app", 40))
    child.join()
    data = bytearray(whole.read_bytes())
    dice = random.Random(11)
    damaged = folder / "flipped.db"
    total = Outcome(0)

    def read(tell: Callable[[str], None]) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        for command in (["status", str(damaged)], ["events", str(damaged)], ["dlq", str(damaged), "list"]):
            try:
                run(command)
            except SystemExit:
                pass
            except BaseException:
                tell(f"{command[0]}: {traceback.format_exc()}")
                raise
        tell("done")

    for number in range(tries):
        copy = bytearray(data)
        for _ in range(dice.choice((1, 1, 8, 64))):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
        for suffix in ("-wal", "-shm"):
            Path(f"{damaged}{suffix}").unlink(missing_ok=True)
        damaged.write_bytes(copy)
        started = time.monotonic()
        child = Child(read)
        ended = child.join()
        if "done" not in child.lines:
            print(f"flips: try {number} failed: {'; '.join(child.lines) or 'it hung or died'}", file=sys.stderr)
        total += Outcome(1, int(ended and "done" not in child.lines), 0, int(not ended), time.monotonic() - started)
    return total


def clock_jumps(tries: int, folder: Path) -> Outcome:
    """Set the wall clock of an engine back and forth by up to ten years between calls."""
    dice = random.Random(13)
    path = folder / "clock.db"
    offset = 0

    def wall() -> int:
        return time.time_ns() // 1000 + offset

    async def play() -> list[str]:
        nonlocal offset
        lines = []
        engine = application("app", wall=wall)
        async with record(engine, path) as recorder:
            for number in range(tries):
                offset = round(dice.uniform(-1, 1) * 10 ** dice.uniform(6, 14.5))
                started = time.perf_counter()
                await engine.execute_with_fallback({"id": f"bad-{number}", "task_type": "bad"})
                await engine.execute_with_fallback({"id": f"good-{number}", "task_type": "good"})
                await recorder.flushed()
                lines += [f"call {time.perf_counter() - started:.6f}", f"letter bad-{number}", f"event good-{number}"]
        return lines

    lost, duplicated, worst = compare(asyncio.run(play()), [path])
    return Outcome(tries, lost, duplicated, 0, worst)


# -------------------------------------------------------------------------------- two workers behind one socket

_RECORDING: Final = "FUSEBOARD_CAMPAIGN_RECORDING"


async def application_server(scope: Any, receive: Any, send: Any) -> None:
    """Serve an ASGI application of one recorded engine; the path of a request is the id of its task."""
    if scope["type"] == "lifespan":
        path = Path(os.environ[_RECORDING])
        engine = Engine("web")

        async def upstream(task: Any) -> Any:
            with path.with_name("upstream").open("a") as log:
                log.write(f"{task['id']}\n")
            await asyncio.sleep(0.002)
            return "done"

        engine.add_adapter("upstream", upstream)
        async with record(engine, path) as recorder:
            _worker["engine"], _worker["recorder"] = engine, recorder
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await _worker["engine"].execute_with_fallback({"id": scope["path"][1:]})
    await _worker["recorder"].flushed()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


_worker: dict[str, Any] = {}


def restarts(tries: int, folder: Path) -> Outcome:
    """Kill one of two uvicorn workers again and again while four clients send requests."""
    path = folder / "web.db"
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    environment = {**os.environ, _RECORDING: str(path), "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "uvicorn", "campaign:application_server", "--workers", "2", "--lifespan", "on"]
    server = subprocess.Popen(
        [*command, "--fd", str(listening.fileno()), "--log-level", "error"],
        env=environment,
        pass_fds=[listening.fileno()],
    )
    answered: list[str] = []
    pids: dict[int, float] = {}
    worst = [0.0]
    stop = threading.Event()

    def ask(client: int) -> None:
        for number in counting(0):
            if stop.is_set():
                return
            started = time.monotonic()
            id = f"{client}-{number}"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                connection.request("GET", f"/{id}")
                pid = int(connection.getresponse().read())
            except (OSError, http.client.HTTPException, ValueError):
                continue  # its worker was killed
            finally:
                connection.close()
            answered.append(id)
            pids[pid] = time.monotonic()
            worst[0] = max(worst[0], time.monotonic() - started)

    clients = [threading.Thread(target=ask, args=(client,), daemon=True) for client in range(4)]
    for client in clients:
        client.start()
    hung = 0
    dice = random.Random(17)
    killed: set[int] = set()
    for _ in range(tries):
        until = time.monotonic() + PATIENCE
        while len(alive := [pid for pid in list(pids) if pid not in killed]) < 2:
            if time.monotonic() > until:
                hung += 1
                break
            time.sleep(0.02)
        else:
            time.sleep(dice.uniform(0, 0.2))
            killed.add(victim := dice.choice(alive))
            os.kill(victim, signal.SIGKILL)
    time.sleep(0.5)
    stop.set()
    for client in clients:
        client.join(PATIENCE)
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        hung += 1
    listening.close()
    _, events = stored(path)
    calls = path.with_name("upstream").read_text().split()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (counted,) = connection.execute("SELECT sum(calls) FROM metrics WHERE adapter = 'upstream'").fetchone()
    lost = sum(id not in events for id in answered) + max(0, len(answered) - counted)
    duplicated = sum(count - 1 for count in events.values() if count > 1) + max(0, counted - len(calls))
    return Outcome(tries, lost, duplicated, hung, worst[0])


CAMPAIGNS: Final[dict[str, tuple[str, Callable[[int, Path], Outcome], int]]] = {
    "kills": ("kill -9 of a writing process", kills, 1000),
    "replacements": ("recordings moved or replaced while written", replacements, 100),
    "writers": ("dead letters and events of eight writers at full speed", writers, 250),
    "disk_faults": ("faults of the disk or the file", disk_faults, len(FAULTS)),
    "restarts": ("workers of two killed and replaced under load", restarts, 50),
    "flips": ("recordings with flipped bits, read by three commands", flips, 1000),
    "clock_jumps": ("jumps of the wall clock", clock_jumps, 1000),
}
"""Each campaign by name: what the table calls it, its function, and how often it tries."""


def main(arguments: list[str]) -> int:
    """Run the named campaigns and print their table; return 1 if anything was lost, duplicated or hung."""
    parser = argparse.ArgumentParser(prog="benchmarks/campaign.py", description="Try to lose something.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the tries")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in CAMPAIGNS]:
        parser.error(f"no campaign is called {', '.join(unknown)}; the campaigns are: {', '.join(CAMPAIGNS)}")
    rows, notes, clean = [], [], True
    for name in options.names or CAMPAIGNS:
        title, campaign, tries = CAMPAIGNS[name]
        if options.quick and campaign is not disk_faults:
            tries = max(10, tries // 20)
        with tempfile.TemporaryDirectory(prefix="fuseboard-campaign-") as folder:
            outcome = campaign(tries, Path(folder))
        print(f"{name}: {json.dumps({f: getattr(outcome, f) for f in Outcome.__slots__})}", flush=True)
        worst = "" if outcome.worst is None else f"{outcome.worst * 1000:,.0f} ms"
        rows.append((title, f"{outcome.tried:,}", str(outcome.lost), str(outcome.duplicated), str(outcome.hung), worst))
        notes += [outcome.note] if outcome.note else []
        clean = clean and outcome.clean
    report = Report(
        (Table("Campaigns", ("campaign", "tried", "lost", "duplicated", "hung", "worst call"), tuple(rows)),),
        (),
        tuple(notes),
    )
    print(as_text(report))
    if options.write:
        text = replace(DOCUMENT.read_text(encoding="utf-8"), "campaigns", f"{machine()}.\n\n{as_markdown(report)}")
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

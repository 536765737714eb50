"""Disturbs a recording under several writers, again and again, and counts what was acknowledged and is lost.

    python replace_recording.py FOLDER [TIMES] [WRITERS]

Each writer is a process with an engine. It makes every task a dead letter, emits an event about each, and appends the
id of a task to a log of its own once the dead letter is acknowledged as stored in the file, and once the event is
flushed. This program moves, replaces, truncates, zeroes or deletes the recording or what belongs to it meanwhile.
Afterwards it looks for each acknowledged id in every file of the folder that is or was the recording.

Not counted is what was acknowledged before the disturbance that destroyed it: a deleted or truncated recording takes
what is in it along. Everything that was acknowledged `NOTICE` seconds after a disturbance has to be in a later file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fuseboard_engine import BreakerPolicy, DeadLetterPolicy, Engine, RetryPolicy, Task
from fuseboard_storage import record

PAUSE = 0.35  # seconds between two disturbances
SLOW = 3.0  # seconds; a call that takes longer counts as hung


async def write(path: Path, log: Path, name: str) -> None:
    """Make dead letters until the file `stop` exists; log those that are acknowledged."""
    engine = Engine(name, retry=RetryPolicy(max_attempts=1), dead_letters=DeadLetterPolicy(automatic_retry=False))

    async def bad(task: Task) -> None:
        raise ConnectionError("down")

    engine.add_adapter("bad", bad, breaker=BreakerPolicy(failure_threshold=10**9))
    number = raised = 0
    worst = 0.0
    async with record(engine, path, close_timeout=5.0) as recorder:
        with log.open("a", buffering=1) as out:
            out.write(json.dumps(["ready"]) + "\n")
            while not (log.parent / "stop").exists():
                id = f"{name}-{number}"
                number += 1
                began = time.time()
                try:
                    result = await engine.execute_with_fallback(Task(id=id, payload="x"), ["bad"])
                    if result.dead_letter is not None and result.dead_letter > 0:
                        out.write(json.dumps(["letter", id, began, time.time()]) + "\n")
                    if number % 10 == 0:
                        await recorder.flushed()
                        out.write(json.dumps(["event", id, began, time.time()]) + "\n")
                except Exception as error:
                    raised += 1
                    out.write(json.dumps(["raised", id, repr(error)]) + "\n")
                worst = max(worst, time.time() - began)
                await asyncio.sleep(0.002)
    log.with_suffix(".end").write_text(json.dumps({"made": number, "raised": raised, "worst": worst}))


def moved(path: Path, kept: Path) -> None:
    path.rename(kept)


def moved_with_all(path: Path, kept: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        if Path(f"{path}{suffix}").exists():
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")


def replaced(path: Path, kept: Path) -> None:
    """Put another recording over it; what was in it stays reachable through another link."""
    os.link(path, kept)
    other = path.with_name("other.new")
    from fuseboard_storage.sqlite import schema

    schema.connect(other).close()
    other.replace(path)


def deleted(path: Path, kept: Path) -> None:
    path.unlink()


def without_wal(path: Path, kept: Path) -> None:
    Path(f"{path}-wal").unlink(missing_ok=True)


def without_shm(path: Path, kept: Path) -> None:
    Path(f"{path}-shm").unlink(missing_ok=True)


def without_both(path: Path, kept: Path) -> None:
    without_shm(path, kept)
    without_wal(path, kept)


def emptied(path: Path, kept: Path) -> None:
    os.truncate(path, 0)


def halved(path: Path, kept: Path) -> None:
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def zeroed(path: Path, kept: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def folder_moved(path: Path, kept: Path) -> None:
    path.parent.rename(kept)
    time.sleep(0.15)
    path.parent.mkdir()


def folder_deleted(path: Path, kept: Path) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)
    time.sleep(0.1)
    path.parent.mkdir(exist_ok=True)


def folder_is_a_file(path: Path, kept: Path) -> None:
    path.parent.rename(kept)
    path.parent.write_text("")
    time.sleep(0.15)
    path.parent.unlink()
    kept.rename(path.parent)


HOW: dict[str, Callable[[Path, Path], None]] = {
    step.__name__: step
    for step in (
        moved,
        replaced,
        deleted,
        without_wal,
        without_shm,
        without_both,
        moved_with_all,
        emptied,
        halved,
        zeroed,
        folder_moved,
        folder_deleted,
        folder_is_a_file,
    )
}
DESTROYING = {"deleted", "emptied", "halved", "zeroed", "folder_deleted"}


def ids_in(file: Path) -> tuple[set[str], set[str]]:
    """Return the tasks of the dead letters and of the events in a file, as far as they can be read."""
    found: list[set[str]] = []
    for sql in ("SELECT task FROM dead_letters", "SELECT task FROM events WHERE task IS NOT NULL"):
        ids: set[str] = set()
        try:
            with closing(sqlite3.connect(file)) as connection:
                for (id,) in connection.execute(sql):
                    ids.add(id)
        except sqlite3.Error:
            pass
        found.append(ids)
    return found[0], found[1]


def main(folder: Path, times: int, writers: int, only: str = "") -> int:
    """Run the campaign. Return how many acknowledged items are lost, calls raised, and writers hung."""
    data, logs = folder / "data", folder / "logs"
    data.mkdir(parents=True)
    logs.mkdir()
    path = data / "app.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--write", str(path), str(logs / f"w{n}.log"), f"w{n}"],
            env=environment,
            stderr=(logs / f"w{n}.err").open("w"),
        )
        for n in range(writers)
    ]
    while not all((logs / f"w{n}.log").exists() and (logs / f"w{n}.log").stat().st_size for n in range(writers)):
        time.sleep(0.05)
    time.sleep(0.5)
    done: list[tuple[str, float, float]] = []
    skipped = 0
    names = [only] if only else list(HOW)
    for n in range(times):
        name = names[n % len(names)]
        began = time.time()
        try:
            HOW[name](path, folder / f"kept{n}")
        except OSError:
            skipped += 1
        done.append((name, began, time.time()))
        time.sleep(PAUSE)
    time.sleep(1.5)
    (logs / "stop").touch()
    hung = 0
    for process in processes:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            hung += 1
    letters: set[str] = set()
    events: set[str] = set()
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.parent != logs):
        if not file.name.endswith(("-wal", "-shm")):
            more = ids_in(file)
            letters |= more[0]
            events |= more[1]
    counts = {"acknowledged": 0, "lost": 0, "raised": 0, "excused": 0}
    by: dict[str, int] = {}
    worst, slow = 0.0, 0
    for n in range(writers):
        for line in (logs / f"w{n}.log").read_text().splitlines():
            kind, id, *rest = [*json.loads(line), ""]
            if kind == "raised":
                counts["raised"] += 1
            if kind not in ("letter", "event"):
                continue
            counts["acknowledged"] += 1
            slow += rest[1] - rest[0] > SLOW
            if id in (letters if kind == "letter" else events):
                continue
            later = [(name, rest[1] - began) for name, began, ended in done if began <= rest[1]]
            destroyed = any(name in DESTROYING and ended >= rest[0] for name, _, ended in done)
            if destroyed:
                counts["excused"] += 1
                continue
            counts["lost"] += 1
            key = f"{kind} after {later[-1][0] if later else 'start'}"
            by[key] = by.get(key, 0) + 1
        end = logs / f"w{n}.end"
        if end.exists():
            worst = max(worst, json.loads(end.read_text())["worst"])
    print(json.dumps({**counts, "hung": hung, "slow": slow, "worst": round(worst, 2), "skipped": skipped, "by": by}))
    return counts["lost"] + counts["raised"] + hung


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        asyncio.run(write(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
    else:
        arguments = [*sys.argv[2:], *["100", "8", ""][len(sys.argv) - 2 :]]
        sys.exit(bool(main(Path(sys.argv[1]), int(arguments[0]), int(arguments[1]), arguments[2])))

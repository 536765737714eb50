"""Kills processes while they convert a recording of an earlier version, at one point after the other.

python killed_conversion.py RECORDING FOLDER EVERY

Each process is killed before its n-th statement, or after n times EVERY steps of SQLite's virtual machine. Prints for
each whether the recording was `old` or `new` afterwards, and exits with 1 if it was neither.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.write_lock import LockingConnection

ROWS = "SELECT seq, at, instance, kind, nullif(adapter, ''), task, body FROM events ORDER BY seq"


class KilledConnection(LockingConnection):
    statements = -1
    steps = -1
    every = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.left = self.steps
        if self.steps >= 0:
            self.set_progress_handler(self._step, self.every)

    def _step(self) -> int:
        self.left -= 1
        if self.left < 0:
            kill()
        return 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        if KilledConnection.statements == 0:
            kill()
        KilledConnection.statements -= 1
        return super().execute(*args)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def contents(path: Path) -> tuple[int, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("PRAGMA user_version").fetchone()[0], connection.execute(ROWS).fetchall()


def convert_and_die(path: Path, statements: int, steps: int) -> bool:
    """Return whether the process was killed before it ended."""
    child = os.fork()
    if not child:
        KilledConnection.statements, KilledConnection.steps = statements, steps
        schema.LockingConnection = KilledConnection  # type: ignore[misc]
        schema.connect(path).close()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(original: Path, folder: Path, every: int) -> None:
    KilledConnection.every = every
    version, rows = contents(original)
    for way in ("statements", "steps"):
        number, killed = 0, True
        while killed:
            path = folder / f"{way}-{number}.db"
            shutil.copy(original, path)
            killed = convert_and_die(path, *((number, -1) if way == "statements" else (-1, number)))
            found = contents(path)
            assert found in ((version, rows), (schema.VERSION, rows)), (way, number, found[0])
            print("old" if found[0] == version else "new", flush=True)
            schema.connect(path).close()  # another process continues
            assert contents(path) == (schema.VERSION, rows)
            copies = sorted(folder.glob(f"{path.name}.*"))
            assert [copy.name for copy in copies] == [f"{path.name}.version-{version}.bak"], copies
            assert contents(copies[0]) == (version, rows)
            for copy in folder.iterdir():
                copy.unlink()
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

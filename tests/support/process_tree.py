"""Processes and their children."""

from __future__ import annotations

import os
import subprocess
import time

from support.waiting import PATIENCE


def children_of(process: int) -> list[int]:
    """Return the ids of the processes that a process has started and that still exist."""
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listing.stdout.split()]


def wait_until_gone(process: int) -> bool:
    """Wait until a process does not exist any more; return whether that happened in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False

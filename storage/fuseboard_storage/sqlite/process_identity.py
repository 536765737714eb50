"""Telling a process that still runs from one that only had the same number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class ProcessIdentity(NamedTuple):
    """A process: its host, its number, and when it began, as far as the system tells."""

    host: str
    pid: int
    began: str

    @staticmethod
    def read(text: str) -> ProcessIdentity | None:
        """Read what `this_process` wrote; None: it is nothing of that kind."""
        host, _, rest = text.rpartition("@")
        pid, _, began = rest.partition(":")
        return ProcessIdentity(host, int(pid), began) if pid.isascii() and pid.isdigit() else None


def this_process(host: str) -> str:
    """Return this process, as text to keep."""
    return f"{host}@{os.getpid()}:{began(os.getpid())}"


def began(pid: int) -> str:
    """Return when a process began, in the system's own ticks; empty where that cannot be told."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def is_alive(owner: ProcessIdentity) -> bool:
    """Say whether a process of this host still runs, and is no other of the same number."""
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    fields = _stat(owner.pid)
    if not fields:
        return True
    # A zombie runs no more: its parent only has not asked for its end yet.
    return fields[0] not in "ZX" and owner.began in ("", fields[19])


def _stat(pid: int) -> list[str]:
    try:
        # The name before may hold spaces and brackets; what follows the last bracket does not.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return fields if len(fields) > 19 else []

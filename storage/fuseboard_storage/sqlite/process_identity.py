"""Identifies a process, and distinguishes it from a later process with the same pid."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple


class ProcessIdentity(NamedTuple):
    """A process: its host, its pid, and its start time in system ticks, empty if the system does not provide it."""

    host: str
    pid: int
    started: str

    @staticmethod
    def parse(text: str) -> ProcessIdentity | None:
        """Return the process that `this_process` described, or None if the text has another form."""
        host, _, rest = text.rpartition("@")
        pid, _, started = rest.partition(":")
        return ProcessIdentity(host, int(pid), started) if pid.isascii() and pid.isdigit() else None


def this_process(host: str) -> str:
    """Return the identity of the current process as text to store."""
    return f"{host}@{os.getpid()}:{_start_ticks(os.getpid())}"


def pid_space() -> str:
    """Return the space in which this process's pid is unique: the boot and the pid namespace; empty if unknown.

    Containers may share a host name without sharing their processes. The pid of a process of another space says
    nothing here.
    """
    try:
        return f"{boot_id()}:{Path('/proc/self/ns/pid').readlink()}" if boot_id() else ""
    except OSError:
        return ""


@cache
def boot_id() -> str:
    """Return an id of the host's current boot; empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def is_alive(process: ProcessIdentity) -> bool:
    """Return whether a process of this host still runs and is not another one with the same pid."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    fields = _stat(process.pid)
    if not fields:
        return True
    # A zombie does not run any more; its parent has not waited for it yet.
    return fields[0] not in "ZX" and process.started in ("", fields[19])


def _start_ticks(pid: int) -> str:
    """Return when a process started, in system ticks; empty where the system does not provide it."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def _stat(pid: int) -> list[str]:
    try:
        # The process name may contain spaces and brackets; no bracket follows the one that ends it.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return fields if len(fields) > 19 else []

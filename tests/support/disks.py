"""Real file systems for tests: one that can be full, and one that can be frozen. Without the right to mount, skip."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def _need(*programs: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs root on Linux")
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def _mounted(*arguments: object) -> bool:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount an empty file system in memory of the given size (`3m`) and yield its folder."""
    _need("mount")
    disk = folder / "disk"
    disk.mkdir()
    if not _mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk):
        pytest.skip("no right to mount here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def resize(disk: Path, size: str) -> None:
    """Give a `small_disk` another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


class FreezableDisk:
    """A mounted ext4 file system. While it is frozen, a write or a commit waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the file system until the end of the block."""
        subprocess.run(["fsfreeze", "--freeze", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self.folder], check=True)


@contextlib.contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """Make a file system of 32 MB in a file, mount it, and yield it."""
    _need("mount", "fsfreeze", "mkfs.ext4")
    image, disk = folder / "disk.img", folder / "frozen"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(32_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    if not _mounted("-o", "loop", image, disk):
        pytest.skip("no right to mount here")
    try:
        yield FreezableDisk(disk)
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def run_read_only(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a folder as a read-only mount."""
    script = f'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}" && exec "$@"'
    arguments = ["unshare", "-m", "bash", "-c", script, "x", *map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


def skip_without_read_only_mounts(folder: Path) -> None:
    """Skip the test where `run_read_only` does not work."""
    _need("unshare", "mount")
    if run_read_only(folder, "true").returncode:
        pytest.skip("no right to mount here")

"""Recordings that the code of earlier versions made: one of each for the tests of migrations, and two full of secrets.

`python tests/support/older_recordings.py` makes them again: it runs `programs/older_recording.py` with the code of the
commits below, and packs each file. Only a new version needs that; the files of earlier ones are kept as they are.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "storage" / "sqlite" / "older_recordings"

COMMITS: Final = {
    1: "828f6ed", 2: "076b407", 3: "4476287", 4: "4c751dc", 5: "78ce13f", 6: "704241f", 7: "e940742", 8: "5b8a413",
    9: "33f896a", 10: "3113a70", 11: "6239a16", 12: "6f7c4a1", 13: "fe15e0c", 14: "7eac823",
}  # fmt: skip
"""A late commit of each version of the schema."""

VERSIONS: Final = tuple(COMMITS)

SECRET: Final = "Zq7RtY88pLmN3vKx"
SECRETS: Final = (f"key sk-{SECRET}", f"header Bearer {SECRET}", f"db https://app:{SECRET}@db/x")
"""Texts with a secret; `SECRET` is in each of them."""
WITH_SECRETS: Final = (9, 13)
"""The versions that there is a recording of which holds the secrets in every text."""


def unpack(version: int, folder: Path, kind: str = "") -> Path:
    """Write the recording of a version to `checkout.db` in a folder, and return its path. `kind` may be `secrets`."""
    path = folder / "checkout.db"
    path.write_bytes(lzma.decompress(_packed(version, kind).read_bytes()))
    path.chmod(0o600)
    return path


def _packed(version: int, kind: str = "") -> Path:
    return FOLDER / f"version-{version}{'-' * bool(kind)}{kind}.db.xz"


def _make(version: int, kind: str = "", texts: Sequence[str] = ()) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "archive", COMMITS[version]], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as code:
            code.extractall(folder / "code", filter="data")
        parts = [str(folder / "code" / part) for part in ("api", "engine", "storage")]
        program = Path(__file__).parent / "programs" / "older_recording.py"
        path = folder / "checkout.db"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(parts)}
        subprocess.run([sys.executable, "-P", program, path, *texts], env=environment, check=True, timeout=120)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        FOLDER.mkdir(exist_ok=True)
        _packed(version, kind).write_bytes(lzma.compress(path.read_bytes(), preset=9))


if __name__ == "__main__":
    for made in [int(text) for text in sys.argv[1:]] or VERSIONS:
        _make(made)
    for made in WITH_SECRETS:
        _make(made, "secrets", SECRETS)

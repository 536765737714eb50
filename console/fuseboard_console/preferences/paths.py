"""Paths of the operator's own files: the home directory and the state folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the operator's home: `$HOME`, else the account's, else `/`, as in a container without either."""
    if named := environment.get("HOME"):
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def expand_home(path: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a path with a leading `~/` replaced by the operator's home."""
    return home(environment) / path[2:] if path.startswith("~/") else Path(path)


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for the console's own state: `$XDG_STATE_HOME/fuseboard`, else in `~/.local/state`."""
    base = environment.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "fuseboard"
    return home(environment) / ".local" / "state" / "fuseboard"


def write_private(path: Path, text: str) -> None:
    """Write or replace a file that only its owner may read. A link is not followed.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)

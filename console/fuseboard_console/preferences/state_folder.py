"""Where the console keeps what is no preference: what was copied, and that the hints were shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fuseboard_console.preferences.home import home


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder, whether or not there is one: `$XDG_STATE_HOME/fuseboard`, else in `~/.local/state`."""
    base = environment.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "fuseboard"
    return home(environment) / ".local" / "state" / "fuseboard"


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, in place of what was there. A link is not followed.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    way = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(way, "w", encoding="utf-8", errors="backslashreplace") as file:
        os.fchmod(way, 0o600)
        file.write(text)

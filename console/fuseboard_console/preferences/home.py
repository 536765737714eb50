"""Whose home it is, where an operator's own files are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the operator's home: `$HOME`, else that of the account.

    In containers there may be neither; it is `/` then, as `login` has it.
    """
    if named := environment.get("HOME"):
        return Path(named)
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def at_home(path: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a path whose `~` means the operator's home."""
    return home(environment) / path[2:] if path.startswith("~/") else Path(path)

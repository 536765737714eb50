"""How runs and nodes of workflows stand, in words."""

from __future__ import annotations

from typing import Final

_STANDS: Final = {
    "failed": "failed",
    "interrupted": "was interrupted",
    "degraded": "is done, degraded",
    "skipped": "was skipped",
}


def stands(state: str) -> str:
    """Return the rest of a sentence about a run or a node in a state: `is done`, `failed`, `was interrupted`."""
    return _STANDS.get(state, f"is {state}")

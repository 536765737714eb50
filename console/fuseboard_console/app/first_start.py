"""The three hints of a first start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fuseboard_console.actions.model import Action, shown_keys
from fuseboard_console.preferences.paths import write_private

SHOWN = "hints-shown"
"""The file that says that they were shown."""


def hints(actions: Sequence[Action], ascii_only: bool = False) -> tuple[str, ...]:
    """Return the hints, with the keys that these actions have."""
    keys = {action.id: shown_keys(action._replace(keys=action.keys[:1]), ascii_only) for action in actions}
    told = [
        (keys.get("help"), "shows the keys that work here."),
        (keys.get("next_problem"), "goes to the next problem."),
        ("ctrl+p", "finds any action by name."),
    ]
    return tuple(f"{key}  {what}" for key, what in told if key)


def first_start(folder: Path) -> bool:
    """Return whether the hints are due, and note in `folder` that they were shown.

    If the note can't be written, the hints are due again next time; that is not an error.
    """
    mark = folder / SHOWN
    try:
        if mark.exists():
            return False
        write_private(mark, "The console has shown its hints. Remove this file to see them once more.\n")
    except OSError:
        pass
    return True

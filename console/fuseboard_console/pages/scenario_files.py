"""Finds the scenarios to choose from: those shipped with Fuseboard, and those in the working directory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fuseboard_console.views.lists.scenarios import ScenarioEntry

LARGEST = 100_000
"""Bytes of a file at most: to read a longer one takes seconds, and few are scenarios."""
_SAYS_SCENARIO = re.compile(rb"^scenario\s*:", re.MULTILINE)


def folders_here() -> tuple[Path, ...]:
    """Return the folders searched for scenarios: the working directory, and `scenarios` in it."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return ()
    return here, here / "scenarios"


def found(shipped: Iterable[Path], folders: Iterable[Path]) -> list[ScenarioEntry]:
    """Return the scenarios that come with Fuseboard, then those in YAML files of some folders. Blocks while it reads.

    A YAML file that is not a scenario is skipped. An invalid scenario is listed with its error.
    """
    ours = list(shipped)
    theirs = [path for folder in folders for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml")))]
    listed = [_listed(path, path in ours) for path in dict.fromkeys((*ours, *theirs))]
    return [one for one in listed if one is not None]


def _listed(path: Path, ours: bool) -> ScenarioEntry | None:
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.scenario.model import load

    try:
        if not path.is_file():
            return None  # a pipe is not waited for
        with path.open("rb") as file:
            beginning = file.read(LARGEST + 1)
        if not ours and _SAYS_SCENARIO.search(beginning) is None:
            return None
        if len(beginning) > LARGEST:
            told = f"longer than {LARGEST // 1_000} kB, and not read here; `fuseboard scenario play` plays it"
            return ScenarioEntry(path, None, f"{path.name}: {told}")
        return ScenarioEntry(path, load(path))
    except (DocumentError, OSError) as error:
        return ScenarioEntry(path, None, " ".join(str(error).replace(f"{path}", path.name).split()))

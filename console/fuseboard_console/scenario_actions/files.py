"""Finds and loads the scenarios that a command line names."""

from __future__ import annotations

from pathlib import Path

from fuseboard_console.text.suggestions import did_you_mean
from fuseboard_engine.documents.loader import DocumentError
from fuseboard_engine.scenario.model import Scenario, load
from fuseboard_engine.scenario.played_proxies import needs_real_time
from fuseboard_scenarios import shipped


def find(name: str) -> Path:
    """Return the file of a scenario, given its path or its name.

    Raises:
        DocumentError: There is neither such a name nor such a file.
    """
    known = shipped()
    if name in known:
        return known[name]
    if not Path(name).exists():
        hint = did_you_mean(name, list(known)) or " `fuseboard scenario list` lists those that come with Fuseboard."
        raise DocumentError(f"There is no scenario {name!r}, and no such file.{hint}")
    return Path(name)


def load_all(names: list[str]) -> list[tuple[Path, Scenario]]:
    """Load scenarios for virtual time, given their paths, folders or names. Return each with its file.

    Raises:
        DocumentError: Some have mistakes, or need real time; the text lists those of all of them.
    """
    scenarios, mistakes = [], []
    for name in names:
        try:
            for file in _files_of(find(name)):
                try:
                    scenarios.append((file, load_for_virtual_time(file)))
                except DocumentError as error:
                    mistakes.append(str(error))
        except DocumentError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DocumentError("\n".join(mistakes))
    return scenarios


def load_for_virtual_time(file: Path) -> Scenario:
    """Load a scenario that is to play in virtual time.

    Raises:
        DocumentError: It has mistakes, or needs real time.
    """
    scenario = load(file)
    if why := needs_real_time(scenario):
        raise DocumentError(f"{file}: {why}")
    return scenario


def _files_of(path: Path) -> list[Path]:
    """Return a file itself, or the scenario files in a folder and its folders, by name.

    Raises:
        DocumentError: There is none in the folder.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*.y*ml") if file.suffix in (".yaml", ".yml") and file.is_file())
    if not files:
        raise DocumentError(f"{path} has no scenario: its files end with .yaml or .yml.")
    return files

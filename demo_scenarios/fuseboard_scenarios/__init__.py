"""Scenario files that come with Fuseboard, as package data."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "files"


def shipped() -> dict[str, Path]:
    """Return the scenario files that come with Fuseboard, by name, in the order of their names."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}

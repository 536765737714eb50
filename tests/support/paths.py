"""Where files that tests read are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
CASES = ROOT / "tests" / "cases"
"""Behaviours as data."""
PROGRAMS = ROOT / "tests" / "support" / "programs"
"""Programs that tests run as processes of their own."""

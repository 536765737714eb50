"""Mappings that a scenario file has on one line."""

from __future__ import annotations

from typing import Any


class OneLine(dict[str, Any]):
    """A mapping that is written as `{at: 1, ...}`."""

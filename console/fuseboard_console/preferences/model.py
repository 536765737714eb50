"""An operator's preferences as a value: colours, keys, columns, layout. Cheap to import.

Each field is documented here once; validation, the default file and docs/preferences.md derive from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Glyphs = Literal["auto", "unicode", "ascii"]
Bell = Literal["none", "bell", "notify", "both"]
Clock = Literal["local", "utc"]
Group = Literal["none", "engine", "tag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """An operator's preferences, with their defaults."""

    theme: str = field(
        default="dark", metadata={"about": "Colours: the console's own themes, or one of Textual's, such as nord."}
    )
    glyphs: Glyphs = field(
        default="auto", metadata={"about": "Glyphs: auto uses ASCII if the locale or the terminal has no others."}
    )
    mouse: bool = field(
        default=True,
        metadata={"about": "Whether the console uses the mouse. If not, the terminal selects text as usual."},
    )
    layout: str = field(default="balanced", metadata={"about": "The layout of the overview at the start."})
    group: Group = field(
        default="none", metadata={"about": "How adapters are grouped at the start: by engine, by first tag, or not."}
    )
    folded: bool = field(default=False, metadata={"about": "Whether groups are folded at the start."})
    compact: bool = field(default=False, metadata={"about": "Hide the frames, for more lines on a small screen."})
    glow: bool = field(default=True, metadata={"about": "Whether a changed cell is highlighted for a moment."})
    bell: Bell = field(
        default="none",
        metadata={"about": "How to announce that a breaker has opened: the terminal's bell, a notice, or both."},
    )
    clock: Clock = field(default="local", metadata={"about": "The time zone of times: this machine's, or UTC."})
    columns: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata={"about": "The columns of a table, left to right. Empty: as many as fit."}
    )
    keys: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata={"about": "Keys by action: one, several, or none ([]: palette only)."}
    )


DEFAULT = Preferences()
"""The preferences of an operator without a file."""

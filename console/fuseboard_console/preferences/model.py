"""How an operator wants the console: colours, keys, columns, layout. A plain value, cheap to import.

Each field is documented here once; the checks, the default file and the document of preferences are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Glyphs = Literal["auto", "unicode", "ascii"]
Bell = Literal["none", "bell", "notify", "both"]
Clock = Literal["local", "utc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What an operator prefers. Whatever isn't said is as here."""

    theme: str = field(
        default="dark", metadata={"about": "Colours: the console's own themes, or one of Textual's, such as nord."}
    )
    glyphs: Glyphs = field(
        default="auto", metadata={"about": "Signs: auto takes ASCII where the locale or the terminal has no others."}
    )
    mouse: bool = field(
        default=True,
        metadata={"about": "Whether the console takes the mouse. Without, the terminal selects text as usual."},
    )
    layout: str = field(default="balanced", metadata={"about": "How the overview is divided at the start."})
    compact: bool = field(default=False, metadata={"about": "No frames: more lines on a small screen."})
    glow: bool = field(default=True, metadata={"about": "Whether a cell that changed glows for a moment."})
    bell: Bell = field(
        default="none",
        metadata={"about": "What tells you that a breaker has opened: the terminal's bell, a notice, or both."},
    )
    clock: Clock = field(default="local", metadata={"about": "Times of day: of this machine, or UTC."})
    columns: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata={"about": "The columns of a table, left to right. Empty: as many as fit."}
    )
    keys: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata={"about": "Keys by action: one, several, or none ([]: palette only)."}
    )


DEFAULT = Preferences()
"""What is preferred when nothing is said."""

"""The appearance of each condition: glyph, word and style name; never colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Condition = Literal[
    "silent", "ended", "open", "down", "ready", "held", "probing", "counting", "watch", "disabled", "closed"
]
"""The condition of an adapter: its breaker's state, whether its wait is over, and whether its engine is alive."""


class Appearance(NamedTuple):
    """The appearance of a condition. `severity` is a sort key: the lowest needs attention most."""

    glyph: str
    ascii: str
    word: str
    style: str
    severity: int


APPEARANCES: dict[Condition, Appearance] = {
    "open": Appearance("✖", "X", "OPEN", "bad", 0),
    "held": Appearance("■", "#", "HELD OPEN", "held", 1),
    "down": Appearance("▽", "v", "KNOWN DOWN", "bad", 2),
    "ready": Appearance("◔", "=", "READY", "ready", 3),
    "probing": Appearance("◐", "p", "PROBING", "warn", 4),
    "counting": Appearance("●", "o", "CLOSED", "ok", 5),
    "watch": Appearance("◌", "w", "WATCH ONLY", "info", 6),
    "disabled": Appearance("○", "-", "DISABLED", "muted", 7),
    "closed": Appearance("●", "o", "CLOSED", "ok", 8),
    "silent": Appearance("?", "!", "SILENT", "silent", 9),
    "ended": Appearance("·", ".", "ENDED", "silent", 10),
}
"""The appearance of every condition."""
PROBLEMS: Final[frozenset[Condition]] = frozenset({"open", "held", "down", "ready", "probing", "silent"})
"""The conditions that need an operator."""
KILLED = "KILLED"
"""The word instead of SILENT if the engine's process is known to be gone."""


class Glyphs(NamedTuple):
    """A set of glyphs. All are one cell wide."""

    name: str
    failed: str
    skipped: str
    answered: str
    degraded: str
    dead: str
    no_verdict: str
    arrow: str
    times: str
    cursor: str
    live: str
    none: str
    bar_full: str
    bar_tip: str
    bar_rest: str
    sparks: str
    pause: str
    gap: str
    sort: str
    sort_ascending: str
    scenario: str
    mark: str
    separator: str
    play: str
    position: str
    minus: str
    shades: str
    tick: str
    rising: str
    folded: str
    unfolded: str

    def of(self, condition: Condition) -> str:
        """Return the glyph of a condition in this set."""
        look = APPEARANCES[condition]
        return look.ascii if self.name == "ascii" else look.glyph


UNICODE = Glyphs(
    "unicode", "✗", "✖", "✓", "◇", "☠", "–", "→", "×", "▌", "●", "–", "━", "╸", "─", "▁▂▃▄▅▆▇█", "⏸", "·",
    "▾", "▴", "▸", "◆", "›", "▶", "▼", "−", "█▓░",
    "╵", "↑", "▸", "▾"
)  # fmt: skip
ASCII = Glyphs(
    "ascii", "x", "s", "+", "d", "D", "-", ">", "x", ">", "*", "-", "=", ">", "-", "_.:-=+*#", "||", "-",
    "v", "^", ">", "*", ">", "|>", "V", "-", "#=-",
    "|", "^", "+", "-"
)  # fmt: skip
"""For terminals and fonts without these glyphs."""


def glyphs_for(preference: Literal["auto", "unicode", "ascii"], environment: Mapping[str, str]) -> Glyphs:
    """Return the preferred glyphs; `auto` decides by the locale and terminal of the environment.

    A locale without an encoding, as in most containers, says nothing about the terminal and gets `UNICODE`.
    """
    if preference != "auto":
        return ASCII if preference == "ascii" else UNICODE
    if environment.get("TERM", "").startswith(_ASCII_TERMINALS):
        return ASCII
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    _, named, encoding = locale.partition("@")[0].partition(".")
    return UNICODE if not named or encoding.lower().replace("-", "") == "utf8" else ASCII


_ASCII_TERMINALS = ("linux", "vt1", "vt2", "ansi")
"""Terminals whose fonts lack these glyphs: the Linux console and old hardware terminals."""

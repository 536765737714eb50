"""What each state looks like: glyph, word and the name of a style. Never colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Condition = Literal[
    "silent", "ended", "open", "down", "ready", "held", "probing", "counting", "watch", "disabled", "closed"
]
"""How an adapter stands, for an operator: its breaker's state, what its clock says, and whether its engine lives."""


class Look(NamedTuple):
    """How a condition is shown. `severity` sorts: the lowest needs a person most."""

    glyph: str
    ascii: str
    word: str
    style: str
    severity: int


LOOKS: dict[Condition, Look] = {
    "open": Look("✖", "X", "OPEN", "bad", 0),
    "held": Look("■", "#", "HELD OPEN", "held", 1),
    "down": Look("▽", "v", "KNOWN DOWN", "bad", 2),
    "ready": Look("◔", "=", "READY", "ready", 3),
    "probing": Look("◐", "~", "PROBING", "warn", 4),
    "counting": Look("●", "o", "CLOSED", "ok", 5),
    "watch": Look("◌", "w", "WATCH ONLY", "info", 6),
    "disabled": Look("○", "-", "DISABLED", "muted", 7),
    "closed": Look("●", "o", "CLOSED", "ok", 8),
    "silent": Look("?", "!", "SILENT", "silent", 9),
    "ended": Look("·", ".", "ENDED", "silent", 10),
}
"""Every condition's look."""
KILLED = "KILLED"
"""The word instead of SILENT where it is known that the engine's process is gone."""


class Glyphs(NamedTuple):
    """One set of signs. All are one cell wide."""

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
    turned: str
    story: str
    mark: str
    crumb: str
    play: str
    here: str
    minus: str
    shades: str

    def of(self, condition: Condition) -> str:
        """Return the glyph of a condition in this set."""
        look = LOOKS[condition]
        return look.ascii if self.name == "ascii" else look.glyph


UNICODE = Glyphs(
    "unicode", "✗", "✖", "✓", "◇", "☠", "–", "→", "×", "▌", "●", "–", "━", "╸", "─", "▁▂▃▄▅▆▇█", "⏸", "·",
    "▾", "▴", "▸", "◆", "›", "▶", "▼", "−", "█▓░"
)  # fmt: skip
ASCII = Glyphs(
    "ascii", "x", "X", "+", "d", "D", "-", ">", "x", ">", "*", "-", "=", ">", "-", "_.:-=+*#", "||", "-",
    "v", "^", ">", "*", ">", "|>", "V", "-", "#=-"
)  # fmt: skip
"""For terminals and fonts without the signs."""


def glyphs_for(wanted: Literal["auto", "unicode", "ascii"], environment: Mapping[str, str]) -> Glyphs:
    """Return the wanted signs; `auto` goes by what the environment says of locale and terminal.

    A locale of no known encoding, as in most containers, speaks of nobody's terminal: it gets the signs.
    """
    if wanted != "auto":
        return ASCII if wanted == "ascii" else UNICODE
    if environment.get("TERM", "").startswith(_WITHOUT_SIGNS):
        return ASCII
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    _, named, encoding = locale.partition("@")[0].partition(".")
    return UNICODE if not named or encoding.lower().replace("-", "") == "utf8" else ASCII


_WITHOUT_SIGNS = ("linux", "vt1", "vt2", "ansi")
"""Terminals whose fonts have no such signs: the kernel's own, and the old ones."""

"""What each state looks like: glyph, word and the name of a style. Never colour alone."""

from __future__ import annotations

from typing import Literal, NamedTuple

Condition = Literal["silent", "ended", "open", "ready", "held", "probing", "counting", "watch", "disabled", "closed"]
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
    "ready": Look("◔", "%", "READY", "ready", 2),
    "probing": Look("◐", "?", "PROBING", "warn", 3),
    "counting": Look("●", "o", "CLOSED", "ok", 4),
    "watch": Look("◌", "~", "WATCH ONLY", "info", 5),
    "disabled": Look("○", "-", "DISABLED", "muted", 6),
    "closed": Look("●", "o", "CLOSED", "ok", 7),
    "silent": Look("?", "!", "SILENT", "silent", 8),
    "ended": Look("·", ".", "ENDED", "silent", 9),
}
"""Every condition's look."""


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

    def of(self, condition: Condition) -> str:
        """Return the glyph of a condition in this set."""
        look = LOOKS[condition]
        return look.ascii if self.name == "ascii" else look.glyph


UNICODE = Glyphs(
    "unicode", "✗", "✖", "✓", "◇", "☠", "–", "→", "×", "▌", "●", "–", "━", "╸", "─", "▁▂▃▄▅▆▇█", "⏸", "·",
    "▾", "▴", "▸", "◆", "›"
)  # fmt: skip
ASCII = Glyphs(
    "ascii", "x", "X", "+", "d", "D", "-", ">", "x", ">", "*", "-", "=", ">", "-", "_.:-=+*#", "||", "-",
    "v", "^", ">", "*", ">"
)  # fmt: skip
"""For terminals and fonts without the signs; chosen with `--ascii` or when the locale is not UTF-8."""

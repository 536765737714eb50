"""The number of adapters in each condition, as signs: `2 ✖  1 ◐  9 ●`."""

from __future__ import annotations

from collections.abc import Mapping

from fuseboard_console.text.glyphs import APPEARANCES, Condition, Glyphs
from fuseboard_console.text.line import Line, Span


def counts_line(counts: Mapping[Condition, int], glyphs: Glyphs) -> Line:
    """Return the counts, the most urgent condition first. Conditions that share a sign are added up. Empty if there
    are none.
    """
    found: dict[str, tuple[Condition, int]] = {}
    for condition in sorted(counts, key=lambda condition: APPEARANCES[condition].severity):
        _, before = found.get(glyphs.of(condition), (condition, 0))
        # Of the conditions that share a sign, the calmest gives the style.
        found[glyphs.of(condition)] = (condition, before + counts[condition])
    spans: list[Span] = []
    for glyph, (condition, count) in found.items():
        if count:
            style = "ok-dim" if condition == "closed" else APPEARANCES[condition].style
            spans += [Span(f"{count:,} {glyph}", style), Span("  ")]
    return tuple(spans[:-1])

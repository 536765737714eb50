"""How many adapters are in each condition, as signs: `2 ✖  1 ◐  9 ●`."""

from __future__ import annotations

from collections.abc import Mapping

from fuseboard_console.text.glyphs import LOOKS, Condition, Glyphs
from fuseboard_console.text.line import Line, Span


def counts_line(counts: Mapping[Condition, int], glyphs: Glyphs) -> Line:
    """Return the counts, the most urgent condition first. Conditions that share a sign are added up. Empty if there
    are none.
    """
    found: dict[str, tuple[Condition, int]] = {}
    for stands in sorted(counts, key=lambda stands: LOOKS[stands].severity):
        _, before = found.get(glyphs.of(stands), (stands, 0))
        found[glyphs.of(stands)] = (stands, before + counts[stands])  # of those that share it, the calmest looks calm
    spans: list[Span] = []
    for glyph, (stands, count) in found.items():
        if count:
            style = "ok-dim" if stands == "closed" else LOOKS[stands].style
            spans += [Span(f"{count:,} {glyph}", style), Span("  ")]
    return tuple(spans[:-1])

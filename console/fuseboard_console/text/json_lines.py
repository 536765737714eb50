"""JSON as readable lines: indented, folded, and made safe."""

from __future__ import annotations

import json
from functools import lru_cache

from fuseboard_console.text.line import Line, Span
from fuseboard_console.text.safe_text import escaped_text
from fuseboard_console.text.width import fold

MAX_LINES = 3_000
"""Lines that are shown of one text."""
_MAX_LINE = 100_000
"""Characters that are shown of one line."""
_MAX_INDENT = 24
"""Cells that a line is indented at most, so that deeply nested values still have room."""


@lru_cache(maxsize=8)
def json_lines(text: str, cells: int) -> tuple[Line, ...]:
    """Return JSON indented, each line folded into `cells`; other text as it is.

    The last line counts the lines beyond `MAX_LINES`.
    """
    lines: list[Line] = []
    raw = _indented(text)
    for index, line in enumerate(raw):
        if len(lines) >= MAX_LINES:
            lines.append((Span(f"and {len(raw) - index:,} more lines", "faint"),))
            break
        body = line.lstrip(" ")
        indent = min(len(line) - len(body), _MAX_INDENT, max(0, cells - 8))
        room = max(1, cells - indent)
        parts = fold(escaped_text(body, _MAX_LINE), room) or [""]
        lines += [(Span(" " * indent), Span(part)) if indent else (Span(part),) for part in parts]
    return tuple(lines)


def _indented(text: str) -> list[str]:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).split("\n")
    except (ValueError, RecursionError):
        return text.split("\n")

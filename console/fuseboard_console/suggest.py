"""What somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable

from fuseboard_console.safe_text import safe_text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean prefect?` (with the space), or nothing when no known word is near."""
    from difflib import get_close_matches  # only when something was misspelt

    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return f" Did you mean {safe_text(by_folded[near[0]], 80)}?" if near else ""

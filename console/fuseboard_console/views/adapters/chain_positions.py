"""Where an adapter stands in the fallback chains: `1 of 3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_storage.board.board import AdapterKey

DEFAULT = "default"
"""What the chain of every task type without one of its own is called."""


class ChainPlace(NamedTuple):
    """A place in a chain, from 1, of so many; `task_type` is empty for the default chain. The first ones sort first."""

    place: int
    of: int
    task_type: str


def chain_places(chains: Mapping[tuple[int, str], tuple[str, ...]]) -> dict[AdapterKey, tuple[ChainPlace, ...]]:
    """Return each adapter's places by a Board's chains, the foremost first."""
    found: dict[AdapterKey, list[ChainPlace]] = {}
    for (instance, task_type), order in chains.items():
        for place, adapter in enumerate(order, 1):
            found.setdefault(AdapterKey(instance, adapter), []).append(ChainPlace(place, len(order), task_type))
    return {key: tuple(sorted(places)) for key, places in found.items()}


def places_text(places: tuple[ChainPlace, ...], cells: int) -> str:
    """Return places in words: `1 of 3`, `1 of 3 rag, 2 of 2 invoice`; empty when it stands in no chain.

    Where that takes more than `cells`, only the first is told, and how many more there are: `1 of 3 +1`.
    """
    texts = [f"{place} of {of}" + (f" {safe_text(kind, 30)}" if kind else "") for place, of, kind in places]
    whole = ", ".join(texts)
    if len(places) < 2 or width(whole) <= cells:
        return whole
    more = f" +{len(places) - 1}"
    return (texts[0] if width(texts[0] + more) <= cells else f"{places[0].place} of {places[0].of}") + more

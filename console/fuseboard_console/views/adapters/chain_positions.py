"""An adapter's positions in the fallback chains: `1 of 3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fuseboard_console.text.label_lines import labelled
from fuseboard_console.text.line import Line
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.text.width import width
from fuseboard_storage.board.board import AdapterKey

DEFAULT = "default"
"""The name of the chain of every task type without its own chain."""


class ChainPosition(NamedTuple):
    """A position in a chain, from 1, and the chain's length. `task_type` is empty for the default chain. Lower
    positions sort first.
    """

    place: int
    of: int
    task_type: str


def chain_positions(chains: Mapping[tuple[int, str], tuple[str, ...]]) -> dict[AdapterKey, tuple[ChainPosition, ...]]:
    """Return each adapter's positions in the Board's chains, lowest first."""
    found: dict[AdapterKey, list[ChainPosition]] = {}
    for (instance, task_type), order in chains.items():
        for place, adapter in enumerate(order, 1):
            found.setdefault(AdapterKey(instance, adapter), []).append(ChainPosition(place, len(order), task_type))
    return {key: tuple(sorted(places)) for key, places in found.items()}


def chain_lines(
    chains: Mapping[tuple[int, str], tuple[str, ...]], instance: int, cells: int, arrow: str, adapter: str | None = None
) -> list[Line]:
    """Return the chains of an instance, folded into `cells`; of the chains of an adapter, if that is given.

    The default chain is called so if the instance has other chains.
    """
    own = {task_type: order for (at, task_type), order in chains.items() if at == instance}
    lines: list[Line] = []
    for task_type, order in own.items():
        if adapter is None or adapter in order:
            kind = safe_text(task_type, 40) or (DEFAULT if len(own) > 1 else "")
            text = f" {arrow} ".join(safe_text(name, 40) for name in order)
            lines += labelled("chain", f"{kind}: {text}" if kind else text, cells)
    return lines


def positions_text(places: tuple[ChainPosition, ...], cells: int) -> str:
    """Return positions as text: `1 of 3`, `1 of 3 rag, 2 of 2 invoice`. Empty for an adapter in no chain.

    If the text takes more than `cells`, it shows only the first position and the number of the others: `1 of 3 +1`.
    """
    texts = [f"{place} of {of}" + (f" {safe_text(kind, 30)}" if kind else "") for place, of, kind in places]
    whole = ", ".join(texts)
    if len(places) < 2 or width(whole) <= cells:
        return whole
    more = f" +{len(places) - 1}"
    return (texts[0] if width(texts[0] + more) <= cells else f"{places[0].place} of {places[0].of}") + more

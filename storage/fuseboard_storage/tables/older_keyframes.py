"""Keyframes of earlier formats, as the current one: what retention has deleted is known from nothing else.

They lack what the Board did not keep at that time, so they are used only where the events before them are gone.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fuseboard_storage.board.rows import FAULT_FIELDS, AdapterKey, AdapterRow
from fuseboard_storage.tables.histograms import converted

OLDEST: Final = 15
"""The earliest format that is read. Keyframes of earlier ones have other totals."""

_NEW_BUCKETS_SINCE: Final = 19
_HISTOGRAMS: Final = slice(2, 4)  # of a second: the latency of calls, and the time until the first item of streams

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def upgraded(data: bytes, format_: int) -> dict[str, Any]:
    """Return the decoded JSON of a keyframe in the shape of the current format.

    Args:
        data: The JSON of a keyframe.
        format_: Its format, at least `OLDEST`.

    Raises:
        msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError: The keyframe is damaged.
    """
    board = _decode(data)
    ended = [adapter for _, adapters in board["left"] for adapter in adapters]
    for adapter in [*board["adapters"], *ended]:
        _upgrade_adapter(adapter, format_)
    return board


def _upgrade_adapter(adapter: list[Any], format_: int) -> None:
    """Give the frozen row of an adapter the fields that it lacks, and its histograms the current buckets."""
    key, plain, _, seconds = adapter[:4]
    new = AdapterRow(AdapterKey(*key), plain["added_at"])
    for name in (*FAULT_FIELDS, "overdue", "overdue_total", "duration"):
        plain.setdefault(name, getattr(new, name))
    plain.setdefault("down_since", plain["since"] if plain["state"] in ("open", "half_open") else None)
    if format_ < _NEW_BUCKETS_SINCE:
        for second in seconds:
            second[_HISTOGRAMS] = [
                converted({int(bucket): count for bucket, count in histogram.items()})
                for histogram in second[_HISTOGRAMS]
            ]
    if len(adapter) == 5:
        adapter.append({})

"""What a network fault does with the next data of one direction of a connection. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fuseboard_engine.faults.faulty_call import Values
from fuseboard_engine.network_faults.tls_records import RecordPosition, bytes_until_half

End = Literal["close", "reset"]
"""How a connection ends: in order (FIN), or with a reset (RST)."""

BURST: Final = 0.05
"""Seconds whose bytes a limited bandwidth sends at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Data on its way; without data, the end of what one side sends.

    Attributes:
        data: the bytes.
        arrived: when the proxy received them, in seconds.
    """

    data: bytes | memoryview
    arrived: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one direction of a connection is.

    Attributes:
        is_answer: whether it goes from the server to the client.
        sent: bytes since the fault or the connection began, whichever was later.
        free_at: when a limited bandwidth sends again, in seconds.
        record: the place within the TLS records of an answer.
    """

    is_answer: bool
    sent: int = 0
    free_at: float = -math.inf
    record: RecordPosition = field(default_factory=RecordPosition)


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens with a piece.

    Attributes:
        size: how many of its bytes are sent now.
        passes: whether an end of what one side sends is passed on.
        drops: whether it is thrown away.
        end: how the connection ends after that; None if it does not.
        until: when to decide again, in seconds, if nothing of the above happens; infinite: when the fault ends.
    """

    size: int = 0
    passes: bool = False
    drops: bool = False
    end: End | None = None
    until: float = math.inf


Delivery = Callable[[Values, Progress, Piece, float], Decision]
"""Decides about the first piece that waits: takes the values of the fault, the progress, the piece, and the time."""

STALL: Final = Decision()


def pass_on(_values: Values, _progress: Progress, piece: Piece, _now: float) -> Decision:
    """Send everything at once."""
    return Decision(size=len(piece.data), passes=True)


def delay(values: Values, progress: Progress, piece: Piece, now: float) -> Decision:
    """Send each piece `delay` seconds after its arrival."""
    due = piece.arrived + values["delay"]
    return pass_on(values, progress, piece, now) if now >= due else Decision(until=due)


def limit_bandwidth(values: Values, progress: Progress, piece: Piece, now: float) -> Decision:
    """Send `bytes_per_second`, as evenly as `BURST` allows."""
    if now < progress.free_at:
        return Decision(until=progress.free_at)
    return Decision(size=min(len(piece.data), max(1, int(values["bytes_per_second"] * BURST))), passes=True)


def swallow(_values: Values, _progress: Progress, _piece: Piece, _now: float) -> Decision:
    """Throw everything away."""
    return Decision(drops=True)


def close_after_bytes(values: Values, progress: Progress, piece: Piece, now: float) -> Decision:
    """Send `after_bytes` bytes of the answer, and close the connection."""
    left = values["after_bytes"] - progress.sent
    if not progress.is_answer or len(piece.data) < left:
        return pass_on(values, progress, piece, now)
    return Decision(size=max(0, left), end="close")


def halve_record(values: Values, progress: Progress, piece: Piece, now: float) -> Decision:
    """Send the first half of the next TLS record of the answer, then nothing, or close.

    Of an answer without TLS, half of the first piece is sent.
    """
    if not progress.is_answer or not piece.data:
        return pass_on(values, progress, piece, now)
    end: Any = "close" if values["then"] == "close" else None
    if not progress.record.after(piece.data).is_tls:
        return Decision(size=0 if progress.sent else len(piece.data) // 2, end=end)
    size = bytes_until_half(progress.record, piece.data, progress.sent)
    return pass_on(values, progress, piece, now) if size is None else Decision(size=size, end=end)


def advance(progress: Progress, data: bytes | memoryview, now: float, values: Values) -> Progress:
    """Return the progress after data was sent."""
    rate = values.get("bytes_per_second")
    return Progress(
        progress.is_answer,
        progress.sent + len(data),
        progress.free_at if rate is None else max(now, progress.free_at) + len(data) / rate,
        progress.record.after(data) if progress.is_answer else progress.record,
    )


def begin_fault(progress: Progress) -> Progress:
    """Return the progress at the beginning or end of a fault."""
    return Progress(progress.is_answer, record=progress.record)

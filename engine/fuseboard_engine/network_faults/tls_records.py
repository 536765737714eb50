"""Where a stream of bytes is within its TLS records. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HEADER: Final = 5
"""Bytes of a record's header: its type, its version (two bytes), and the length of its body (two bytes)."""
_TYPES: Final = range(20, 25)
_MAJOR_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """A place in a stream of TLS records.

    Attributes:
        header: the bytes of the current record's header so far; empty between two records.
        in_body: how many bytes of its body came after the whole header.
        is_tls: whether all headers so far were those of TLS records.
    """

    header: bytes = b""
    in_body: int = 0
    is_tls: bool = True

    @property
    def passed(self) -> int:
        """Bytes of the current record so far."""
        return len(self.header) + self.in_body

    @property
    def length(self) -> int:
        """Bytes of the body of the current record; 0 before its header is whole."""
        return int.from_bytes(self.header[3:5], "big") if len(self.header) == HEADER else 0

    def after(self, data: bytes | memoryview) -> RecordPosition:
        """Return the place after some more bytes."""
        here, rest = self, memoryview(data)
        while len(rest) and here.is_tls:
            here, used = here._step(rest)
            rest = rest[used:]
        return here

    def _step(self, data: memoryview) -> tuple[RecordPosition, int]:
        """Return the place after the rest of a header or of a body, and how many bytes that was."""
        if len(self.header) < HEADER:
            used = min(HEADER - len(self.header), len(data))
            header = self.header + bytes(data[:used])
            looks_like_tls = header[0] in _TYPES and header[1:2] in (b"", bytes([_MAJOR_VERSION]))
            place = RecordPosition(header, is_tls=looks_like_tls)
            return (RecordPosition() if looks_like_tls and len(header) == HEADER and not place.length else place), used
        used = min(self.length - self.in_body, len(data))
        in_body = self.in_body + used
        return (RecordPosition() if in_body == self.length else RecordPosition(self.header, in_body)), used


def bytes_until_half(position: RecordPosition, data: bytes | memoryview, since: int) -> int | None:
    """Return how many bytes to send so that the stream ends in the middle of a record; None if it has to go on.

    The middle is behind the header and the first half of the body, rounded down.

    Args:
        position: the place before `data`.
        data: the bytes that would be sent.
        since: how many bytes were sent since the stream was to end. A record that began before is sent to its end.
    """
    here, sent, rest = position, 0, memoryview(data)
    while len(rest):
        if len(here.header) == HEADER and here.passed <= since + sent:
            missing = max(0, HEADER + here.length // 2 - here.passed)
            return sent + missing if missing <= len(rest) else None
        here, used = here._step(rest)
        if not here.is_tls:
            return None
        sent, rest = sent + used, rest[used:]
    return None

"""Recorded events as they happen, for many clients: server-sent events that resume where a client stopped."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from fuseboard_console.http_api.responses import without_texts
from fuseboard_console.http_api.service import RecordingService
from fuseboard_console.http_server.problems import Problem
from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.views.events.text import adapters_of, event_fields, kind_of
from fuseboard_storage.board.board import Entry
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.recording import SLICE
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables.events import readable

POLL: Final = 0.05  # seconds between two looks at the recording
KEEP_ALIVE: Final = 15.0  # seconds without an event after which a comment is sent
MOST_STREAMS: Final = 200
MOST_WAITING: Final = 20_000
"""Events that wait for one client. One that takes them too slowly is dropped; it resumes with its last id."""
RETRY: Final = b"retry: 2000\n\n"


class Wanted(NamedTuple):
    """Which events a client wants: of these kinds (empty: all), of this adapter (empty: any), with texts or without."""

    kinds: frozenset[str] = frozenset()
    adapter: str = ""
    texts: bool = False

    def matches(self, entry: Entry) -> bool:
        """Return whether an entry is wanted."""
        return (not self.kinds or kind_of(entry.event) in self.kinds) and (
            not self.adapter or self.adapter in adapters_of(entry.event)
        )


class _Batch:
    """Entries of one file that were read at once; what is sent of them is made once for all clients."""

    def __init__(self, tag: str, entries: Sequence[Entry]) -> None:
        self.size = len(entries)
        self._tag = tag
        self._entries = entries
        self._sent: dict[Wanted, bytes] = {}
        self._messages: dict[tuple[int, bool], bytes] = {}

    def text(self, wanted: Wanted) -> bytes:
        """Return the messages of the entries that a client wants."""
        if wanted not in self._sent:
            self._sent[wanted] = b"".join(
                self._message(place, entry, wanted.texts)
                for place, entry in enumerate(self._entries)
                if wanted.matches(entry)
            )
        return self._sent[wanted]

    def _message(self, place: int, entry: Entry, texts: bool) -> bytes:
        key = place, texts
        if key not in self._messages:
            body = event_fields(entry)
            self._messages[key] = message(
                kind_of(entry.event), body if texts else without_texts(body), f"{self._tag}-{entry.seq}"
            )
        return self._messages[key]


class _Replaced(_Batch):
    """Says that the entries which follow are of another recording."""

    def __init__(self) -> None:
        super().__init__("", ())

    def text(self, wanted: Wanted) -> bytes:
        """Return the message."""
        return REPLACED


def message(kind: str, body: Any, id: str = "") -> bytes:
    """Return one message of a stream. The JSON is one line of ASCII, so no foreign text begins a field of its own."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {kind}\ndata: {safe_json(body)}\n\n".encode()


REPLACED: Final = message("replaced", {"say": "another recording has taken the place of the one before"})
"""Sent instead of what was missed, and when the file is replaced."""


class _Subscriber:
    """One client: what waits for it, and whether it was dropped."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[_Batch | None] = asyncio.Queue()
        self.waiting = 0
        self.dropped = False

    def put(self, batch: _Batch) -> None:
        if self.dropped:
            return
        self.waiting += batch.size
        self.dropped = self.waiting > MOST_WAITING
        self.batches.put_nowait(None if self.dropped else batch)

    async def get(self) -> _Batch | None:
        """Return the next batch; None at the end. Raise TimeoutError if nothing comes for a while."""
        async with asyncio.timeout(KEEP_ALIVE):
            batch = await self.batches.get()
        self.waiting -= 0 if batch is None else batch.size
        return batch


class EventStreams:
    """The streams of one API. The recording is read once for all of them, and only while there are any.

    Args:
        service: The recording.
    """

    def __init__(self, service: RecordingService) -> None:
        self._service = service
        self._subscribers: set[_Subscriber] = set()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False
        self._tag = ""  # of the file that is read
        self._newest = 0  # the number of the last event that was handed on

    async def close(self) -> None:
        """End all streams; clients resume elsewhere with their last id."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.batches.put_nowait(None)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def check_room(self) -> None:
        """Raise Problem 503 if no more clients can be served."""
        if self._closed or len(self._subscribers) >= MOST_STREAMS:
            detail = (
                "The server ends." if self._closed else f"There are {MOST_STREAMS} streams already. Try again later."
            )
            raise Problem(503, "no more streams", detail, {"Retry-After": "5"})

    async def follow(self, wanted: Wanted, last_id: str) -> AsyncIterator[bytes]:
        """Yield the messages for one client until it goes, or is dropped because it is too slow.

        Args:
            wanted: Which events it wants.
            last_id: The id of the last message it has seen; empty: only events from now on are sent.
        """
        subscriber = _Subscriber()
        newest = await self._subscribe(subscriber)
        try:
            yield RETRY
            async for part in self._missed(wanted, last_id, newest):
                yield part
            while True:
                try:
                    batch = await subscriber.get()
                except TimeoutError:
                    yield b": keep-alive\n\n"
                    continue
                if batch is None:
                    return
                if text := batch.text(wanted):
                    yield text
        finally:
            self._subscribers.discard(subscriber)

    async def _subscribe(self, subscriber: _Subscriber) -> int:
        """Add a client; return the number of the last event before those that it will be sent."""
        if self._reading is None or self._reading.done():
            self._tag, self._newest = file_tag(self._service.file), (await self._service.board()).seq
        if self._reading is None or self._reading.done():  # another client may have come meanwhile
            self._reading = asyncio.create_task(self._read())
        self._subscribers.add(subscriber)
        return self._newest

    async def _missed(self, wanted: Wanted, last_id: str, newest: int) -> AsyncIterator[bytes]:
        """Yield what was recorded after the last message that a client has seen, up to an event."""
        tag, _, number = last_id.partition("-")
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            return
        if tag != self._tag:
            yield REPLACED
            return
        recording, after = await self._service.recording(), int(number)
        extent = await recording.extent()
        if after < extent.pruned:
            yield message("gap", {"from": after + 1, "to": extent.pruned})
            after = extent.pruned
        while after < newest and (part := await recording.slice(after, SLICE, newest)):
            after = part[-1].seq
            if text := _Batch(self._tag, readable(part)).text(wanted):
                yield text

    async def _read(self) -> None:
        """Hand on what is recorded to all clients, until there are none."""
        while True:
            await asyncio.sleep(POLL)
            if not self._subscribers:
                return
            try:
                await self._read_on()
            except (Problem, RecordingError):
                continue  # the file is missing or locked for the moment

    async def _read_on(self) -> None:
        """Hand on what was recorded since the last call."""
        recording = await self._service.recording()
        tag = file_tag(self._service.file)
        if tag != self._tag:
            self._tag, self._newest = tag, 0
            self._put(_Replaced())
        while self._newest < self._service.newest and (part := await recording.slice(self._newest, SLICE)):
            self._newest = part[-1].seq
            self._put(_Batch(self._tag, readable(part)))

    def _put(self, batch: _Batch) -> None:
        for subscriber in self._subscribers:
            subscriber.put(batch)


def file_tag(file: Path) -> str:
    """Return what tells the recording at a path from others that may take its place."""
    return hashlib.blake2b(repr(schema.identity_of(file)).encode(), digest_size=4).hexdigest()

"""The `keyframes` table: stored Boards, so that opening a recording or seeking in it need not fold all events.

A keyframe is exact: folding on from one gives the same Board as folding from the first event.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import deque
from functools import cache
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from fuseboard_engine.events import (
    Attempt,
    BatchFinished,
    CommandDone,
    Int64,
    RecordingRestarted,
    RouteFinished,
    ScenarioStep,
    State,
)
from fuseboard_storage.backend.values import NEWEST as NEWEST
from fuseboard_storage.board.board import KEPT_ROUTES, Board
from fuseboard_storage.board.chain_rows import ChainRow
from fuseboard_storage.board.follow_ups import FollowUp, FollowUps
from fuseboard_storage.board.histogram import MAX_BUCKET, MIN_BUCKET
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.name_totals import EngineTotals
from fuseboard_storage.board.ordinary_routes import Alike, apply_ordinary
from fuseboard_storage.board.route_counts import is_ordinary
from fuseboard_storage.board.rows import (
    KEPT_CHANGES,
    KEPT_SECONDS,
    AdapterKey,
    AdapterRow,
    Entry,
    FailureRow,
    InstanceRow,
)
from fuseboard_storage.board.workflow_runs import WorkflowRow
from fuseboard_storage.tables import events, older_keyframes
from fuseboard_storage.tables.event_templates import MOST_TEMPLATES, duration_of
from fuseboard_storage.tables.safe_texts import hide_in_attributes, with_safe_texts

FORMAT: Final = 24
"""Incremented whenever the Board changes what it keeps or how it folds.

A keyframe of an earlier format is used where the events before it are gone; see `older_keyframes`.
"""

EVERY: Final = 5_000
"""The number of events between two keyframes of a small Board."""

SLICE: Final = 250
"""The number of events folded at a time: few enough not to delay the application's own threads."""

LARGE_SLICE: Final = 2_000
"""The number of events folded at a time while many are left: for each slice, a busy application's thread is waited for
once or twice."""

MAX_BYTES: Final = 32_000_000
"""The size of a Board that is unfolded, or stored. Without a keyframe, all events are folded."""

MAX_STORED: Final = 16_000_000
"""The size of a keyframe that is read at all, in bytes."""

MOST_BEHIND: Final = 50_000
"""The number of events after the newest keyframe, at most, while an engine writes (see `KeyframePace`)."""

MOST_BETWEEN: Final = 25_000
"""The number of events between two keyframes, at most, however large the Board is."""

_BYTES_PER_EVENT: Final = 64  # so that the keyframes of a large Board never outgrow its events

_PLAIN_ROW: Final = tuple(s for s in AdapterRow.__slots__ if s not in ("key", "tags", "seconds", "changes", "latency"))
_INSTANCE: Final = ("id", "name", "host", "pid", "started_at", "heartbeat_at", "ended_at", "reason", "continues")
_COUNTERS: Final = (
    "seq", "at", "dropped", "tasks", "tasks_ok", "tasks_degraded", "tasks_failed_over", "batches_ended",
    "batches_partial",
)  # fmt: skip
_TEXTS_OF_ADAPTER: Final = (
    "last_error",
    "reason",
    "detail",
    "actor",
    "held",
    "health_detail",
    "fault",
    "fault_actor",
)
_SPAN: Final = ("calls", "successes", "failures", "timeouts", "rejections")


_TYPES: Final[dict[str, Any]] = {
    "wait": float | None,
    "fault_value": float | None,
    "state": State,
    "policy": dict[str, Any],
}
"""The types of an adapter's fields that its first values do not show. None there is an optional integer otherwise."""


@cache
def _fields_of_adapter() -> type[msgspec.Struct]:
    """Return a struct with the plain fields of an adapter's row, which checks their types."""
    row = AdapterRow(AdapterKey(0, ""), 0)
    by_value = {int: Int64, NoneType: Int64 | None, dict: dict[str, float]}
    fields = []
    for name in _PLAIN_ROW:
        kind = type(getattr(row, name))
        fields.append((name, _TYPES.get(name) or by_value.get(kind, kind)))
    return msgspec.defstruct("_Fields", fields, frozen=True)


class _Instance(msgspec.Struct, frozen=True):
    id: Int64
    name: str
    host: str
    pid: Int64
    started_at: Int64
    heartbeat_at: Int64
    ended_at: Int64 | None
    reason: str
    continues: Int64


class _Failure(msgspec.Struct, array_like=True, frozen=True):
    key: tuple[Int64, str]
    first_at: Int64
    at: Int64
    count: Int64
    task: str
    task_type: str
    attempt: Attempt
    then: Literal["retry", "failover", "stop"]
    context: dict[str, str] | None = None


_Bucket = Annotated[int, msgspec.Meta(ge=MIN_BUCKET, le=MAX_BUCKET)]


class _Span(msgspec.Struct, array_like=True, frozen=True):
    at: Int64
    counts: tuple[Int64, Int64, Int64, Int64, Int64]
    latency: dict[_Bucket, Int64]
    first_item: dict[_Bucket, Int64]


class _Adapter(msgspec.Struct, array_like=True, frozen=True):
    key: tuple[Int64, str]
    plain: dict[str, Any]
    tags: tuple[str, ...]
    seconds: list[_Span]
    changes: list[tuple[Int64, State]]
    latency: dict[_Bucket, Int64]


class _Board(msgspec.Struct, frozen=True):
    counters: dict[str, Int64]
    scenario: ScenarioStep | None
    instances: list[_Instance]
    adapters: list[_Adapter]
    chains: list[tuple[Int64, str, tuple[str, ...]]]
    routes: list[tuple[Int64, Int64, RouteFinished]]
    failures: list[_Failure]
    actions: list[CommandDone]
    dead_letters: dict[str, Int64] = {}
    workflows: list[WorkflowRow] = []
    batches: list[BatchFinished] = []
    left: list[tuple[Int64, list[_Adapter]]] = []
    totals: dict[str, EngineTotals] = {}
    restarted: RecordingRestarted | None = None
    outages: list[tuple[str, str, Int64]] = []
    chain_rows: list[ChainRow] = []
    follow_ups: list[FollowUp] = []


_encode = msgspec.json.Encoder().encode


@cache
def _decoder() -> msgspec.json.Decoder[_Board]:
    # Created on first use: that takes longer than reading a small recording, which has no keyframe.
    return msgspec.json.Decoder(_Board)


def dump(board: Board) -> bytes:
    """Return a Board as bytes, from which `load` restores an equal one."""
    frozen = _Board(
        counters={name: getattr(board, name) for name in _COUNTERS},
        scenario=board.scenario,
        instances=[_Instance(*(getattr(row, name) for name in _INSTANCE)) for row in board.instances.values()],
        adapters=[_freeze_adapter(row) for row in board.adapters.values()],
        chains=[(instance, task_type, order) for (instance, task_type), order in board.chains.items()],
        routes=[(entry.seq, entry.instance, entry.event) for entry in board.routes],  # type: ignore[misc]
        failures=[
            _Failure(f.key, f.first_at, f.at, f.count, f.task, f.task_type, f.attempt, f.then, f.context)
            for f in board.failures
        ],
        actions=list(board.actions),
        follow_ups=list(board.follow_ups.rows),
        dead_letters=board.dead_letters,
        workflows=list(board.workflows.values()),
        batches=list(board.batches),
        totals=board.base_totals,
        restarted=board.restarted,
        chain_rows=list(board.chain_rows.values()),
        outages=[(*outage, since) for outage, since in board.outages.items()],
        left=[(instance, [_freeze_adapter(row) for row in rows.values()]) for instance, rows in board.left.items()],
    )
    return zlib.compress(_encode(frozen), 1)


def _freeze_adapter(row: AdapterRow) -> _Adapter:
    return _Adapter(
        key=row.key,
        plain={name: getattr(row, name) for name in _PLAIN_ROW},
        tags=row.tags,
        seconds=[
            _Span(s.at, (s.calls, s.successes, s.failures, s.timeouts, s.rejections), s.latency, s.first_item)
            for s in row.seconds
        ],
        changes=list(row.changes),
        latency=row.latency,
    )


def load(data: bytes, format_: int = FORMAT) -> Board:
    """Return the Board that `dump` encoded, without secrets in the free texts of older versions.

    Args:
        data: The bytes of a keyframe.
        format_: Its format, from `older_keyframes.OLDEST` to `FORMAT`.

    Raises:
        zlib.error, msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError: The bytes are not an
            encoded Board, or a huge one.
    """
    if format_ == FORMAT:
        frozen = _decoder().decode(unfolded(data))
    else:
        frozen = msgspec.convert(older_keyframes.upgraded(unfolded(data), format_), _Board, str_keys=True)
    board = Board()
    for name in _COUNTERS:
        setattr(board, name, frozen.counters[name])
    board.scenario = None if frozen.scenario is None else with_safe_texts(frozen.scenario)
    board.restarted = None if frozen.restarted is None else with_safe_texts(frozen.restarted)
    for chain in frozen.chain_rows:
        del chain.seconds[:-KEPT_SECONDS]
        board.chain_rows[chain.engine, chain.task_type] = chain
    board.outages = {(engine, adapter): since for engine, adapter, since in frozen.outages}
    for stored in frozen.instances:
        row = InstanceRow(stored.id, stored.name, stored.host, stored.pid, stored.started_at)
        for name in _INSTANCE:
            setattr(row, name, getattr(stored, name))
        hide_in_attributes(row, ("reason",))
        board.instances[row.id] = row
    board.base_totals = frozen.totals
    for adapter in frozen.adapters:
        adapter_row = _thaw_adapter(adapter)
        board.adapters[adapter_row.key] = adapter_row
    for instance, task_type, order in frozen.chains:
        board.chains[instance, task_type] = order
    board.routes.extend(Entry(seq, instance, with_safe_texts(route)) for seq, instance, route in frozen.routes)
    board.failures.extend(_thaw_failure(failure) for failure in frozen.failures)
    board.actions.extend(map(with_safe_texts, frozen.actions))
    board.follow_ups = FollowUps(frozen.follow_ups)
    board.dead_letters = frozen.dead_letters
    for run in frozen.workflows:
        for part in (run, *run.nodes.values()):
            hide_in_attributes(part, ("error",))
        board.workflows[run.run] = run
    board.batches.extend(map(with_safe_texts, frozen.batches))
    for instance, adapters in frozen.left:
        board.left[instance] = {row.name: row for row in map(_thaw_adapter, adapters)}
    return board


def unfolded(data: bytes) -> bytes:
    """Return compressed bytes unfolded, at most `MAX_BYTES` of them: a few bytes may unfold to more than the memory."""
    unfolding = zlib.decompressobj()
    found = unfolding.decompress(data, MAX_BYTES)
    if unfolding.unconsumed_tail or not unfolding.eof:
        raise ValueError(f"the keyframe has more than {MAX_BYTES:,} bytes, or its end is missing")
    return found


def _thaw_adapter(frozen: _Adapter) -> AdapterRow:
    plain: Any = msgspec.convert(frozen.plain, _fields_of_adapter())
    row = AdapterRow(AdapterKey(*frozen.key), plain.added_at)
    for name in _PLAIN_ROW:
        setattr(row, name, getattr(plain, name))
    row.tags = frozen.tags
    for stored in frozen.seconds[-KEPT_SECONDS:]:
        span = AdapterSecond(stored.at, row.key.adapter)
        for name, count in zip(_SPAN, stored.counts, strict=True):
            setattr(span, name, count)
        span.latency = stored.latency
        span.first_item = stored.first_item
        row.seconds.append(span)
    row.changes.extend(frozen.changes[-KEPT_CHANGES:])
    row.latency = frozen.latency
    hide_in_attributes(row, _TEXTS_OF_ADAPTER)
    return row


def _thaw_failure(frozen: _Failure) -> FailureRow:
    row = FailureRow.__new__(FailureRow)
    row.key = AdapterKey(*frozen.key)
    row.first_at = frozen.first_at
    row.at = frozen.at
    row.count = frozen.count
    row.task = frozen.task
    row.task_type = frozen.task_type
    row.attempt = with_safe_texts(frozen.attempt)
    row.then = frozen.then
    row.context = frozen.context
    return row


DAMAGE: Final = (
    zlib.error, msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, RecursionError,
)  # fmt: skip
"""What `load` raises for a damaged keyframe."""


Row = tuple[bytes, int, int]
"""A row of `by_seq` or `by_time`: the Board as bytes, its format and its number."""

MOST_DAMAGED: Final = 16
"""The number of damaged keyframes, one after the other, in place of which an earlier one is looked for."""


def board_of(row: Row) -> Board | None:
    """Return the Board in a row; None if it is damaged."""
    data, format_, _ = row
    try:
        return load(data, format_)
    except DAMAGE:
        return None


def newest_board(connection: sqlite3.Connection, table: str) -> Board:
    """Return the newest keyframe that is not damaged; an empty Board if there is none.

    Args:
        connection: A connection to the recording.
        table: The table or view of its events.
    """
    to = NEWEST
    for _ in range(MOST_DAMAGED):
        row = connection.execute(by_seq(table), (to,)).fetchone()
        if row is None:
            break
        if (board := board_of(row)) is not None:
            return board
        to = row[2] - 1
    return Board()


def readable(table: str) -> str:
    """Return the SQL condition of the keyframes that are used.

    Args:
        table: The table or view of the recording's events. Those of an earlier format are used only if the first event
            is no longer in it.
    """
    gone = f"format >= {older_keyframes.OLDEST} AND NOT EXISTS (SELECT 1 FROM {table} WHERE seq = 1)"
    size = f"typeof(board) = 'blob' AND length(board) <= {MAX_STORED} AND seq > 0"
    return f"(format = {FORMAT} OR format < {FORMAT} AND {gone}) AND {size}"


_COLUMNS: Final = "board, format, seq"


def by_seq(table: str) -> str:
    """Return the SQL of the newest keyframe up to an event; see `readable` and `board_of`."""
    return f"SELECT {_COLUMNS} FROM keyframes WHERE {readable(table)} AND seq <= ? ORDER BY seq DESC LIMIT 1"


def by_time(table: str, columns: str = _COLUMNS) -> str:
    """Return the SQL of the newest keyframe up to a time, UTC microseconds; see `readable` and `board_of`."""
    return f"SELECT {columns} FROM keyframes WHERE {readable(table)} AND at <= ? ORDER BY at DESC, seq DESC LIMIT 1"


_FORGOTTEN: Final = "SELECT coalesce(max(id), 0) FROM commands WHERE verb = 'forget'"
"""Selects the last time when an operator had traces removed from the recording; see `maintenance.forget`."""


def newest(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the numbers of the newest event and of the newest keyframe; 0 if there is none."""
    # One statement, so that both are of one moment.
    sql = f"""SELECT (SELECT max(seq) FROM event_log),
        (SELECT seq FROM keyframes WHERE format = {FORMAT} ORDER BY seq DESC LIMIT 1)"""
    event, keyframe = connection.execute(sql).fetchone()
    return event or 0, keyframe or 0


class _Shared(NamedTuple):
    """The body of a template, and what its events have in common if they are ordinary routes, apart from values."""

    body: str | None
    alike: Alike | None = None


_NOT_SHARED: Final = _Shared(None)


def _shared_of(body: str) -> _Shared:
    event = events.entry_of(None, (1, 1, 0, "", body, "[0,0]")).event
    if isinstance(event, RouteFinished) and is_ordinary(event):
        return _Shared(body, Alike.of(event))
    return _Shared(body)


class KeyframeMaker:
    """Folds the events that the writer has committed and stores a keyframe every few thousand events.

    The keyframes of a large Board are further apart, so that they never outgrow its events. Between two of them, the
    newest keyframe is replaced by a newer one, so that few events ever follow it.
    """

    def __init__(self, connection: sqlite3.Connection, every: int = EVERY) -> None:
        self._connection = connection
        self._every = every
        self._load()

    def _load(self) -> None:
        self._forgotten = self._connection.execute(_FORGOTTEN).fetchone()[0]
        self._board = newest_board(self._connection, "event_log")
        self._kept = self._last = self._board.seq  # the newest keyframe that is not replaced, and the newest of all
        self._recent: deque[tuple[Any, ...]] = deque(self._board.routes, maxlen=KEPT_ROUTES)
        """The newest routes, newest first: entries, or rows that were not decoded yet."""
        self._board.routes.clear()
        self._shared: dict[tuple[int, int], _Shared] = {}
        """The templates that were met, by number and digest."""
        self._due = self._every
        self._made: tuple[int, int, bytes, int] | None = None  # a keyframe to store: its row, and what it replaces

    @property
    def folded(self) -> int:
        """The number of the last event that was folded."""
        return self._board.seq

    def behind(self) -> int:
        """Return the number of events that are recorded but not folded yet."""
        return events.newest(self._connection) - self._board.seq

    def step(self) -> bool:
        """Fold one slice of events, and store a keyframe if one is due.

        Returns:
            Whether there may be more to fold.

        Raises:
            sqlite3.Error: The file could not be read or written; the next step continues from here.
        """
        before = self._forgotten
        more = self.fold()
        self.store()
        self.stored()
        return more or self._forgotten != before

    def fold(self, most: int = SLICE) -> bool:
        """Fold up to `most` events, and make a keyframe if one is due; see `store`. Return whether there may be more.

        Raises:
            sqlite3.Error: The file could not be read; the next call continues from here.
        """
        rows = events.undecoded_after(self._connection, self._board.seq, most)
        if rows is None:
            entries = events.after(self._connection, self._board.seq, most)
            for entry in entries:
                self._apply(entry)
        else:
            self._apply_rows(rows)
        last = self._last if self._made is None else self._made[0]
        if self._board.seq - last >= min(self._due, MOST_BETWEEN):
            self._make()
        return len(entries if rows is None else rows) == most

    def _apply_rows(self, rows: list[events.UndecodedRow]) -> None:
        """Fold rows. The events of ordinary routes, which most are, are decoded only when a keyframe needs them."""
        known, recent, ordinary = self._shared, self._recent, list[tuple[int, int, int, Alike, float]]()
        for seq, instance, at, task, template, digest, body in rows:
            shared = (known.get((template, digest)) or self._look_up(template, digest)) if digest else _NOT_SHARED
            if shared.alike is not None and (seconds := duration_of(body)) is not None:
                ordinary.append((seq, instance, at, shared.alike, seconds))
                recent.appendleft((seq, instance, at, task, shared.body, body))
            else:
                apply_ordinary(self._board, ordinary)
                ordinary.clear()
                self._apply(events.entry_of(None, (seq, instance, at, task, shared.body, body)))
        apply_ordinary(self._board, ordinary)

    def _apply(self, entry: Entry) -> None:
        self._board.apply(entry)
        if self._board.routes:
            self._recent.appendleft(self._board.routes.pop())

    def _look_up(self, template: int, digest: int) -> _Shared:
        sql = "SELECT body FROM event_templates WHERE id = ? AND digest = ?"
        row = self._connection.execute(sql, (template, digest)).fetchone()
        shared = _NOT_SHARED if row is None else _shared_of(row[0])
        if len(self._shared) >= MOST_TEMPLATES:
            self._shared.clear()
        self._shared[template, digest] = shared
        return shared

    @property
    def has_made(self) -> bool:
        """Whether a keyframe waits to be stored."""
        return self._made is not None

    def store(self) -> None:
        """Store the keyframe that was made, in the open transaction if there is one; call `stored` once it is there.

        Raises:
            sqlite3.Error: The file could not be written.
        """
        if self._made is None:
            return
        seq, at, data, replaced = self._made
        sql = f"""INSERT OR IGNORE INTO keyframes(seq, at, format, board) SELECT ?, ?, ?, ? WHERE ({_FORGOTTEN}) = ?"""
        self._connection.execute(sql, (seq, at, FORMAT, data, self._forgotten))
        if self._connection.execute(_FORGOTTEN).fetchone()[0] != self._forgotten:
            self._load()  # this Board still has what the recording has forgotten
            return
        if self._kept < replaced:  # unless retention has deleted what is before it
            sql = "DELETE FROM keyframes WHERE seq = ? AND EXISTS (SELECT 1 FROM keyframes WHERE seq = ?)"
            self._connection.execute(sql, (replaced, self._kept))

    def stored(self) -> None:
        """Continue towards the next keyframe, once the last one is committed."""
        if self._made is not None:
            self._last, self._made = self._made[0], None
            if self._last - self._kept >= self._due:
                self._kept = self._last

    def _make(self) -> None:
        routes = self._board.routes
        routes.extend(row if isinstance(row, Entry) else events.entry_of(None, row) for row in self._recent)
        data = dump(self._board)
        self._recent = deque(routes, maxlen=KEPT_ROUTES)
        routes.clear()
        self._due = max(self._every, len(data) // _BYTES_PER_EVENT)
        if len(data) <= MAX_STORED:
            self._made = self._board.seq, self._board.at, data, self._last
        else:
            self._last = self._board.seq

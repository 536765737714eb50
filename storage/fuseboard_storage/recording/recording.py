"""Reads a recording and sends commands to its engines.

Everything that reads a recording (the console, the command line, the HTTP API) uses a `Recording`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from fuseboard_engine.commands import VERBS
from fuseboard_engine.events import AttemptFailed, ProbeChanged, State
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_storage.backend.values import CommandStatus, Extent, Target
from fuseboard_storage.board.board import Board, Entry, InstanceRow
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.board.presence import note_life
from fuseboard_storage.board.rows import failure_of
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.change_detector import ChangeDetector
from fuseboard_storage.recording.command_client import STARTS, check_not_replaced, ids_json, post_commands
from fuseboard_storage.recording.event_query import (
    PAGE,
    EventFilter,
    EventQuery,
    Kind,
    Moment,
    Numbers,
    event_filter,
    microseconds,
)
from fuseboard_storage.recording.open_file import OpenFile
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.connection import ReadingMode, ThreadedConnection, connected, reading_mode
from fuseboard_storage.sqlite.damaged_rows import text, whole_number
from fuseboard_storage.tables import commands as command_rows
from fuseboard_storage.tables import events as event_rows
from fuseboard_storage.tables import keyframes
from fuseboard_storage.tables import metrics as metric_rows
from fuseboard_storage.tables.instances import mark_dead
from fuseboard_storage.tables.safe_texts import safe_text_of

if TYPE_CHECKING:
    from fuseboard_engine.workflow.checkpoints import SavedRun
    from fuseboard_storage.recording.metric_steps import AdapterMetrics

POLL: Final = 0.02  # seconds between two queries of a command whose outcome is awaited
_STATES: Final = frozenset(get_args(State))
SLICE: Final = 2_000  # entries folded before other tasks get a chance to run


class Recording(OpenFile):
    """One open recording. Created by `Recording.open`; read-only except for sending commands."""

    def __init__(
        self,
        path: Path,
        connection: ThreadedConnection,
        identity: tuple[int, int] | None,
        mode: ReadingMode,
        stack: contextlib.AsyncExitStack,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        super().__init__(path, connection, identity, mode, stack)
        self._changes = ChangeDetector(path)
        self._now = now

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, path: str | os.PathLike[str], *, now: Callable[[], int] = wall_clock
    ) -> AsyncIterator[Recording]:
        """Open a recording for reading; the file is not changed.

        An empty file is a recording that waits for its first engine; all queries of it return nothing until then.

        Args:
            path: The file.
            now: UTC microseconds, for the commands that are sent.

        Raises:
            RecordingError: The file is missing, is not a recording, has a newer version, is damaged, or cannot be read
                at the moment. Later queries raise the same.
        """
        where = Path(path).absolute()  # noqa: ASYNC240 - does not access the disk
        schema.refuse_missing(path)
        identity = schema.identity_of(where)
        mode = reading_mode(where)
        async with contextlib.AsyncExitStack() as stack:
            connection = await stack.enter_async_context(connected(where, mode.uri))
            recording = cls(where, connection, identity, mode, stack, now)
            await recording._has_tables()
            yield recording

    # ------------------------------------------------------------------ queries

    async def entries(self, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """Return up to `limit` entries numbered above `after`, in order.

        Events of kinds that only a newer version knows are left out.
        """
        found: list[Entry] = []
        while len(found) < limit:
            part = await self.slice(after, limit - len(found))
            if not part:
                break
            found += event_rows.readable(part)
            after = part[-1].seq
        return found

    async def slice(self, after: int, limit: int, to: int = keyframes.NEWEST) -> list[Entry]:
        """Return entries as `entries` does, with those of kinds that this version does not know as `UnknownEvent`.

        A damaged event is returned as an `Event` with its time only.

        Args:
            after: Only entries with a number above this.
            limit: The maximum number of entries.
            to: Only entries with a number up to this.
        """
        if (table := await self._event_table()) is None:
            return []
        sql = f"{table.select} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        return await self._entries(sql, (after, to, limit))

    async def board(self) -> Board:
        """Return the current Board: the newest keyframe and the entries after it."""
        return await self.board_at()

    async def board_at(self, *, at: Moment | None = None, seq: int | None = None) -> Board:
        """Return the Board as of a time or an entry.

        Args:
            at: UTC microseconds, or a `datetime`; the Board holds everything before the first entry that is later.
            seq: The number of the last entry to apply. With neither, all entries are applied that are recorded now:
                those that engines record in the meantime are left out, so that fast ones do not delay the answer.
        """
        last = await self.last_seq() if seq is None else seq
        until = keyframes.NEWEST if at is None else microseconds(at)
        board = await self.keyframe(last) if at is None else await self._keyframe_at(until)
        while board.seq < last and (part := await self.slice(board.seq, SLICE, last)):
            for entry in part:
                if entry.event.at > until:
                    return board
                board.apply(entry)
        return board

    async def keyframe(self, to: int = keyframes.NEWEST) -> Board:
        """Return the newest stored Board up to an entry that is not damaged; an empty one if there is none."""
        for _ in range(keyframes.MOST_DAMAGED):
            found = await self._rows_if_any(keyframes.by_seq(await self._events()), (to,))
            if not found:
                break
            if (board := keyframes.board_of(found[0])) is not None:
                return board
            to = found[0][2] - 1
        return Board()

    async def _keyframe_at(self, at: int) -> Board:
        """Return the newest keyframe up to a time; before the first kept event, the keyframe that event follows."""
        found = await self._rows_if_any(keyframes.by_time(await self._events()), (at,))
        if not found:
            return await self.keyframe((await self.extent()).pruned)
        return keyframes.board_of(found[0]) or await self.keyframe(found[0][2] - 1)

    async def extent(self) -> Extent:
        """Return the numbers of the newest entry, and of the newest that was deleted with all before it."""
        sql = f"""SELECT coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name IN ('event_log', 'events')), 0),
            (SELECT min(seq) - 1 FROM {await self._events()})"""
        found = await self._rows_if_any(sql)
        newest, pruned = found[0] if found else (0, 0)
        return Extent(whole_number(newest if pruned is None else pruned), whole_number(newest))

    async def keyframe_before(self, at: int) -> int:
        """Return the number of the last entry in the keyframe that `board_at(at=...)` starts from; 0 if none."""
        found = await self._rows_if_any(keyframes.by_time(await self._events(), "seq"), (at,))
        return int(found[0][0]) if found else 0

    async def ends(self) -> tuple[int, int, int, int] | None:
        """Return number and time (UTC microseconds) of the first and of the last event; None if there are no events."""
        sql = f"SELECT seq, at FROM {await self._events()} ORDER BY seq {{}} LIMIT 1"
        first, last = await self._rows_if_any(sql.format("ASC")), await self._rows_if_any(sql.format("DESC"))
        return (*first[0], *last[0]) if first and last else None

    async def changes(self, after: int = 0) -> list[tuple[int, int, str]]:
        """Return number, time and new state of each `StateChanged` numbered above `after`, in order."""
        if (table := await self._event_table()) is None:
            return []
        changed, values = table.matching(("state_changed",))
        sql = f"""SELECT seq, at, {event_rows.body_field("after")} FROM {table.name} AS e
            WHERE {changed} AND seq > ? ORDER BY seq"""
        found = await self._rows(sql, (*values, after))
        return [(seq, at, state) for seq, at, state in found if state in _STATES]

    async def changes_of(self, adapter: str, instances: Sequence[int], since: int, until: int) -> list[tuple[int, str]]:
        """Return time and new state of each `StateChanged` of an adapter, in order.

        Args:
            adapter: The adapter's name.
            instances: The engine instances that have it.
            since: UTC microseconds; the last change before it is included.
            until: The end of the time, exclusive.
        """
        if (table := await self._event_table()) is None:
            return []
        changed, values = table.matching(("state_changed",), adapter)
        changed += f" AND instance IN ({', '.join(map(str, instances))})"
        sql = f"""SELECT at, {event_rows.body_field("after")} FROM {table.name} AS e
            WHERE {changed} AND at < ? AND seq >= coalesce(
                (SELECT max(seq) FROM {table.name} AS e WHERE {changed} AND at < ?), 0) ORDER BY seq"""
        found = await self._rows(sql, (*values, until, *values, since))
        return [(at, state) for at, state in found if state in _STATES]

    async def events(
        self,
        *,
        kinds: Kind | Iterable[Kind] = (),
        adapter: str | None = None,
        task: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int | None = 1_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return recorded events that match, oldest first, from an index: the size of the recording does not matter.

        Args:
            kinds: Only events of this kind or these kinds, each the name (`"attempt_failed"`) or the class
                (`AttemptFailed`) of a kind; empty: of all kinds.
            adapter: Only events of this adapter.
            task: Only events of the task with this id.
            since: Only events from this time on: UTC microseconds, or a `datetime`.
            until: Only events before this time, as for `since`.
            after: Only events numbered above this.
            before: Only events numbered below this; None: up to the newest.
            limit: The maximum number of events; None: all that are recorded now.
            newest_first: Return the newest events, newest first.

        Returns:
            The entries. `entry.event` is one of the classes in `fuseboard_engine.events`; events of kinds that only a
            newer version knows are left out.

        Raises:
            ValueError: There is no such kind.
            TypeError: A time is neither microseconds nor a `datetime`.
        """
        if before is None and limit is None:
            before = await self.last_seq() + 1
        pages = self._pages(
            event_filter(kinds, adapter, task, since, until),
            Numbers(after, keyframes.NEWEST if before is None else before),
            limit,
            newest_first,
        )
        async with contextlib.aclosing(pages):
            return [entry async for page in pages for entry in page]

    async def stream_events(
        self,
        *,
        kinds: Kind | Iterable[Kind] = (),
        adapter: str | None = None,
        task: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
    ) -> AsyncGenerator[Entry, None]:
        """Yield all events that `events` would return without a limit, with a few thousand of them in memory at a time.

        Events that are recorded meanwhile are included if they are read in order. `Tail` follows a recording.
        """
        pages = self._pages(
            event_filter(kinds, adapter, task, since, until),
            Numbers(after, keyframes.NEWEST if before is None else before),
            None,
            newest_first,
        )
        async with contextlib.aclosing(pages):
            async for page in pages:
                for entry in page:
                    yield entry

    async def _pages(
        self, wanted: EventFilter, numbers: Numbers, limit: int | None, newest_first: bool
    ) -> AsyncGenerator[list[Entry], None]:
        if (table := await self._event_table()) is None:
            return
        query = EventQuery(self._rows, self._entries, table, wanted, newest_first)
        left = keyframes.NEWEST if limit is None else limit
        for after, before in await query.ranges(numbers):
            size = min(left, PAGE)
            while left > 0 and (part := await query.page(Numbers(after, before), size)):
                found = event_rows.readable(part)
                left -= len(found)
                yield found
                if len(part) < size:
                    break
                after, before = (after, part[-1].seq) if newest_first else (part[-1].seq, before)
                size = min(left, PAGE)

    async def failures(
        self,
        limit: int | None,
        adapter: str | None = None,
        *,
        task: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        before: int | None = None,
    ) -> list[Entry]:
        """Return the newest failures, newest first; each entry's event is an `AttemptFailed`.

        Probes that succeeded but were too slow are failures too: with the outcome `success`, how long it took as the
        error, and no task.

        Args:
            limit: The maximum number of entries; None: all that are recorded now.
            adapter: Only failures of this adapter.
            task: Only failures of this task.
            since: Only failures from this time on; this and `until` as for `events`.
            until: Only failures before this time.
            before: Only failures numbered below this; None: up to the newest.
        """
        wanted: dict[str, Any] = {"adapter": adapter, "task": task, "since": since, "until": until, "before": before}
        found = await self.events(kinds=AttemptFailed, limit=limit, newest_first=True, **wanted)
        oldest = found[-1].seq if found and len(found) == limit else 0
        async with contextlib.aclosing(self.stream_events(kinds=ProbeChanged, after=oldest, **wanted)) as probes:
            slow = [entry._replace(event=failure) async for entry in probes if (failure := failure_of(entry.event))]
        return sorted([*found, *slow], key=lambda entry: entry.seq, reverse=True)[:limit]

    async def newest(self, limit: int, *, adapter: str | None = None, kinds: Sequence[str] = ()) -> list[Entry]:
        """Return the newest entries that match, in the order they happened. `events` has more filters.

        Args:
            limit: The maximum number of entries.
            adapter: Only events of this adapter.
            kinds: Only events of these kinds; empty: of all kinds.
        """
        return (await self.events(kinds=kinds, adapter=adapter, limit=limit, newest_first=True))[::-1]

    async def spans(
        self, since: int, until: int, adapter: str | None = None, instances: Sequence[int] = ()
    ) -> list[AdapterSecond]:
        """Return metrics, oldest first, at the resolution that is left of them.

        Args:
            since: The start of the time, UTC microseconds.
            until: The end of the time, exclusive.
            adapter: Only metrics of this adapter.
            instances: Only metrics of these engine instances; empty: of all.
        """
        if not await self._has_tables():
            return []
        return await metric_rows.read(self._rows, since, until, adapter, instances)

    async def metrics(
        self,
        *,
        adapter: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        step: float | None = None,
        instances: Sequence[int] = (),
    ) -> list[AdapterMetrics]:
        """Return calls, rates and quantiles per adapter and step of time, in the order of time.

        The counts are exact: also events that are no longer recorded are counted. Older metrics are kept in coarser
        spans, of 10 s, 1 min and 1 h; such a span is returned whole, with its length in `seconds`.

        Args:
            adapter: Only metrics of this adapter.
            since: Only spans that begin at this time or later: UTC microseconds, or a `datetime`.
            until: Only spans that begin before this time, as for `since`.
            step: The length of a step in seconds, at least 1. Steps begin at multiples of it. None: one result per
                adapter, for the whole time.
            instances: Only metrics of these engine instances; empty: of all.

        Raises:
            ValueError: The step is shorter than one second, or not finite.
        """
        from fuseboard_storage.recording.metric_steps import adapter_metrics

        return await adapter_metrics(self._rows_if_any, adapter, since, until, step, instances)

    async def instances(self) -> list[InstanceRow]:
        """Return every engine that wrote to the recording, with its last heartbeat and, if it has ended, its end."""
        found = []
        for id, name, host, pid, started_at, heartbeat_at, ended_at in await self._rows_if_any(
            "SELECT id, name, host, pid, started_at, heartbeat_at, ended_at FROM instances ORDER BY id"
        ):
            row = InstanceRow(whole_number(id), text(name), text(host), whole_number(pid), whole_number(started_at))
            row.heartbeat_at = whole_number(heartbeat_at)
            row.ended_at = None if ended_at is None else whole_number(ended_at)
            found.append(row)
        return found

    async def end_reasons(self) -> dict[int, str]:
        """Return why engines ended, by instance, as far as it is still recorded. `lost`: the engine was found dead."""
        if (table := await self._event_table()) is None:
            return {}
        stopped, values = table.matching(("engine_stopped",))
        sql = f"""SELECT instance, {event_rows.body_field("reason")} FROM {table.name} AS e
            WHERE {stopped} ORDER BY seq"""
        found = await self._rows(sql, values)
        return {instance: safe_text_of(reason) if isinstance(reason, str) else "closed" for instance, reason in found}

    async def bring_up_to_date(self, board: Board, now: int) -> bool:
        """Update a Board's heartbeats, and mark the engines of this host whose process has ended.

        Args:
            board: The Board of this recording.
            now: UTC microseconds.

        Returns:
            Whether any engine's mark changed.
        """
        for row in await self.instances():
            board.heartbeat(row.id, row.heartbeat_at)
        note_life(board)
        return mark_dead(board.instances.values(), now)

    async def letter_changes(self, letter: int, since: int) -> list[Entry]:
        """Return the entries of a dead letter in order: its creation and each of its changes.

        Args:
            letter: The id of the dead letter.
            since: When it was created, UTC microseconds; older events are not searched.
        """
        if (table := await self._event_table()) is None:
            return []
        changed, values = table.matching(("dead_lettered", "dead_letter_changed"))
        letters = "iif(json_valid(e.body), e.body, '{}')"
        sql = f"""{table.select} WHERE seq > coalesce((SELECT max(seq) FROM keyframes WHERE at < ?), 0) AND {changed}
            AND ({event_rows.body_field("letter")} = ?
                OR EXISTS (SELECT 1 FROM json_each({letters}, '$.letters') WHERE value = ?)) ORDER BY seq"""
        return event_rows.readable(await self._entries(sql, (since, *values, letter, letter)))

    async def workflow_runs(
        self,
        limit: int = 20,
        *,
        run: str = "",
        unfinished: bool = False,
        without: Iterable[str] = (),
        results: bool = True,
        before: tuple[int, str] | None = None,
    ) -> list[SavedRun]:
        """Return saved workflow runs with their nodes, the last changed first.

        Args:
            limit: The maximum number of runs.
            run: Only the run with this id.
            unfinished: Only runs that can be resumed.
            without: Ids of runs to leave out.
            results: Whether to load the runs' inputs and the nodes' results, which may be large; else they are `null`.
            before: Only runs that come after the run with this time of the last change and id; None: from the first.
        """
        from fuseboard_storage.recording.saved_runs import saved_runs

        return await saved_runs(
            self._rows_if_any, limit, run=run, unfinished=unfinished, without=without, results=results, before=before
        )

    async def run_ids(self, text: str, limit: int = 3) -> list[str]:
        """Return the saved run with the id `text`; without one, the ids that begin or end with it, newest first."""
        from fuseboard_storage.recording.saved_runs import matching_ids

        return await matching_ids(self._rows_if_any, text, limit)

    async def count_workflow_runs(self) -> tuple[int, int]:
        """Return the number of saved workflow runs, and how many of them can be resumed."""
        from fuseboard_storage.recording.saved_runs import count_runs

        return await count_runs(self._rows_if_any)

    async def last_seq(self) -> int:
        """Return the number of the newest entry; 0 if there is none.

        Retention may have deleted the entry itself: a keyframe is left of it then.
        """
        found = await self._rows_if_any(f"SELECT {await self._newest()}")
        return whole_number(found[0][0]) if found else 0

    async def head(self) -> tuple[int, dict[int, int]]:
        """Return the number of the newest entry, and each engine's last heartbeat by instance.

        The number is 0 if there is no entry. Heartbeats are UTC microseconds.
        """
        found = await self._rows_if_any(f"SELECT {await self._newest()}, id, heartbeat_at FROM instances")
        return (whole_number(found[0][0]) if found else 0), {whole_number(id): whole_number(at) for _, id, at in found}

    async def _newest(self) -> str:
        """Return the SQL of the number of the newest entry."""
        table = await self._events()
        entry = f"coalesce((SELECT max(seq) FROM {table}), 0)"
        keyframe = f"coalesce((SELECT max(seq) FROM keyframes WHERE {keyframes.readable(table)}), 0)"
        return f"max({entry}, {keyframe})"

    def unchanged(self) -> bool:
        """Return whether certainly nothing was written since the previous call. Runs no query."""
        return self._changes.unchanged()

    def check_not_replaced(self) -> None:
        """Raise `RecordingError` if the file is missing from its path or was replaced by another."""
        check_not_replaced(self.path, self._identity)

    # ------------------------------------------------------------------ commands

    async def ask(
        self,
        verb: str,
        adapter: str = "",
        *,
        instance: int | None = None,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> int:
        """Send a command to an engine.

        Args:
            verb: One of `fuseboard_engine.commands.VERBS`.
            adapter: The adapter it concerns; empty for verbs that concern all.
            instance: The engine instance that should take it; None for the first that does.
            actor: The operator, as shown in the audit.
            args: The verb's own arguments.
            expires_in: Seconds after which it expires unless taken.

        Returns:
            The command's id, for `command`.

        Raises:
            ValueError: The verb is unknown.
            RecordingError: The file cannot be written, was replaced by another, or no engine ever wrote to it.
        """
        ids = await self.ask_many(verb, [(instance, adapter)], actor=actor, args=args, expires_in=expires_in)
        return ids[0]

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[Target],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        """Send a command for each target, an instance and an adapter; all of them or none.

        Everything else is as for `ask`. Return the commands' ids, in the order of the targets.
        """
        if verb not in VERBS:
            raise ValueError(f"There is no command {verb!r}. There are: {', '.join(VERBS)}.")
        if not await self._has_tables():
            raise RecordingError(f"No engine has written to {self.path.name} yet.", "Start one, then try again.")
        if not targets:
            return []
        starts = dict(await self._rows(STARTS, (ids_json(instance for instance, _ in targets),)))
        now = self._now()
        until = now + int(expires_in * 1e6)
        return await post_commands(
            self.path, self._identity, starts, verb, targets, actor=actor, args=args or {}, now=now, expires_at=until
        )

    async def command(self, id: int) -> CommandStatus:
        """Return the status of a command.

        Raises:
            KeyError: There is no command with this id.
        """
        return (await self.statuses((id,)))[id]

    async def statuses(self, ids: Iterable[int]) -> dict[int, CommandStatus]:
        """Return the statuses of commands by id, without unknown ids. See `command`."""
        found = await self._rows_if_any(command_rows.SELECT_BY_ID, (ids_json(ids),))
        now = self._now()
        return {row[0]: command_rows.status_of(row, now) for row in found}

    async def commands(self, limit: int) -> list[CommandStatus]:
        """Return the statuses of the newest commands, at most `limit`, newest first. See `command`."""
        return [
            command_rows.status_of(row, self._now())
            for row in await self._rows_if_any(command_rows.SELECT_NEWEST, (limit,))
        ]

    async def outcome(self, id: int) -> CommandStatus:
        """Wait until a command is over, expired or lost with its engine, and return its status. See `command`."""
        while not (status := await self.command(id)).over:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(POLL)
        return status

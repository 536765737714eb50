"""Read a recording, and ask things of its engines, without holding one.

Everything that looks at a recording (the console, the command line, an API) goes through a `Recording`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import aiosqlite

from fuseboard_engine.commands import VERBS
from fuseboard_engine.runtime.clock import wall_clock
from fuseboard_engine.workflow.checkpoints import SavedRun
from fuseboard_storage.board.board import Board, Entry, InstanceRow
from fuseboard_storage.board.metrics import AdapterSecond
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recording.command_client import STARTS, Target, check_not_replaced, ids_json, post
from fuseboard_storage.sqlite import schema
from fuseboard_storage.sqlite.change_detector import ChangeDetector
from fuseboard_storage.sqlite.connection import connected, translate_query_errors
from fuseboard_storage.tables import commands as mailbox
from fuseboard_storage.tables import events as rows
from fuseboard_storage.tables import keyframes as keyframe
from fuseboard_storage.tables import metrics as metric_rows
from fuseboard_storage.tables.commands import CommandStatus
from fuseboard_storage.tables.instances import mark_dead

LOOK_EVERY: Final = 0.02  # seconds between two looks at a command that is waited for
SLICE: Final = 2_000  # entries folded between two chances for other tasks to run


class Recording:
    """One open recording. Made by `Recording.open`; reads only, but for what is asked."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, identity: tuple[int, int] | None) -> None:
        self.path = path
        self._connection = connection
        self._identity = identity
        self._begun = False
        self._changes = ChangeDetector(path)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | os.PathLike[str]) -> AsyncIterator[Recording]:
        """Open a recording for reading; the file is not changed.

        An empty file is a recording that waits for its first engine: everything in it is empty, until it is not.

        Raises:
            RecordingError: There is no such file, it is no recording, of a newer version, damaged, or can't be read
                now. What is read later raises the same.
        """
        where = Path(path).absolute()  # noqa: ASYNC240 - asks the disk nothing
        if schema.inspect(path) == "missing":
            raise RecordingError(
                f"{os.fspath(path)} does not exist.", "Start an engine that records to it, or check the path."
            )
        # A folder that takes no new files has no place for SQLite's own beside the recording.
        mode = "mode=ro" if os.access(where.parent, os.W_OK) else "mode=ro&immutable=1"
        identity = schema.identity_of(where)
        async with connected(where, mode) as connection:
            recording = cls(where, connection, identity)
            await recording._has_begun()
            yield recording

    # ------------------------------------------------------------------ what was recorded

    async def entries(self, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """Return up to `limit` entries numbered above `after`, in order.

        Events of kinds that only a newer version knows are passed over.
        """
        found: list[Entry] = []
        while len(found) < limit:
            part = await self.slice(after, limit - len(found))
            if not part:
                break
            found += rows.readable(part)
            after = part[-1].seq
        return found

    async def slice(self, after: int, limit: int, to: int = keyframe.NEWEST) -> list[Entry]:
        """Return entries as `entries` does, with a bare `Event` in each place that this version can't read.

        Args:
            after: The number of the last entry known.
            limit: How many at most.
            to: The number of the last entry wanted.
        """
        if not await self._has_begun():
            return []
        sql = f"{rows.SELECT} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        return await self._entries(sql, (after, to, limit))

    async def board(self) -> Board:
        """Return the Board as of now: the newest keyframe, and what came after it."""
        return await self.board_at()

    async def board_at(self, *, at: int | None = None, seq: int | None = None) -> Board:
        """Return the Board as it was.

        Args:
            at: UTC microseconds; the Board holds everything before the first entry that is later than this.
            seq: The number of the last entry to take in. With neither, all are.
        """
        if not await self._has_begun():
            return Board()
        last = keyframe.NEWEST if seq is None else seq
        until = keyframe.NEWEST if at is None else at
        found = await self._rows(keyframe.SELECT_BY_SEQ, (last,)) if at is None else await self._nearest_at(at)
        board = keyframe.board_of(found[0] if found else None)
        while part := await self.slice(board.seq, SLICE, last):
            for entry in part:
                if entry.event.at > until:
                    return board
                board.apply(entry)
        return board

    async def _nearest_at(self, at: int) -> list[tuple[Any, ...]]:
        """Return the newest keyframe until a time; of times before all events that are left, what they go on from."""
        before = "SELECT coalesce(min(seq) - 1, ?) FROM events"
        found = await self._rows(keyframe.SELECT_BY_TIME, (at,))
        return found or await self._rows(keyframe.SELECT_BY_SEQ.replace("?", f"({before})"), (keyframe.NEWEST,))

    async def keyframe_before(self, at: int) -> int:
        """Return the number of the last entry in the Board that `board_at(at=...)` starts from; 0: it has none."""
        found = await self._found(keyframe.SELECT_BY_TIME.replace("SELECT board", "SELECT seq"), (at,))
        return int(found[0][0]) if found else 0

    async def ends(self) -> tuple[int, int, int, int] | None:
        """Return number and time (UTC microseconds) of the first and of the last event; None while there is none."""
        sql = "SELECT seq, at FROM events ORDER BY seq {} LIMIT 1"
        first, last = await self._found(sql.format("ASC")), await self._found(sql.format("DESC"))
        return (*first[0], *last[0]) if first and last else None

    async def changes(self, after: int = 0) -> list[tuple[int, int, str]]:
        """Return number, time and new state of each `StateChanged` numbered above `after`, in order."""
        sql = """SELECT seq, at, json_extract(body, '$.after') FROM events
            WHERE kind = 'state_changed' AND seq > ? ORDER BY seq"""
        return [(seq, at, state) for seq, at, state in await self._found(sql, (after,))]

    async def changes_of(self, adapter: str, instances: Sequence[int], since: int, until: int) -> list[tuple[int, str]]:
        """Return time and new state of each `StateChanged` of an adapter, in order.

        Args:
            adapter: Its name.
            instances: The engines meant.
            since: UTC microseconds; the last change before it is told too.
            until: End of the time wanted, not included.
        """
        these = f"""kind = 'state_changed' AND adapter = ?1 AND instance IN ({", ".join(map(str, instances))})"""
        sql = f"""SELECT at, json_extract(body, '$.after') FROM events WHERE {these} AND at < ?3 AND seq >=
            coalesce((SELECT max(seq) FROM events WHERE {these} AND at < ?2), 0) ORDER BY seq"""
        return [(at, state) for at, state in await self._found(sql, (adapter, since, until))]

    async def failures(self, limit: int, adapter: str | None = None) -> list[Entry]:
        """Return the newest failed attempts, newest first; each entry's event is an `AttemptFailed`.

        Args:
            limit: How many at most.
            adapter: Only those of this one.
        """
        found = await self.newest(limit, adapter=adapter, kinds=("attempt_failed",))
        return found[::-1]

    async def newest(self, limit: int, *, adapter: str | None = None, kinds: Sequence[str] = ()) -> list[Entry]:
        """Return the newest entries that match, in the order they happened.

        Args:
            limit: How many at most.
            adapter: Only those that concern this one.
            kinds: Only events of these kinds; empty: of all.
        """
        if not await self._has_begun():
            return []
        where = " AND ".join(
            ["1"] + ["adapter = ?"] * (adapter is not None) + [f"kind IN ({', '.join('?' * len(kinds))})"] * bool(kinds)
        )
        values = (*([] if adapter is None else [adapter]), *kinds, limit)
        found = await self._entries(f"{rows.SELECT} WHERE {where} ORDER BY seq DESC LIMIT ?", values)
        return rows.readable(reversed(found))

    async def spans(
        self, since: int, until: int, adapter: str | None = None, instances: Sequence[int] = ()
    ) -> list[AdapterSecond]:
        """Return metrics, oldest first, at whatever resolution is left of them.

        Args:
            since: Start of the time wanted, UTC microseconds.
            until: End of it, not included.
            adapter: Only those of this one.
            instances: Only those of these engines; empty: of all.
        """
        if not await self._has_begun():
            return []
        return await metric_rows.read(self._rows, since, until, adapter, instances)

    async def instances(self) -> list[InstanceRow]:
        """Return every engine that wrote here, with its last heartbeat and, if it is over, its end."""
        found = []
        for *first, heartbeat_at, ended_at in await self._found(
            "SELECT id, name, host, pid, started_at, heartbeat_at, ended_at FROM instances ORDER BY id"
        ):
            row = InstanceRow(*first)
            row.heartbeat_at = heartbeat_at
            row.ended_at = ended_at
            found.append(row)
        return found

    async def endings(self) -> dict[int, str]:
        """Return why engines ended, by their instances, as far as it is kept; `lost`: one was found dead."""
        sql = """SELECT instance, coalesce(json_extract(body, '$.reason'), 'closed') FROM events
            WHERE kind = 'engine_stopped' ORDER BY seq"""
        return {row[0]: row[1] for row in await self._found(sql)}

    async def bring_up_to_date(self, board: Board, now: int) -> bool:
        """Note in a Board each engine's last heartbeat, and those of this host whose process is no more.

        Args:
            board: The Board of this recording.
            now: UTC microseconds.

        Returns:
            Whether an engine is found gone, or back, that was not before.
        """
        for row in await self.instances():
            board.heartbeat(row.id, row.heartbeat_at)
        return mark_dead(board.instances.values(), now)

    async def letter_changes(self, letter: int, since: int) -> list[Entry]:
        """Return what was recorded of a dead letter, in the order it happened: how it came, and each of its changes.

        Args:
            letter: Its number.
            since: When it came, UTC microseconds; nothing older is looked through.
        """
        if not await self._has_begun():
            return []
        sql = f"""{rows.SELECT} WHERE seq > coalesce((SELECT max(seq) FROM keyframes WHERE at < ?2), 0)
            AND kind IN ('dead_lettered', 'dead_letter_changed')
            AND (json_extract(body, '$.letter') = ?1
                OR EXISTS (SELECT 1 FROM json_each(body, '$.letters') WHERE value = ?1)) ORDER BY seq"""
        return rows.readable(await self._entries(sql, (letter, since)))

    async def workflow_runs(
        self,
        limit: int = 20,
        *,
        run: str = "",
        unfinished: bool = False,
        without: Iterable[str] = (),
        results: bool = True,
    ) -> list[SavedRun]:
        """Return saved runs of workflows, the last changed first, each with how its nodes stand.

        Args:
            limit: How many at most.
            run: Only the one of this id.
            unfinished: Only those that can be resumed.
            without: The ids of those that are not wanted.
            results: Whether a run's input and its nodes' results are wanted, which may be large; else they are `null`.
        """
        from fuseboard_storage.recording.saved_runs import saved_runs

        return await saved_runs(self._found, limit, run=run, unfinished=unfinished, without=without, results=results)

    async def count_workflow_runs(self) -> tuple[int, int]:
        """Return how many runs of workflows are saved, and how many of them can be resumed."""
        from fuseboard_storage.recording.saved_runs import count_runs

        return await count_runs(self._found)

    async def last_seq(self) -> int:
        """Return the number of the newest entry; 0 when there is none."""
        found = await self._found("SELECT max(seq) FROM events")
        return int(found[0][0] or 0) if found else 0

    async def head(self) -> tuple[int, dict[int, int]]:
        """Return the number of the newest entry, and by its instance each engine's last heartbeat.

        The number is 0 when there is none; heartbeats are in UTC microseconds.
        """
        found = await self._found("SELECT (SELECT max(seq) FROM events), id, heartbeat_at FROM instances")
        return (found[0][0] or 0 if found else 0), {id: at for _, id, at in found}

    def unchanged(self) -> bool:
        """Return whether it is certain that nothing was written since this was last asked; it asks the disk at most."""
        return self._changes.unchanged()

    def check_not_replaced(self) -> None:
        """Raise `RecordingError` if the file is gone from its path, or another has taken its place."""
        check_not_replaced(self.path, self._identity)

    # ------------------------------------------------------------------ what is asked

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
        """Put a command into the mailbox.

        Args:
            verb: One of `fuseboard_engine.commands.VERBS`.
            adapter: What it concerns; empty for verbs that concern all.
            instance: The engine that should take it; None: whichever is first.
            actor: Who asks, as it should stand in the audit.
            args: The verb's own arguments.
            expires_in: Seconds in which it must be taken.

        Returns:
            The command's number, for `command`.

        Raises:
            ValueError: There is no such verb.
            RecordingError: The file cannot be written, was replaced by another, or no engine ever wrote to it.
        """
        asked = await self.ask_many(verb, [(instance, adapter)], actor=actor, args=args, expires_in=expires_in)
        return asked[0]

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[Target],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        """Put a command for each target, an instance and an adapter, into the mailbox; all of them or none.

        Everything else is as with `ask`. Returns the commands' ids_json, in the order of the targets.
        """
        if verb not in VERBS:
            raise ValueError(f"There is no command {verb!r}. There are: {', '.join(VERBS)}.")
        if not await self._has_begun():
            raise RecordingError(f"No engine has written to {self.path.name} yet.", "Start one, then ask again.")
        if not targets:
            return []
        starts = dict(await self._rows(STARTS, (ids_json(instance for instance, _ in targets),)))
        now = wall_clock()
        until = now + int(expires_in * 1e6)
        return await post(
            self.path, self._identity, starts, verb, targets, actor=actor, args=args or {}, now=now, expires_at=until
        )

    async def command(self, id: int) -> CommandStatus:
        """Return what became of a command.

        Raises:
            KeyError: There is no command of that number.
        """
        return (await self.statuses((id,)))[id]

    async def statuses(self, ids: Iterable[int]) -> dict[int, CommandStatus]:
        """Return what became of these commands, by their ids_json; one that there is not is missing. See `command`."""
        found = await self._found(mailbox.SELECT_BY_ID, (ids_json(ids),))
        now = wall_clock()
        return {row[0]: mailbox.status_of(row, now) for row in found}

    async def commands(self, limit: int) -> list[CommandStatus]:
        """Return the newest commands, at most `limit`, newest first; see `command`."""
        return [mailbox.status_of(row, wall_clock()) for row in await self._found(mailbox.SELECT_NEWEST, (limit,))]

    async def outcome(self, id: int) -> CommandStatus:
        """Wait until a command is over, at the latest until it expires or its engine is lost; see `command`."""
        while not (status := await self.command(id)).over:  # noqa: ASYNC110 - another process moves it
            await asyncio.sleep(LOOK_EVERY)
        return status

    # ------------------------------------------------------------------ the connection

    async def _has_begun(self) -> bool:
        """Say whether an engine has made its tables yet, and refuse what grew into something else."""
        if not self._begun:
            version = (await self._rows("PRAGMA user_version"))[0][0]
            schema.check_version(self.path.name, version)
            self._begun = version > 0
        return self._begun

    async def _found(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none while no engine has made its tables."""
        return await self._rows(sql, values) if await self._has_begun() else []

    async def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with translate_query_errors(self.path):
            return list(await self._connection.execute_fetchall(sql, values))  # type: ignore[arg-type]

    async def _entries(self, sql: str, values: Iterable[Any]) -> list[Entry]:
        with translate_query_errors(self.path):
            async with self._connection.execute(sql, values) as cursor:
                cursor.row_factory = rows.entry_of  # type: ignore[assignment]  # decodes in the connection's own thread
                return list(await cursor.fetchall())  # type: ignore[arg-type]

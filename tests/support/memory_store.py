"""A store in memory, as small as the interface of stores allows. It serves as an example and as a test of the suite."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from fuseboard_engine.commands import VERBS, Command
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.events import CommandDone, EngineStarted, Event
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints, SavedRun
from fuseboard_storage.backend import (
    CommandStatus,
    Describable,
    EventBatch,
    Extent,
    NotWritten,
    metrics_of,
)
from fuseboard_storage.backend.conformance import StoreHarness
from fuseboard_storage.backend.values import EXPIRED_DETAIL, LOST_AFTER, LOST_DETAIL, NEWEST, UNLIMITED, Status, Target
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.metrics import AdapterSecond, Spans, merge_spans
from fuseboard_storage.board.rows import Entry, InstanceRow


class Mail:
    """A command and its fate."""

    def __init__(self, status: CommandStatus, args: dict[str, Any], expires_at: int) -> None:
        self.status = status
        self.args = args
        self.expires_at = expires_at

    def as_of(self, now: int) -> CommandStatus:
        status = self.status
        if status.status == "pending" and self.expires_at <= now:
            return status._replace(status="expired", detail=EXPIRED_DETAIL, done_at=self.expires_at)
        if status.status == "taken" and self.expires_at + LOST_AFTER <= now:
            return status._replace(status="failed", detail=LOST_DETAIL, done_at=self.expires_at)
        return status


class Contents:
    """What all connections to one store share. `lock` makes each step one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reachable = True
        self.entries: list[Entry] = []
        self.pruned = 0
        self.newest = 0
        self.instances: dict[int, InstanceRow] = {}
        self.batches: dict[int, int] = {}
        self.spans: dict[int, Spans] = {}
        self.mail: dict[int, Mail] = {}
        self.letters = MemoryDeadLetters()
        self.runs = MemoryCheckpoints()
        self.ids = itertools.count(1)

    def add(self, instance: int, events: Iterable[Event]) -> None:
        for event in events:
            self.newest += 1
            self.entries.append(Entry(self.newest, instance, event))


class MemoryWriter:
    """An `EngineWriter` of a store in memory."""

    certain = True
    alone = False
    held = 0.0

    def __init__(self, contents: Contents, engine: Describable) -> None:
        self.gate = threading.Lock()
        self.instance: int | None = None
        self._contents = contents
        self._engine = engine

    def open(self) -> None:
        with self._contents.lock:
            if self.instance is None:
                self.instance = next(self._contents.ids)
                self._register(self.instance)

    def _register(self, instance: int) -> None:
        name, state = self._engine.name, self._engine.describe()
        self._contents.instances[instance] = InstanceRow(instance, name, "here", 1, self._engine.wall())
        started = EngineStarted(at=self._engine.wall(), name=name, host="here", pid=1)
        self._contents.add(instance, [started, *state])

    def append(self, batch: EventBatch) -> None:
        contents, instance = self._contents, self.instance
        with contents.lock:
            if not contents.reachable or instance is None:
                raise NotWritten("it cannot be reached")
            if not self._is_known(instance, batch.number):
                contents.add(instance, batch.events)
                self._settle(instance, batch.events)
                self._count(instance, metrics_of(batch))
            self._beat(instance, batch)

    def _is_known(self, instance: int, number: int) -> bool:
        if not number:
            return False
        known = number <= self._contents.batches.get(instance, 0)
        self._contents.batches[instance] = max(number, self._contents.batches.get(instance, 0))
        return known

    def _settle(self, instance: int, events: Iterable[Event]) -> None:
        for event in events:
            mail = self._contents.mail.get(event.command) if isinstance(event, CommandDone) else None
            if isinstance(event, CommandDone) and mail is not None and mail.status.taken_by == instance:
                status: Status = "done" if event.ok else "failed"
                mail.status = mail.status._replace(status=status, detail=event.detail, done_at=event.at)

    def _count(self, instance: int, spans: Spans) -> None:
        merge_spans(self._contents.spans.setdefault(instance, {}), spans)

    def _beat(self, instance: int, batch: EventBatch) -> None:
        if batch.heartbeat is None:
            return
        row = self._contents.instances[instance]
        row.heartbeat_at = batch.heartbeat.at
        row.ended_at = batch.heartbeat.at if batch.ends else None
        self._contents.add(instance, self._expired(batch.heartbeat.at))

    def _expired(self, now: int) -> Iterator[Event]:
        for id_, mail in self._contents.mail.items():
            status = mail.as_of(now)
            if status != mail.status:
                mail.status = status
                yield CommandDone(
                    at=now, command=id_, verb=status.verb, actor=status.actor, ok=False, detail=status.detail
                )

    def room(self) -> int:
        return UNLIMITED

    def take_commands(self, now: int) -> list[Command]:
        taken = []
        with self._contents.lock:
            for id_, mail in sorted(self._contents.mail.items()):
                status = mail.as_of(now)
                if status.status == "pending" and status.instance in (None, self.instance):
                    mail.status = status._replace(status="taken", taken_by=self.instance)
                    taken.append(
                        Command(id=id_, verb=status.verb, actor=status.actor, adapter=status.adapter, args=mail.args)
                    )
        return taken

    def maintain(self, spent: float, *, calm: bool, writable: bool) -> bool:
        return False

    def hurry(self, seconds: float) -> None:
        """Do nothing: no step takes long."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


class MemoryReader:
    """A `Reader` of a store in memory."""

    def __init__(self, contents: Contents, now: Callable[[], int]) -> None:
        self._contents = contents
        self._now = now

    async def extent(self) -> Extent:
        return Extent(self._contents.pruned, self._contents.newest)

    async def slice(self, after: int, limit: int, to: int = NEWEST) -> list[Entry]:
        with self._contents.lock:
            return [entry for entry in self._contents.entries if after < entry.seq <= to][:limit]

    async def keyframe(self, to: int = NEWEST) -> Board:
        return Board()

    async def instances(self) -> list[InstanceRow]:
        found = []
        for row in self._contents.instances.values():
            copy = InstanceRow(row.id, row.name, row.host, row.pid, row.started_at)
            copy.heartbeat_at, copy.ended_at = row.heartbeat_at, row.ended_at
            found.append(copy)
        return found

    async def spans(
        self, since: int, until: int, adapter: str | None = None, instances: Sequence[int] = ()
    ) -> list[AdapterSecond]:
        found = [
            span
            for instance, spans in self._contents.spans.items()
            for span in spans.values()
            if since <= span.at < until
            and adapter in (None, span.adapter)
            and (not instances or instance in instances)
        ]  # fmt: skip
        return sorted(found, key=lambda span: span.at)

    async def ask_many(
        self,
        verb: str,
        targets: Sequence[Target],
        *,
        actor: str,
        args: dict[str, Any] | None = None,
        expires_in: float = 10.0,
    ) -> list[int]:
        if verb not in VERBS:
            raise ValueError(f"There is no command {verb!r}.")
        now = self._now()
        ids = []
        with self._contents.lock:
            for instance, adapter in targets:
                id_ = len(self._contents.mail) + 1
                status = CommandStatus(id_, verb, adapter, actor, "pending", requested_at=now, instance=instance)
                self._contents.mail[id_] = Mail(status, args or {}, now + int(expires_in * 1e6))
                ids.append(id_)
        return ids

    async def statuses(self, ids: Iterable[int]) -> dict[int, CommandStatus]:
        mail = self._contents.mail
        return {id_: mail[id_].as_of(self._now()) for id_ in ids if id_ in mail}


class MemoryLetters:
    """The dead letters of a store in memory: those of the engine, which all connections share."""

    def __init__(self, letters: MemoryDeadLetters) -> None:
        self._letters = letters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._letters, name)

    async def close(self, timeout: float = 5.0) -> None:
        """Do nothing: there is no connection."""

    def close_blocking(self, timeout: float = 5.0) -> None:
        """Do nothing: there is no connection."""


class MemoryRuns:
    """The workflow runs of a store in memory, with the runs that this connection executes."""

    def __init__(self, runs: MemoryCheckpoints) -> None:
        self._runs = runs
        self.executed: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runs, name)

    async def begin(self, run: SavedRun) -> None:
        await self._runs.begin(run)
        self.executed.add(run.run)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def after_fork(self) -> None:
        self.executed.clear()


class MemoryStore:
    """A `Store` in memory."""

    name = "memory"

    def __init__(self, contents: Contents, now: Callable[[], int]) -> None:
        self._contents = contents
        self._now = now
        self.runs: list[MemoryRuns] = []

    def writer(self, engine: Describable) -> MemoryWriter:
        return MemoryWriter(self._contents, engine)

    def dead_letters(self) -> MemoryLetters:
        return MemoryLetters(self._contents.letters)

    def checkpoints(self) -> MemoryRuns:
        self.runs.append(MemoryRuns(self._contents.runs))
        return self.runs[-1]

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[MemoryReader]:
        yield MemoryReader(self._contents, self._now)


class MemoryHarness(StoreHarness):
    """An empty store in memory for one test, in time that the suite moves."""

    def __init__(self) -> None:
        self.contents = Contents()
        self._time = 1_800_000_000_000_000
        self._stores: list[MemoryStore] = []

    def connect(self) -> MemoryStore:
        self._stores.append(MemoryStore(self.contents, self.now))
        return self._stores[-1]

    def now(self) -> int:
        return self._time

    def advance(self, seconds: float) -> None:
        self._time += int(seconds * 1e6)

    def die(self, work: Callable[[StoreHarness], object]) -> None:
        """Run `work` in a thread, which has no loop, and forget the runs of its connections, as a death does."""
        alive, self._stores = self._stores, []
        before = set(threading.enumerate())
        errors: list[BaseException] = []

        def run() -> None:
            try:
                work(self)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        for started in set(threading.enumerate()) - before:
            started.join()
        executed = [run for store in self._stores for runs in store.runs for run in runs.executed]
        self._stores = alive
        if errors:
            raise errors[0]
        self.forget(executed)

    def forget(self, runs: Iterable[str]) -> None:
        for run in runs:
            saved = self.contents.runs.runs[run]
            self.contents.runs.runs[run] = msgspec.structs.replace(saved, alive=False)

    def prune(self, to: int) -> None:
        with self.contents.lock:
            self.contents.entries = [entry for entry in self.contents.entries if entry.seq > to]
            self.contents.pruned = to

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        self.contents.reachable = False
        yield
        self.contents.reachable = True

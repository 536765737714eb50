"""Every rule of the conformance suite can fail: for each there is a store with one fault that it finds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from fuseboard_engine.dead_letters.letter import Capacity
from fuseboard_engine.dead_letters.memory_store import MemoryDeadLetters
from fuseboard_engine.events import AttemptFailed, EngineStarted, Event
from fuseboard_engine.workflow.checkpoints import MemoryCheckpoints, SavedRun
from fuseboard_storage.backend import Extent, NotWritten, UnknownEvent
from fuseboard_storage.backend.conformance import StoreConformance
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.rows import Entry
from support import memory_store
from support.memory_store import (
    Contents,
    Mail,
    MemoryHarness,
    MemoryReader,
    MemoryWriter,
)

replace = msgspec.structs.replace


class Fault:
    """Replaces parts of a store in memory."""

    def __init__(self, harness: MemoryHarness, patch: pytest.MonkeyPatch) -> None:
        self.harness = harness
        self.contents = harness.contents
        self._patch = patch

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a method by what `make` returns for the original."""
        self._patch.setattr(owner, name, make(getattr(owner, name)))


FAULTS: dict[str, Callable[[Fault], None]] = {}


def breaks(rule: str) -> Callable[[Callable[[Fault], None]], Callable[[Fault], None]]:
    """Register a fault that breaks a rule."""

    def register(fault: Callable[[Fault], None]) -> Callable[[Fault], None]:
        assert rule not in FAULTS
        FAULTS[rule] = fault
        return fault

    return register


RULES = sorted(name for name in dir(StoreConformance) if name.startswith("test_"))


def test_every_rule_has_a_fault_that_breaks_it() -> None:
    assert sorted(FAULTS) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fails_for_a_store_with_a_fault(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = MemoryHarness()
    FAULTS[rule](Fault(harness, monkeypatch))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(StoreConformance(), rule)(harness)


# ---------------------------------------------------------------------- events


def adding(fault: Fault, change: Callable[[int, list[Event]], Iterable[Event]]) -> None:
    """Let the store keep other events than it was given."""
    fault.replace(
        Contents, "add", lambda add: lambda self, instance, events: add(self, instance, change(instance, list(events)))
    )


def slicing(fault: Fault, change: Callable[[list[Entry]], list[Entry]]) -> None:
    """Let the store return other entries than it has."""

    def make(slice_: Any) -> Any:
        async def other(self: Any, *args: Any) -> list[Entry]:
            return change(await slice_(self, *args))

        return other

    fault.replace(MemoryReader, "slice", make)


@breaks("test_an_instance_begins_with_its_start_and_its_state")
def _(fault: Fault) -> None:
    adding(fault, lambda _, events: events[:1] if type(events[0]) is EngineStarted else events)


@breaks("test_each_writer_is_an_instance_of_its_own")
def _(fault: Fault) -> None:
    fault.contents.ids = itertools.repeat(1)  # type: ignore[assignment]


@breaks("test_a_writer_that_is_opened_again_continues_as_its_instance")
def _(fault: Fault) -> None:
    fault.replace(MemoryWriter, "close", lambda _: lambda self: setattr(self, "instance", None))


@breaks("test_events_are_read_in_the_order_in_which_they_were_appended")
def _(fault: Fault) -> None:
    adding(fault, lambda _, events: events[::-1] if len(events) > 5 else events)


@breaks("test_numbers_grow_and_an_event_keeps_its_own")
def _(fault: Fault) -> None:
    def renumbered(entries: list[Entry]) -> list[Entry]:
        return [entry._replace(seq=entry.seq + len(fault.contents.entries)) for entry in entries]

    slicing(fault, renumbered)


@breaks("test_an_event_comes_back_as_it_was")
def _(fault: Fault) -> None:
    adding(fault, lambda _, events: [replace(e, context=None) if type(e) is AttemptFailed else e for e in events])


@breaks("test_an_event_of_an_unknown_kind_is_kept")
def _(fault: Fault) -> None:
    adding(fault, lambda _, events: [Event(at=e.at) if type(e) is UnknownEvent else e for e in events])


@breaks("test_a_read_is_bounded")
def _(fault: Fault) -> None:
    fault.replace(
        MemoryReader, "slice", lambda slice_: lambda self, after, limit, *to: slice_(self, after, limit + 1, *to)
    )


@breaks("test_the_newest_number_is_that_of_the_last_event")
def _(fault: Fault) -> None:
    def make(_: Any) -> Any:
        async def extent(self: Any) -> Extent:
            return Extent(0, len(fault.contents.entries) + 1)

        return extent

    fault.replace(MemoryReader, "extent", make)


@breaks("test_a_reader_of_a_pruned_number_goes_on_after_it_and_can_tell")
def _(fault: Fault) -> None:
    def make(_: Any) -> Any:
        async def extent(self: Any) -> Extent:
            return Extent(0, fault.contents.newest)

        return extent

    fault.replace(MemoryReader, "extent", make)


@breaks("test_numbers_go_on_after_all_events_were_pruned")
def _(fault: Fault) -> None:
    def make(prune: Any) -> Any:
        def pruned(self: MemoryHarness, to: int) -> None:
            prune(self, to)
            self.contents.newest = len(self.contents.entries)

        return pruned

    fault.replace(MemoryHarness, "prune", make)


@breaks("test_a_fold_from_a_keyframe_is_the_fold_of_all_events")
def _(fault: Fault) -> None:
    async def keyframe(self: Any, to: int = 2**62) -> Board:
        board = Board()
        board.seq = min(to, fault.contents.newest // 2)  # says that it holds events that it does not
        return board

    fault.replace(MemoryReader, "keyframe", lambda _: keyframe)


@breaks("test_a_reader_sees_all_of_a_batch_or_nothing")
def _(fault: Fault) -> None:
    def add(self: Contents, instance: int, events: Iterable[Event]) -> None:
        for place, event in enumerate(events):
            if place == 20:
                time.sleep(0.002)
            self.newest += 1
            self.entries.append(Entry(self.newest, instance, event))

    async def slice_(self: Any, after: int, limit: int, *to: int) -> list[Entry]:
        return [entry for entry in fault.contents.entries if entry.seq > after][:limit]

    fault.replace(Contents, "add", lambda _: add)
    fault.replace(MemoryReader, "slice", lambda _: slice_)


@breaks("test_a_batch_that_is_sent_again_is_kept_once")
def _(fault: Fault) -> None:
    fault.replace(MemoryWriter, "_is_known", lambda _: lambda self, instance, number: False)


@breaks("test_batches_without_a_number_are_all_kept")
def _(fault: Fault) -> None:
    fault.replace(
        MemoryWriter,
        "_is_known",
        lambda known: lambda self, instance, number: known(self, instance, number) if number else True,
    )


@breaks("test_the_batch_numbers_of_two_instances_are_apart")
def _(fault: Fault) -> None:
    fault.replace(MemoryWriter, "_is_known", lambda known: lambda self, _, number: known(self, 0, number))


@breaks("test_two_writers_keep_everything_each_in_its_order")
def _(fault: Fault) -> None:
    adding(fault, lambda instance, events: events[::-1] if instance == 2 else events)


@breaks("test_a_reader_that_follows_two_writers_misses_nothing")
def _(fault: Fault) -> None:
    def append(self: MemoryWriter, batch: Any) -> None:
        if self.instance == 1:
            time.sleep(0.001)
        with fault.contents.lock:
            first = fault.contents.newest + 1
            fault.contents.newest += len(batch.events)
        if self.instance == 2:
            time.sleep(0.002)  # its numbers are given before its events can be read, as by a sequence of a database
        entries = [Entry(first + place, self.instance or 0, event) for place, event in enumerate(batch.events)]
        with fault.contents.lock:
            fault.contents.entries = sorted([*fault.contents.entries, *entries])

    fault.replace(MemoryWriter, "append", lambda _: append)


@breaks("test_a_store_that_cannot_be_written_keeps_nothing_and_says_so")
def _(fault: Fault) -> None:
    def make(append: Any) -> Any:
        def kept(self: Any, batch: Any) -> None:
            fault.contents.add(self.instance, batch.events)
            if not fault.contents.reachable:
                raise NotWritten("although it was")

        return kept

    fault.replace(MemoryWriter, "append", make)


@breaks("test_metrics_count_the_events_of_a_batch_and_what_it_adds")
def _(fault: Fault) -> None:
    fault.replace(memory_store, "metrics_of", lambda _: lambda batch: batch.metrics)


@breaks("test_metrics_are_found_by_time_and_instance")
def _(fault: Fault) -> None:
    fault.replace(
        MemoryReader,
        "spans",
        lambda spans: lambda self, since, until, adapter=None, instances=(): spans(self, since, until, adapter),
    )


@breaks("test_a_heartbeat_is_a_sign_of_life")
def _(fault: Fault) -> None:
    fault.replace(MemoryWriter, "_beat", lambda _: lambda self, instance, batch: None)


@breaks("test_an_engine_that_ends_has_ended")
def _(fault: Fault) -> None:
    fault.replace(
        MemoryWriter,
        "_beat",
        lambda beat: lambda self, instance, batch: beat(self, instance, batch._replace(ends=False)),
    )


@breaks("test_an_engine_that_is_killed_while_it_writes_leaves_whole_batches")
def _(fault: Fault) -> None:
    fault.replace(MemoryHarness, "forget", lambda _: lambda self, runs: self.contents.entries.pop())


@breaks("test_what_a_killed_engine_has_written_stays_and_it_looks_dead")
def _(fault: Fault) -> None:
    fault.replace(MemoryHarness, "forget", lambda _: lambda self, runs: self.contents.entries.pop())


# ---------------------------------------------------------------------- commands


def taking(fault: Fault, change: Callable[[list[Any]], list[Any]]) -> None:
    """Let a writer take other commands than it should."""
    fault.replace(MemoryWriter, "take_commands", lambda take: lambda self, now: change(take(self, now)))


def ageing(fault: Fault, change: Callable[[Mail, int, Any], Any]) -> None:
    """Let a command have another status than it should."""
    fault.replace(Mail, "as_of", lambda as_of: lambda self, now: change(self, now, as_of))


@breaks("test_a_command_reaches_its_engine_and_its_outcome_the_operator")
def _(fault: Fault) -> None:
    taking(fault, lambda commands: [replace(command, args={}) for command in commands])


@breaks("test_a_refused_command_has_failed_with_the_reason")
def _(fault: Fault) -> None:
    fault.replace(
        MemoryWriter,
        "_settle",
        lambda settle: (
            lambda self, instance, events: settle(
                self, instance, [replace(e, detail="") if hasattr(e, "command") else e for e in events]
            )
        ),
    )


@breaks("test_a_command_for_any_engine_has_exactly_one_taker")
def _(fault: Fault) -> None:
    seen: list[Any] = []

    def twice(commands: list[Any]) -> list[Any]:
        seen.extend(commands)
        return commands + seen[:1]

    taking(fault, twice)


@breaks("test_only_the_engine_that_is_named_takes_a_command")
def _(fault: Fault) -> None:
    ageing(fault, lambda mail, now, as_of: as_of(mail, now)._replace(instance=None))


@breaks("test_commands_are_taken_in_the_order_of_request")
def _(fault: Fault) -> None:
    taking(fault, lambda commands: commands[::-1])


@breaks("test_a_command_with_an_unknown_verb_is_not_sent")
def _(fault: Fault) -> None:
    fault.replace(memory_store, "VERBS", lambda verbs: (*verbs, "nonsense"))


@breaks("test_an_expired_command_is_never_taken")
def _(fault: Fault) -> None:
    ageing(fault, lambda mail, now, as_of: mail.status)


@breaks("test_an_expired_command_becomes_one_event")
def _(fault: Fault) -> None:
    def make(expired: Any) -> Any:
        def again(self: Any, now: int) -> list[Event]:
            before = {id_: mail.status for id_, mail in fault.contents.mail.items()}
            found = list(expired(self, now))
            for id_, status in before.items():
                fault.contents.mail[id_].status = status
            return found

        return again

    fault.replace(MemoryWriter, "_expired", make)


@breaks("test_a_taken_command_keeps_its_outcome_after_its_deadline")
def _(fault: Fault) -> None:
    fault.replace(memory_store, "LOST_AFTER", lambda _: 0)


@breaks("test_a_command_lost_with_its_engine_has_failed_and_is_not_taken_again")
def _(fault: Fault) -> None:
    fault.replace(memory_store, "LOST_AFTER", lambda _: 2**62)


@breaks("test_only_the_taker_reports_the_outcome")
def _(fault: Fault) -> None:
    fault.replace(MemoryWriter, "_settle", lambda settle: lambda self, _, events: settle(self, 1, events))


@breaks("test_statuses_of_unknown_commands_are_left_out")
def _(fault: Fault) -> None:
    def make(statuses: Any) -> Any:
        async def with_all(self: Any, ids: Any) -> Any:
            return dict.fromkeys(ids) | await statuses(self, ids)

        return with_all

    fault.replace(MemoryReader, "statuses", make)


# ---------------------------------------------------------------------- dead letters


def letters(fault: Fault, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a method of the dead letters; `make` gets the original."""
    fault.replace(MemoryDeadLetters, name, make)


@breaks("test_a_letter_comes_back_with_every_field")
def _(fault: Fault) -> None:
    letters(fault, "add", lambda add: lambda self, letter, room: add(self, replace(letter, context=None), room))


@breaks("test_an_acknowledged_letter_outlives_its_process")
def _(fault: Fault) -> None:
    fault.replace(MemoryHarness, "forget", lambda _: lambda self, runs: self.contents.letters._letters.clear())


@breaks("test_one_of_many_workers_gets_a_letter")
def _(fault: Fault) -> None:
    letters(fault, "_claim", lambda _: lambda self, id_, claim, now, until: self._letters[id_])


@breaks("test_a_claimed_letter_is_held_until_its_lease_ends")
def _(fault: Fault) -> None:
    letters(fault, "_expire_leases", lambda _: lambda self, now: None)


@breaks("test_a_letter_of_a_killed_worker_is_retried")
def _(fault: Fault) -> None:
    letters(fault, "_expire_leases", lambda _: lambda self, now: None)


@breaks("test_a_worker_whose_lease_ended_changes_nothing")
def _(fault: Fault) -> None:
    letters(fault, "_claimed", lambda _: lambda self, id_, claim: self._letters.get(id_))


@breaks("test_a_renewed_lease_lasts_longer")
def _(fault: Fault) -> None:
    async def renew(self: Any, id_: int, claim: str, until: int) -> bool:
        return True

    letters(fault, "renew", lambda _: renew)


@breaks("test_a_letter_that_succeeded_is_never_claimed_again")
def _(fault: Fault) -> None:
    letters(
        fault,
        "settle",
        lambda settle: (
            lambda self, id_, claim, outcome, now: settle(
                self, id_, claim, replace(outcome, status="pending", due_at=now), now
            )
        ),
    )


@breaks("test_a_failed_retry_waits_until_it_is_due")
def _(fault: Fault) -> None:
    letters(
        fault,
        "settle",
        lambda settle: (
            lambda self, id_, claim, outcome, now: settle(self, id_, claim, replace(outcome, due_at=now), now)
        ),
    )


@breaks("test_an_engine_gets_only_its_own_letters")
def _(fault: Fault) -> None:
    letters(fault, "_waiting", lambda _: lambda self, engine, excluding=(): list(self._letters.values()))


@breaks("test_the_letter_that_is_due_longest_comes_first")
def _(fault: Fault) -> None:
    letters(
        fault,
        "_waiting",
        lambda waiting: lambda self, engine, excluding=(): waiting(self, engine, excluding)[-1:],
    )


@breaks("test_letters_of_excluded_chains_wait")
def _(fault: Fault) -> None:
    letters(fault, "_waiting", lambda waiting: lambda self, engine, excluding=(): waiting(self, engine))


@breaks("test_an_exhausted_letter_is_claimed_only_by_its_id")
def _(fault: Fault) -> None:
    async def claim(self: Any, *args: Any) -> None:
        return None

    letters(fault, "claim", lambda _: claim)


@breaks("test_a_full_queue_refuses_a_letter_rather_than_losing_one")
def _(fault: Fault) -> None:
    letters(fault, "add", lambda add: lambda self, letter, room: add(self, letter, Capacity(100, True)))


@breaks("test_an_id_is_never_used_again")
def _(fault: Fault) -> None:
    def make(drop: Any) -> Any:
        def dropped(self: Any, gone: Any, total: str) -> Any:
            groups = drop(self, gone, total)
            self._last = max(self._letters, default=0)
            return groups

        return dropped

    letters(fault, "_drop", make)


@breaks("test_an_operator_changes_no_letter_that_is_being_retried")
def _(fault: Fault) -> None:
    async def purge(self: Any, selection: Any, now: int, actor: str) -> Any:
        return self._drop([letter for letter in self._letters.values() if letter.id in selection.ids], "purged")

    letters(fault, "purge", lambda _: purge)


@breaks("test_letters_are_found_newest_first_and_in_pages")
def _(fault: Fault) -> None:
    def make(find: Any) -> Any:
        async def oldest_first(self: Any, *args: Any) -> Any:
            return (await find(self, *args))[::-1]

        return oldest_first

    letters(fault, "find", make)


@breaks("test_statistics_count_every_letter")
def _(fault: Fault) -> None:
    def make(statistics: Any) -> Any:
        async def without_retrying(self: Any, now: int, capacity: int = 0) -> Any:
            found = await statistics(self, now, capacity)
            return replace(found, by_status={**found.by_status, "retrying": 0})

        return without_retrying

    letters(fault, "statistics", make)


# ---------------------------------------------------------------------- workflow runs


def runs(fault: Fault, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a method of the runs; `make` gets the original."""
    fault.replace(MemoryCheckpoints, name, make)


@breaks("test_a_run_comes_back_with_every_field")
def _(fault: Fault) -> None:
    runs(fault, "begin", lambda begin: lambda self, run: begin(self, replace(run, steps=())))


@breaks("test_the_newest_result_of_a_node_wins")
def _(fault: Fault) -> None:
    def make(save: Any) -> Any:
        async def oldest(self: Any, run: str, *nodes: Any) -> None:
            known = (await self.load(run)).nodes
            await save(self, run, *(known.get(node.node, node) for node in nodes))

        return oldest

    runs(fault, "save", make)


@breaks("test_an_id_that_exists_is_refused")
def _(fault: Fault) -> None:
    def make(begin: Any) -> Any:
        async def over(self: Any, run: SavedRun) -> None:
            self.runs.pop(run.run, None)
            await begin(self, run)

        return over

    runs(fault, "begin", make)


@breaks("test_an_unknown_run_is_an_error")
def _(fault: Fault) -> None:
    async def load(self: Any, run: str) -> SavedRun:
        return self.runs.get(run) or SavedRun(run=run, workflow="", definition={}, input="null", started_at=0)

    runs(fault, "load", lambda _: load)


@breaks("test_a_saved_node_outlives_its_process")
def _(fault: Fault) -> None:
    def make(forget: Any) -> Any:
        def without_nodes(self: MemoryHarness, gone: Iterable[str]) -> None:
            forget(self, gone := list(gone))
            for run in gone:
                self.contents.runs.runs[run] = replace(self.contents.runs.runs[run], nodes={})

        return without_nodes

    fault.replace(MemoryHarness, "forget", make)


@breaks("test_runs_without_a_process_are_left_oldest_first")
def _(fault: Fault) -> None:
    def make(unfinished_runs: Any) -> Any:
        async def newest_first(self: Any, *, failed: bool = False) -> Any:
            return (await unfinished_runs(self, failed=failed))[::-1]

        return newest_first

    runs(fault, "unfinished_runs", make)


@breaks("test_a_run_in_progress_is_not_taken")
def _(fault: Fault) -> None:
    async def take(self: Any, run: str, at: int) -> None:
        self.runs[run] = replace(self.runs[run], alive=True)

    runs(fault, "take", lambda _: take)


@breaks("test_one_of_two_takes_the_run_of_a_killed_process")
def _(fault: Fault) -> None:
    async def take(self: Any, run: str, at: int) -> None:
        self.runs[run] = replace(self.runs[run], alive=True)

    runs(fault, "take", lambda _: take)


@breaks("test_the_end_of_a_run_is_saved")
def _(fault: Fault) -> None:
    runs(fault, "end", lambda end: lambda self, run, state, at, error="": end(self, run, state, at))


@breaks("test_failed_nodes_are_found_newest_first")
def _(fault: Fault) -> None:
    def make(failures: Any) -> Any:
        async def oldest_first(self: Any, workflow: str, limit: int) -> Any:
            return (await failures(self, workflow, limit))[::-1]

        return oldest_first

    runs(fault, "failures", make)

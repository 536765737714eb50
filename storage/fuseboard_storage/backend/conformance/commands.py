"""The rules of operators' commands: exactly one taker, a deadline, and an outcome."""

from __future__ import annotations

import functools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone
from fuseboard_storage.backend.conformance.harness import (
    SECOND,
    StoreHarness,
    append,
    beat,
    everything,
    in_loop,
    opened,
    writing,
)
from fuseboard_storage.backend.protocols import EngineWriter, Reader
from fuseboard_storage.backend.values import LOST_AFTER, Target


class CommandConformance:
    """What an operator and an engine rely on for commands."""

    @in_loop
    async def test_a_command_reaches_its_engine_and_its_outcome_the_operator(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (writer.instance, "agno"), verb="open_for", args={"seconds": 30})
                waiting = (await reader.statuses([id_]))[id_]
                (command,) = _take(harness, writer)
                taken = (await reader.statuses([id_]))[id_]
                append(writer, _outcome(harness, command, "open for 30 s"))
                done = (await reader.statuses([id_]))[id_]
        assert (command.id, command.verb, command.adapter, command.actor) == (id_, "open_for", "agno", "ann")
        assert command.args == {"seconds": 30}
        assert [status.status for status in (waiting, taken, done)] == ["pending", "taken", "done"]
        assert [status.over for status in (waiting, taken, done)] == [False, False, True]
        assert (taken.taken_by, done.detail, done.instance) == (writer.instance, "open for 30 s", writer.instance)
        assert (done.verb, done.adapter, done.actor) == ("open_for", "agno", "ann")

    @in_loop
    async def test_a_refused_command_has_failed_with_the_reason(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (writer.instance, "none"))
                (command,) = _take(harness, writer)
                append(writer, _outcome(harness, command, "There is no adapter none.", ok=False))
                status = (await reader.statuses([id_]))[id_]
        assert (status.status, status.detail) == ("failed", "There is no adapter none.")

    @in_loop
    async def test_a_command_for_any_engine_has_exactly_one_taker(self, harness: StoreHarness) -> None:
        def take(writer: EngineWriter) -> list[int]:
            return [command.id for _ in range(30) for command in _take(harness, writer)]

        with writing(harness) as one, writing(harness) as two, writing(harness) as three:
            async with harness.connect().reader() as reader:
                with ThreadPoolExecutor(3) as threads:
                    taking = [threads.submit(take, writer) for writer in (one, two, three)]
                    asked = [id_ for _ in range(10) for id_ in await _ask(reader, (None, "agno"), (None, "prefect"))]
                    taken = [id_ for done in taking for id_ in done.result()]
                taken += [command.id for command in _take(harness, one)]
                assert Counter(taken) == Counter(asked)
                assert _take(harness, two) == []

    @in_loop
    async def test_only_the_engine_that_is_named_takes_a_command(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            async with harness.connect().reader() as reader:
                ids = await _ask(reader, (two.instance, "agno"))
                assert _take(harness, one) == []
                assert [command.id for command in _take(harness, two)] == ids
                assert _take(harness, two) == []

    @in_loop
    async def test_commands_are_taken_in_the_order_of_request(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                targets: list[Target] = [(writer.instance, f"a{number}") for number in range(5)]
                ids = await _ask(reader, *targets)
                ids += await _ask(reader, (None, "last"))
                taken = _take(harness, writer)
        assert [command.id for command in taken] == ids
        assert [command.adapter for command in taken] == ["a0", "a1", "a2", "a3", "a4", "last"]

    @in_loop
    async def test_a_command_with_an_unknown_verb_is_not_sent(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                with pytest.raises(ValueError, match="nonsense"):
                    await _ask(reader, (writer.instance, "agno"), verb="nonsense")
                assert _take(harness, writer) == []

    @in_loop
    async def test_an_expired_command_is_never_taken(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (writer.instance, "agno"), expires_in=1.0)
                harness.advance(1.5)
                status = (await reader.statuses([id_]))[id_]
                assert _take(harness, writer) == []
        assert (status.status, status.over) == ("expired", True)
        assert status.detail

    @in_loop
    async def test_an_expired_command_becomes_one_event(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (None, "agno"), expires_in=1.0)
                harness.advance(1.5)
                for writer in (one, two, one):
                    beat(harness, writer)
                found = [entry.event for entry in await everything(reader)]
                status = (await reader.statuses([id_]))[id_]
        assert [(e.command, e.ok, e.actor) for e in found if isinstance(e, CommandDone)] == [(id_, False, "ann")]
        assert status.status == "expired"

    @in_loop
    async def test_a_taken_command_keeps_its_outcome_after_its_deadline(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (writer.instance, "agno"), expires_in=1.0)
                (command,) = _take(harness, writer)
                harness.advance(1.5)
                assert (await reader.statuses([id_]))[id_].status == "taken"
                append(writer, _outcome(harness, command, "late"))
                status = (await reader.statuses([id_]))[id_]
        assert (status.status, status.detail) == ("done", "late")

    @in_loop
    async def test_a_command_lost_with_its_engine_has_failed_and_is_not_taken_again(
        self, harness: StoreHarness
    ) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (None, "agno"), expires_in=30.0)
                harness.die(functools.partial(_open_and_take, id_=id_))
                taken = (await reader.statuses([id_]))[id_]
                assert _take(harness, writer) == []
                harness.advance(30.0 + LOST_AFTER / SECOND + 0.5)
                assert _take(harness, writer) == []
                lost = (await reader.statuses([id_]))[id_]
        assert [taken.status, lost.status] == ["taken", "failed"]
        assert lost.detail

    @in_loop
    async def test_only_the_taker_reports_the_outcome(self, harness: StoreHarness) -> None:
        with writing(harness) as one, writing(harness) as two:
            async with harness.connect().reader() as reader:
                (id_,) = await _ask(reader, (one.instance, "agno"))
                (command,) = _take(harness, one)
                append(two, _outcome(harness, command, "of another"))
                assert (await reader.statuses([id_]))[id_].status == "taken"

    @in_loop
    async def test_statuses_of_unknown_commands_are_left_out(self, harness: StoreHarness) -> None:
        with writing(harness) as writer:
            async with harness.connect().reader() as reader:
                ids = await _ask(reader, (writer.instance, "a"), (writer.instance, "b"))
                assert len(set(ids)) == 2
                assert set(await reader.statuses([*ids, 999_999_999])) == set(ids)


async def _ask(
    reader: Reader,
    *targets: Target,
    verb: str = "reset",
    args: dict[str, object] | None = None,
    expires_in: float = 60.0,
) -> list[int]:
    return await reader.ask_many(verb, targets, actor="ann", args=args, expires_in=expires_in)


def _take(harness: StoreHarness, writer: EngineWriter) -> list[Command]:
    with writer.gate:
        return writer.take_commands(harness.now())


def _outcome(harness: StoreHarness, command: Command, detail: str, *, ok: bool = True) -> CommandDone:
    return CommandDone(
        at=harness.now(),
        command=command.id,
        verb=command.verb,
        actor=command.actor,
        ok=ok,
        adapter=command.adapter,
        detail=detail,
        requested_at=command.requested_at,
    )


def _open_and_take(harness: StoreHarness, id_: int) -> None:
    assert [command.id for command in _take(harness, opened(harness))] == [id_]

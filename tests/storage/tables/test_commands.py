"""Commands in a recording: requested once, taken by one engine, executed and answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseboard_engine.commands import Command
from fuseboard_engine.events import CommandDone
from fuseboard_storage.errors import RecordingError
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recording.recording import Recording
from fuseboard_storage.sqlite import schema
from fuseboard_storage.tables import commands
from fuseboard_storage.tables.commands import CommandStatus
from support.fake_engine import FakeEngine
from support.waiting import until_async


async def over(recording: Recording, command: int) -> CommandStatus:
    async def is_over() -> bool:
        return (await recording.command(command)).over

    await until_async(is_over)
    return await recording.command(command)


async def test_a_command_reaches_the_engine_and_its_outcome_comes_back_as_an_event(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with record(engine, tmp_path / "a.db") as recorder, Recording.open(tmp_path / "a.db") as recording:
        id = await recording.ask("open_for", "prefect", actor="ann", args={"seconds": 30})
        status = await over(recording, id)
        board = await recording.board()
        assert (status.status, status.taken_by) == ("done", recorder.instance)
        (action,) = board.actions
    (command,) = engine.commands
    assert (command.verb, command.adapter, command.actor, command.args) == (
        "open_for",
        "prefect",
        "ann",
        {"seconds": 30},
    )
    assert (action.command, action.actor, action.ok, action.requested_at) == (id, "ann", True, command.requested_at)


async def test_a_command_is_marked_done_only_once_its_event_is_on_disk(tmp_path: Path) -> None:
    async with record(FakeEngine(), tmp_path / "a.db"), Recording.open(tmp_path / "a.db") as recording:
        for _ in range(10):
            id = await recording.ask("reset", "prefect", actor="ann")
            await over(recording, id)
            assert id in {action.command for action in (await recording.board()).actions}


async def test_a_refused_command_states_the_reason(tmp_path: Path) -> None:
    async with record(FakeEngine(), tmp_path / "a.db"), Recording.open(tmp_path / "a.db") as recording:
        status = await over(recording, await recording.ask("reset", "nonesuch", actor="ann"))
    assert (status.status, status.detail) == ("failed", "There is no adapter nonesuch.")


async def test_a_command_that_makes_the_engine_raise_fails_and_recording_continues(tmp_path: Path) -> None:
    class Clumsy(FakeEngine):
        def execute_command(self, command: Command) -> CommandDone:
            if command.verb == "disable":
                raise RuntimeError("dropped it")
            return super().execute_command(command)

    async with record(Clumsy(), tmp_path / "a.db"), Recording.open(tmp_path / "a.db") as recording:
        status = await over(recording, await recording.ask("disable", "agno", actor="ann"))
        assert status.status == "failed"
        assert "dropped it" in status.detail
        assert (await over(recording, await recording.ask("reset", "agno", actor="ann"))).status == "done"


async def test_only_one_of_two_engines_takes_a_command_and_only_once(tmp_path: Path) -> None:
    one, two = FakeEngine("one"), FakeEngine("two")
    path = tmp_path / "a.db"
    async with record(one, path), record(two, path), Recording.open(path) as recording:
        ids = [await recording.ask("reset_all", actor="ann") for _ in range(30)]
        for id in ids:
            assert (await over(recording, id)).status == "done"
    assert sorted(command.id for command in one.commands + two.commands) == ids


async def test_a_command_for_one_engine_is_not_taken_by_another(tmp_path: Path) -> None:
    one, two = FakeEngine("one"), FakeEngine("two")
    path = tmp_path / "a.db"
    async with record(one, path), record(two, path) as second, Recording.open(path) as recording:
        for _ in range(5):
            status = await over(recording, await recording.ask("reset_all", actor="ann", instance=second.instance))
            assert status.taken_by == second.instance
    assert one.commands == []


async def test_a_command_that_no_engine_takes_expires_even_when_no_engine_is_left(tmp_path: Path) -> None:
    schema.connect(tmp_path / "a.db").close()
    async with Recording.open(tmp_path / "a.db") as recording:
        id = await recording.ask("reset", "agno", actor="ann", expires_in=30)
        assert (await recording.command(id)).status == "pending"
        late = await recording.ask("reset", "agno", actor="ann", expires_in=0)
        status = await recording.command(late)
    assert (status.status, status.detail, status.over) == ("expired", commands.EXPIRED_DETAIL, True)


async def test_an_expired_command_is_never_executed_but_is_in_the_audit(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.connect(path).close()
    engine = FakeEngine()
    async with Recording.open(path) as recording:
        id = await recording.ask("reset", "agno", actor="ann", expires_in=0)
        async with record(engine, path):

            async def reported() -> bool:
                return bool((await recording.board()).actions)

            await until_async(reported)
            (action,) = (await recording.board()).actions
    assert (action.command, action.ok, action.detail) == (id, False, commands.EXPIRED_DETAIL)
    assert engine.commands == []


def test_a_command_whose_engine_died_during_it_fails_after_a_while(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "a.db")
    connection.execute(commands.INSERT, ("reset", "agno", "{}", "ann", None, 0, 1_000))
    assert [command.verb for command in commands.claim(connection, 1, 500)] == ["reset"]
    assert commands.claim(connection, 2, 500) == []
    assert commands.expire(connection, 2_000) == []
    (event,) = commands.expire(connection, 1_000 + commands.LOST_AFTER)
    assert (event.ok, event.detail) == (False, commands.LOST_DETAIL)
    connection.close()


async def test_an_invalid_command_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    async with Recording.open(tmp_path / "a.db") as recording:
        with pytest.raises(RecordingError, match="No engine has written"):
            await recording.ask("reset", "agno", actor="ann")
        with pytest.raises(ValueError, match="There is no command 'explode'"):
            await recording.ask("explode", actor="ann")
        with pytest.raises(KeyError):
            await recording.command(1)


async def test_the_newest_commands_are_listed_with_their_outcomes(tmp_path: Path) -> None:
    async with record(FakeEngine(), tmp_path / "a.db"), Recording.open(tmp_path / "a.db") as recording:
        for adapter in ("prefect", "agno", "nonesuch"):
            await over(recording, await recording.ask("reset", adapter, actor="ann"))
        newest = await recording.commands(2)
    assert [(one.adapter, one.status) for one in newest] == [("nonesuch", "failed"), ("agno", "done")]


async def test_a_recording_without_an_engine_yet_has_no_commands(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    async with Recording.open(tmp_path / "a.db") as recording:
        assert await recording.commands(10) == []


async def test_many_commands_are_requested_in_one_transaction(tmp_path: Path) -> None:
    engine = FakeEngine(adapters=tuple(f"a{number}" for number in range(40)))
    path = tmp_path / "a.db"
    async with record(engine, path) as recorder, Recording.open(path) as recording:
        targets = [(recorder.instance, name) for name in (*engine.adapters, "nonesuch")]
        ids = await recording.ask_many("reset", targets, actor="ann")
        for id in ids:
            await over(recording, id)
        statuses = await recording.statuses([*ids, 9_999])
        assert await recording.ask_many("reset", [], actor="ann") == []
    assert list(statuses) == ids
    assert [status.adapter for status in statuses.values()] == [name for _, name in targets]
    assert {status.instance for status in statuses.values()} == {recorder.instance}
    assert [status.adapter for status in statuses.values() if status.status == "failed"] == ["nonesuch"]
    assert [command.id for command in engine.commands] == ids


async def test_a_command_is_never_written_to_a_recording_that_replaced_the_opened_one(tmp_path: Path) -> None:
    path, engine = tmp_path / "a.db", FakeEngine("billing")
    async with record(FakeEngine("checkout"), path):
        pass
    async with Recording.open(path) as recording:
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(RecordingError, match=r"a\.db is gone\. Try again"):
            await recording.ask("reset", "prefect", instance=1, actor="ann")
        async with record(engine, path):
            for instance in (1, None):
                with pytest.raises(RecordingError, match=r"a\.db was replaced by another recording"):
                    await recording.ask("reset", "prefect", instance=instance, actor="ann")
            async with Recording.open(path) as other:
                assert await other.commands(10) == []
    assert engine.commands == []

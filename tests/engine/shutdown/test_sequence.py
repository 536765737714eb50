"""The shutdown sequence of an engine, in virtual time."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fuseboard_engine import AllAdaptersFailed, Engine, RetryPolicy, StreamBroken
from fuseboard_engine.events import RouteFinished, ShutdownChanged
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.policy import RoutingPolicy
from fuseboard_engine.shutdown.on_signals import EmergencyExit, shutdown_on_signals
from fuseboard_engine.shutdown.sequence import ShutdownReport
from support.engine_world import HOUR, World, now, virtual
from support.stream_world import ScriptedStream

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=None)


def story(world: World) -> list[tuple[str, int, int]]:
    return [(e.what, e.in_flight, e.cancelled) for e in world.emitted if isinstance(e, ShutdownChanged)]


# ------------------------------------------------------------------ PA06


@virtual
async def test_PA06_calls_in_flight_succeed_and_new_tasks_are_rejected_without_a_call() -> None:
    world = World(retry=ONCE)
    slow, other = world.script("slow", 0.3), world.script("other", "yes")
    in_flight = asyncio.create_task(world.execute_with_fallback({"id": "t1"}, ["slow"]))
    await asyncio.sleep(0.1)
    ending = asyncio.create_task(world.shutdown(grace=5))
    await asyncio.sleep(0.1)
    refused = await world.execute_with_fallback({"id": "t2"}, ["slow", "other"])
    assert not refused.success
    assert set(refused.skipped.values()) == {"shutting down: no new work is taken"}
    with pytest.raises(AllAdaptersFailed) as caught:
        refused.unwrap()
    assert isinstance(caught.value.__cause__, ShuttingDown)
    assert (await in_flight).success
    report = await ending
    assert (len(slow.calls), len(other.calls)) == (1, 0)
    assert report.in_flight == 1 and not report.hanging
    assert now() < 0.4


@virtual
async def test_PA06_a_call_that_hangs_delays_a_shutdown_no_longer_than_its_grace() -> None:
    world = World(retry=ONCE)
    script = world.script("hung", HOUR)
    async with shutdown_on_signals(world, exit_code=None, signals=()):
        call = asyncio.create_task(world.execute_with_fallback({"id": "t"}))
        await asyncio.sleep(1)
        report = await world.shutdown(grace=5)
        assert 6 <= now() <= 7
        assert (report.hanging, report.cancelled, report.problems) == ({"hung": 1}, 1, ())
        with pytest.raises(asyncio.CancelledError):
            await call
    assert script.cancelled == 1
    assert story(world) == [("began", 1, 0), ("finished", 1, 1)]


@virtual
async def test_PA06_an_idle_engine_shuts_down_at_once() -> None:
    world = World()
    world.script("a", "yes")
    await world.execute_with_fallback({"id": "t"})
    report = await world.shutdown(grace=5)
    assert (now(), report.in_flight) == (0.0, 0)


@virtual
async def test_PA06_a_failed_call_is_no_longer_in_flight() -> None:
    world = World(retry=ONCE)
    world.script("a", ConnectionError("no"))
    await world.execute_with_fallback({"id": "t"})
    assert (await world.shutdown(grace=5)).in_flight == 0
    assert now() == 0.0


@virtual
async def test_a_failed_call_in_flight_can_still_fail_over() -> None:
    world = World(retry=ONCE)
    release = asyncio.Event()

    async def fails_late(task: Any) -> None:
        await release.wait()
        raise ConnectionError("late")

    world.add_adapter("a", fails_late)
    world.script("b", 0.5)
    call = asyncio.create_task(world.execute_with_fallback({"id": "t"}))
    await asyncio.sleep(1)
    ending = asyncio.create_task(world.shutdown(grace=5))
    await asyncio.sleep(1)
    release.set()
    assert (await call).adapter == "b"
    assert not (await ending).hanging


@virtual
async def test_a_caller_that_keeps_trying_does_not_prevent_the_shutdown() -> None:
    world = World()
    world.script("a", 0.01)

    async def insist() -> None:
        while not isinstance((await world.execute_with_fallback({"id": "t"})).exception, KeyError):
            pass

    insisting = asyncio.create_task(insist())
    await asyncio.sleep(0)
    report = await world.shutdown(grace=1)
    assert report.hanging == {}
    insisting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await insisting


@virtual
async def test_during_a_shutdown_no_task_waits_for_an_adapter_to_recover() -> None:
    world = World(routing=RoutingPolicy(all_out="wait"))
    script = world.script("a", "yes")
    await world.shutdown()
    result = await world.execute_with_fallback({"id": "late"})
    assert (result.error, script.calls) == ("shutting down: no new work is taken", [])
    assert now() < 0.1


@virtual
async def test_a_shutdown_refuses_fan_outs_and_streams() -> None:
    world = World()
    script = world.script("a", "yes")
    await world.shutdown()
    together = await world.execute_parallel({"id": "late"}, ["a"])
    assert not together.success
    with pytest.raises(AllAdaptersFailed, match="shutting down"):
        _ = [item async for item in world.stream_with_fallback({"id": "late"})]
    assert script.calls == []


@virtual
async def test_the_route_event_states_the_rejection() -> None:
    world = World()
    world.script("a", "yes")
    await world.shutdown()
    await world.execute_with_fallback({"id": "late"})
    (event,) = [e for e in world.emitted if isinstance(e, RouteFinished)]
    assert (event.success, event.attempts[0].outcome) == (False, "rejected")
    assert event.error == "shutting down: no new work is taken"


# ------------------------------------------------------------------ saving, instructions, hooks


@virtual
async def test_every_saving_step_runs_and_a_failing_one_is_reported_without_stopping_the_others() -> None:
    world = World()
    done: list[str] = []

    async def good() -> str:
        done.append("good")
        return "17 orders are in orders.json"

    def bad() -> None:
        raise OSError("disk full")

    async def endless() -> None:
        await asyncio.sleep(HOUR)

    class Recorder:
        path = Path("x.db")

        async def flushed(self) -> None:
            done.append("flushed")

    report = await world.shutdown(save=[bad, endless, good], recorder=Recorder())
    assert done == ["good", "flushed"]
    assert report.saved == ("17 orders are in orders.json",)
    failed, slow = report.problems
    assert "OSError: disk full" in failed
    assert "longer than 5 s" in slow


async def test_the_instructions_state_the_reason_and_next_steps_and_are_private(tmp_path: Path) -> None:
    from fuseboard_engine import BreakerPolicy, Engine

    engine = Engine("checkout", breaker=BreakerPolicy(failure_threshold=1), retry=ONCE)

    async def down(task: Any) -> None:
        raise ConnectionError("no")

    engine.add_adapter("prefect", down)
    await engine.execute_with_fallback({"id": "t"})
    path = tmp_path / "recovery.txt"
    await engine.shutdown("SIGTERM received", instructions=path, save=lambda: "17 orders, password=hunter2")
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "checkout shut down at " in text
    assert "Why: SIGTERM received" in text
    assert "Breakers that were not closed: prefect (open)." in text
    assert "Saved: 17 orders, password=[hidden]" in text
    assert sys.orig_argv[-1].split()[-1] in text
    assert [file.name for file in tmp_path.iterdir()] == ["recovery.txt"]


async def test_instructions_that_cannot_be_written_are_a_problem_but_not_an_error(tmp_path: Path) -> None:
    from fuseboard_engine import Engine

    report = await Engine().shutdown(instructions=tmp_path / "missing" / "recovery.txt")
    assert report.problems == ("the recovery instructions could not be written: No such file or directory",)


async def test_a_command_gets_the_report_as_json(tmp_path: Path) -> None:
    from fuseboard_engine import Engine

    out = tmp_path / "report.json"
    command = [sys.executable, "-c", f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"]
    report = await Engine("checkout").shutdown("because", hook=command)
    assert report.problems == ()
    reported = msgspec.json.decode(out.read_bytes(), type=ShutdownReport)
    assert (reported.engine, reported.reason) == ("checkout", "because")


async def test_a_failing_command_is_a_problem_with_the_end_of_its_output() -> None:
    from fuseboard_engine import Engine

    command = [sys.executable, "-c", "import sys; sys.exit('no route to pager, token=abcdef')"]
    (problem,) = (await Engine().shutdown(hook=command)).problems
    assert "ended with 1: no route to pager, token=[hidden]" in problem


async def test_a_webhook_receives_the_report_and_its_refusal_is_a_problem() -> None:
    from fuseboard_engine import Engine

    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got.append(await reader.readexactly(length))
        status = b"200 OK" if len(got) == 1 else b"500 No"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        assert (await Engine("checkout").shutdown(hook=url)).problems == ()
        assert msgspec.json.decode(got[0])["engine"] == "checkout"
        (problem,) = (await Engine().shutdown(hook=url)).problems
        assert "the webhook answered 500" in problem


@virtual
async def test_a_hook_can_be_a_callable() -> None:
    reports: list[ShutdownReport] = []
    world = World()
    await world.shutdown("x", hook=reports.append)
    assert reports[0].reason == "x"


async def test_a_hook_that_leaves_a_helper_behind_is_done(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    report = await Engine().shutdown(hook=["sh", "-c", f"sleep 600 & echo $! > {pid}"])
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert report.problems == ()


# ------------------------------------------------------------------ what ends a guarded block


@virtual
async def test_a_time_limit_ends_the_block_a_margin_before_it() -> None:
    world = World()
    with pytest.raises(EmergencyExit) as caught:
        async with shutdown_on_signals(world, time_limit=100, margin=30, signals=()):
            await asyncio.sleep(HOUR)
    assert now() == pytest.approx(70)
    assert caught.value.code == 0
    assert caught.value.report.reason == "the time limit of 100 s is 30 s away"


@virtual
async def test_too_much_memory_ends_the_block() -> None:
    world = World()
    used = iter([10, 20, 30_000_000, 40_000_000])
    with pytest.raises(EmergencyExit) as caught:
        async with shutdown_on_signals(world, memory_limit=30_000_000, memory=lambda: next(used), signals=()):
            await asyncio.sleep(HOUR)
    assert caught.value.report.reason == "memory: 30 MB in use, the limit is 30 MB"
    assert now() == pytest.approx(2)


@virtual
async def test_an_uncaught_exception_ends_the_block_after_the_calls_in_flight() -> None:
    world = World(retry=ONCE)
    world.script("slow", 2.0)
    with pytest.raises(EmergencyExit) as caught:
        async with shutdown_on_signals(world, signals=()):
            call = asyncio.create_task(world.execute_with_fallback({"id": "t"}))
            await asyncio.sleep(1)
            raise ZeroDivisionError("token=abcdefgh")
    assert caught.value.report.reason == "uncaught ZeroDivisionError: token=[hidden]"
    assert call.result().success
    assert 2 <= now() < 2.1


@virtual
async def test_an_error_in_a_task_that_is_never_awaited_ends_the_block() -> None:
    world = World()

    async def forgotten() -> None:
        raise ZeroDivisionError("nobody looks")

    with pytest.raises(EmergencyExit) as caught:
        async with shutdown_on_signals(world, signals=()):
            task = asyncio.create_task(forgotten())
            await asyncio.sleep(0.1)
            del task
            await asyncio.sleep(HOUR)
    assert caught.value.report.reason == "unhandled in a task: ZeroDivisionError: nobody looks"


@virtual
async def test_without_an_exit_code_the_program_goes_on_and_errors_stay_errors() -> None:
    world = World()
    async with shutdown_on_signals(world, time_limit=1, margin=0, exit_code=None, signals=()) as guard:
        await asyncio.sleep(HOUR)
    assert guard.report is not None and now() == pytest.approx(1)
    with pytest.raises(ZeroDivisionError):
        async with shutdown_on_signals(World(), exit_code=None, signals=()):
            raise ZeroDivisionError
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


@virtual
async def test_a_block_that_ends_normally_is_not_a_shutdown() -> None:
    world = World()
    async with shutdown_on_signals(world, time_limit=100, memory_limit=10**15, signals=()) as guard:
        await asyncio.sleep(1)
    await asyncio.sleep(HOUR)
    assert guard.report is None and story(world) == []


@virtual
async def test_a_cancellation_from_outside_is_propagated() -> None:
    world = World()

    async def body() -> None:
        async with shutdown_on_signals(world, signals=()):
            await asyncio.sleep(HOUR)

    task = asyncio.create_task(body())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ------------------------------------------------------------------ streams


@virtual
@pytest.mark.parametrize("guarded", [True, False])
async def test_a_stream_in_progress_is_told_that_the_shutdown_ended_it(guarded: bool) -> None:
    world = World(retry=RetryPolicy(max_attempts=3, attempt_timeout=None))
    script = ScriptedStream([1, 2, HOUR, 3])
    world.add_adapter("a", script)
    world.add_adapter("b", ScriptedStream([4]))
    read: list[Any] = []

    async def consume() -> None:
        async with world.stream_with_fallback("task", ["a", "b"]) as items:
            async for item in items:
                read.append(item)

    async with shutdown_on_signals(world, exit_code=None, signals=()) if guarded else world:
        reading = asyncio.create_task(consume())
        await asyncio.sleep(1)
        report = await world.shutdown(grace=5)
        with pytest.raises(StreamBroken, match="shutting down: the stream was ended after 2 items") as broken:
            await reading
    assert isinstance(broken.value.__cause__, ShuttingDown)
    assert (read, script.closed, reading.cancelling()) == ([1, 2], 1, 0)
    assert (report.cancelled, report.problems) == (1, ())
    assert 6 <= now() <= 7
    (finished,) = [event for event in world.emitted if isinstance(event, RouteFinished)]
    assert [(attempt.adapter, attempt.outcome) for attempt in finished.attempts] == [("a", "cancelled")]
    assert world.breaker("a").snapshot().state == "closed"


@virtual
async def test_a_stream_that_is_not_being_read_is_told_at_its_next_item() -> None:
    world = World(retry=ONCE)
    world.add_adapter("a", ScriptedStream([1, 2, 3]))
    stream = world.stream_with_fallback("task")
    assert await anext(stream) == 1
    report = await world.shutdown(grace=1)
    assert report.problems == ("a still has 1 calls that do not end",)
    with pytest.raises(StreamBroken, match="after 1 item"):
        await anext(stream)
    assert world.registry["a"].in_flight == 0


@virtual
async def test_a_consumer_that_does_not_read_on_is_cancelled_a_second_later() -> None:
    world = World(retry=ONCE)
    world.add_adapter("a", ScriptedStream([1, 2]))

    async def consume() -> None:
        async with world.stream_with_fallback("task") as items:
            async for _ in items:
                await asyncio.sleep(HOUR)

    async with shutdown_on_signals(world, exit_code=None, signals=()):
        reading = asyncio.create_task(consume())
        await asyncio.sleep(1)
        report = await world.shutdown(grace=1)
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert report.problems == () and now() < 5


@virtual
async def test_a_stream_that_ends_within_the_grace_time_is_whole() -> None:
    world = World(retry=ONCE)
    world.add_adapter("a", ScriptedStream([1, 2.0, 2]))

    async def consume() -> list[Any]:
        return [item async for item in world.stream_with_fallback("task")]

    reading = asyncio.create_task(consume())
    await asyncio.sleep(1)
    report = await world.shutdown(grace=5)
    assert (await reading, report.cancelled) == ([1, 2], 0)


# ------------------------------------------------------------------ who ends the process


def engine_of_one() -> Engine:
    engine = Engine(retry=ONCE)

    @engine.adapter("a")
    async def answer(task: Any) -> str:
        return "yes"

    return engine


class Host:
    """Handles SIGTERM, as a server does: it leaves the block."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.before = signal.signal(signal.SIGTERM, lambda *_: self.stop.set())

    def end(self) -> None:
        signal.signal(signal.SIGTERM, self.before)


async def hosted(engine: Engine, requests: Any, **options: Any) -> Any:
    """Run a block in a host; `requests` runs between SIGTERM and the end of the block."""
    host = Host()
    try:
        async with shutdown_on_signals(engine, signals=(signal.SIGTERM,), **options) as block:
            if requests is None:
                return block
            signal.raise_signal(signal.SIGTERM)
            await host.stop.wait()
            await requests()
    finally:
        host.end()
    return block


async def test_an_earlier_handler_is_called_and_requests_in_progress_may_call_the_engine() -> None:
    engine = engine_of_one()

    async def request() -> None:
        assert (await engine.execute_with_fallback({"id": "t"})).success

    block = await hosted(engine, request, exit_code=5)
    assert (block.reason, block.report.problems) == ("SIGTERM received", ())
    assert (await engine.execute_with_fallback({"id": "after"})).success, "the process continues"


async def test_requests_in_progress_have_no_longer_than_the_grace_time() -> None:
    engine = engine_of_one()

    async def request() -> None:
        while (await engine.execute_with_fallback({"id": "t"})).success:
            await asyncio.sleep(0.01)

    assert (await hosted(engine, request, grace=0.1)).report is not None


async def test_in_a_host_leaving_the_block_is_a_shutdown() -> None:
    saved: list[int] = []
    block = await hosted(engine_of_one(), None, save=lambda: saved.append(1))
    assert (block.reason, saved) == ("the application ended", [1])


async def test_in_a_host_another_cause_asks_the_host_to_end_and_does_not_cancel_the_block() -> None:
    engine, host = engine_of_one(), Host()
    try:
        async with shutdown_on_signals(engine, memory_limit=1, memory=lambda: 2, grace=5, signals=()) as block:
            await host.stop.wait()
    finally:
        host.end()
    assert block.reason.startswith("memory: ") and block.report is not None


async def test_an_error_in_a_host_is_raised_after_the_shutdown() -> None:
    host, saved = Host(), list[int]()
    try:
        with pytest.raises(ZeroDivisionError):
            async with shutdown_on_signals(engine_of_one(), save=lambda: saved.append(1)):
                raise ZeroDivisionError
    finally:
        host.end()
    assert saved == [1]


async def test_nested_blocks_all_shut_down_and_the_outer_one_exits() -> None:
    inner, outer, order = engine_of_one(), engine_of_one(), list[str]()
    with pytest.raises(EmergencyExit) as caught:
        async with (
            shutdown_on_signals(outer, signals=(signal.SIGUSR1,), save=lambda: order.append("outer")),
            shutdown_on_signals(inner, signals=(signal.SIGUSR1,), save=lambda: order.append("inner")),
        ):
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(HOUR)
    assert sorted(order) == ["inner", "outer"]
    assert caught.value.report.reason == "SIGUSR1 received"
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


async def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        async with shutdown_on_signals(engine_of_one(), signals=(signal.SIGUSR1,)) as block:
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(0)
        assert block.reason == ""
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_a_handler_installed_later_is_left_alone() -> None:
    def later(*_: Any) -> None:
        """Installed inside the block."""

    before = signal.getsignal(signal.SIGUSR1)
    try:
        async with shutdown_on_signals(engine_of_one(), signals=(signal.SIGUSR1,)):
            signal.signal(signal.SIGUSR1, later)
        assert signal.getsignal(signal.SIGUSR1) is later
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_in_another_thread_the_block_ends_and_the_thread_continues() -> None:
    after: list[str] = []

    async def body() -> None:
        async with shutdown_on_signals(engine_of_one(), time_limit=0.05, margin=0) as block:
            await asyncio.sleep(HOUR)
        after.append(block.reason)

    thread = threading.Thread(target=lambda: asyncio.run(body()))
    thread.start()
    thread.join(60)
    assert after == ["the time limit of 0.05 s is 0 s away"]


def test_without_await_in_another_thread_new_work_is_rejected_and_the_thread_continues() -> None:
    engine, after = engine_of_one(), list[str]()

    def body() -> None:
        with shutdown_on_signals(engine, time_limit=0.05, margin=0) as block:
            while (result := engine.sync.execute_with_fallback({"id": "t"})).success:
                pass
            after.append(str(result.error))
        after.append(block.reason)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(60)
    engine.sync.stop()
    assert after == ["shutting down: no new work is taken", "the time limit of 0.05 s is 0 s away"]


@virtual
async def test_another_block_uses_the_engine_again() -> None:
    world = World()
    world.script("a", "yes", "yes")
    async with shutdown_on_signals(world, time_limit=1, margin=0, exit_code=None, signals=()):
        await asyncio.sleep(HOUR)
    assert not (await world.execute_with_fallback({"id": "t"})).success
    async with shutdown_on_signals(world, exit_code=None, signals=()):
        assert (await world.execute_with_fallback({"id": "t"})).success

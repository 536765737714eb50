"""Programs as adapters: JSON on stdin and stdout, no shell; killed with their children on timeout or cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import BreakerPolicy, CallerError, Engine, RetryPolicy, Task
from fuseboard_engine.adapters.process import ProcessAdapter, ProcessFailed
from support.waiting import PATIENCE, TIMED_OUT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
ONCE = RetryPolicy(max_attempts=1, attempt_timeout=30)


def program(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", text, *arguments]


ECHO = program("import json, sys; print(json.dumps({'got': json.load(sys.stdin)}))")


@pytest.fixture
def engine() -> Engine:
    return Engine(retry=ONCE, breaker=BreakerPolicy(failure_threshold=None))


@pytest.fixture
def others() -> set[int]:
    """The child processes that other tests have left."""
    return children()


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[str]:
    """The start of a shell script that leaves a process behind, which holds its pipes."""
    pid = tmp_path / "pid"
    yield f"sleep 600 & echo $! > {pid};"
    os.kill(int(pid.read_text()), signal.SIGKILL)  # it was left alone


@pytest.mark.parametrize("size", [1, 500_000])
@pytest.mark.parametrize("reads", ["cat > /dev/null;", ""])
async def test_a_program_that_exited_is_done_although_a_helper_holds_its_pipes(
    engine: Engine, helper: str, reads: str, size: int
) -> None:
    engine.add_process_adapter("tool", ["sh", "-c", f"{reads} {helper} echo 1"])
    async with asyncio.timeout(PATIENCE):
        assert (await engine.execute_with_fallback("x" * size)).result == 1


async def test_a_program_that_failed_is_done_although_a_helper_holds_its_pipes(engine: Engine, helper: str) -> None:
    engine.add_process_adapter("tool", ["sh", "-c", f"{helper} echo why >&2; exit 3"])
    async with asyncio.timeout(PATIENCE):
        result = await engine.execute_with_fallback("it")
    assert result.error == "sh ended with exit code 3: why"


@pytest.mark.parametrize("size", [10, 65_000, 3_000_000])
async def test_everything_that_a_program_wrote_before_its_exit_is_read(engine: Engine, helper: str, size: int) -> None:
    writes = f"{sys.executable} -c 'print(chr(34) + chr(120) * {size} + chr(34))'"
    engine.add_process_adapter("tool", ["sh", "-c", f"{helper} {writes}"])
    assert (await engine.execute_with_fallback("it")).result == "x" * size


async def test_a_byte_order_mark_before_the_result_is_skipped(engine: Engine) -> None:
    engine.add_process_adapter("tool", program(r"import sys; sys.stdout.buffer.write(b'\xef\xbb\xbf[1]')"))
    assert (await engine.execute_with_fallback("it")).result == [1]


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie that init has not reaped yet does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(PATIENCE):
        for pid in pids:
            while alive(pid):
                await asyncio.sleep(0.01)


def children() -> set[int]:
    """Return the child processes that have not been reaped yet, zombies included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(entry.name))
    return found


async def test_the_task_is_json_on_stdin_and_the_result_json_on_stdout(engine: Engine) -> None:
    engine.add_process_adapter("echo", ECHO)
    route = await engine.execute_with_fallback({"text": "päärynä", "n": 1})
    assert route.result == {"got": {"text": "päärynä", "n": 1}}
    route = await engine.execute_with_fallback(Task(type="t", payload=[1, 2]))
    assert route.result["got"]["payload"] == [1, 2]


IDS = program("import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('FUSEBOARD_')}))")


async def test_the_context_ids_of_a_call_are_environment_variables(engine: Engine) -> None:
    engine.add_process_adapter("a", IDS, env={"FUSEBOARD_USER_ID": "own"})
    ids = {"request": "r-1", "user": "ann", "session": "ä\0\n\ud800", "cost-centre": "7"}
    route = await engine.execute_with_fallback("it", context=ids)
    assert route.result == {
        "FUSEBOARD_REQUEST_ID": "r-1",
        "FUSEBOARD_USER_ID": "own",
        "FUSEBOARD_SESSION_ID": "ä\n?",
        "FUSEBOARD_COST_CENTRE_ID": "7",
    }
    assert (await engine.execute_with_fallback("it")).result == {"FUSEBOARD_USER_ID": "own"}


async def test_a_program_that_writes_nothing_returns_none(engine: Engine) -> None:
    engine.add_process_adapter("silent", program("pass"))
    route = await engine.execute_with_fallback("it")
    assert (route.success, route.result) == (True, None)


async def test_a_nonzero_exit_code_is_a_failure_that_shows_the_end_of_stderr(engine: Engine) -> None:
    text = "import sys; sys.stderr.write('x' * 100_000 + '\\nno such table: orders'); sys.exit(3)"
    engine.add_process_adapter("bad", program(text))
    route = await engine.execute_with_fallback("it")
    assert isinstance(route.exception, ProcessFailed)
    assert route.exception.code == 3
    assert route.error is not None
    assert "ended with exit code 3: x" in route.error
    assert route.error.endswith("no such table: orders")
    assert len(route.error) < 2_200
    assert engine.breaker("bad").failures == 1


async def test_a_failure_by_a_signal_names_it(engine: Engine) -> None:
    engine.add_process_adapter("bad", program("import os; os.kill(os.getpid(), 11)"))
    route = await engine.execute_with_fallback("it")
    assert "was killed by SIGSEGV and wrote nothing to stderr" in (route.error or "")


async def test_a_program_that_cannot_be_started_is_a_failure_with_the_reason(engine: Engine) -> None:
    engine.add_process_adapter("none", ["no-such-program-anywhere"])
    route = await engine.execute_with_fallback("it")
    assert route.error == "no-such-program-anywhere cannot be started: No such file or directory"


async def test_invalid_json_output_is_a_failure_that_shows_its_start(engine: Engine) -> None:
    engine.add_process_adapter("bad", program("print('Hello!')"))
    route = await engine.execute_with_fallback("it")
    assert "starts with b'Hello!" in (route.error or "")


async def test_a_task_that_is_not_json_is_the_callers_fault_and_starts_no_program(engine: Engine) -> None:
    engine.add_process_adapter("echo", ECHO)
    route = await engine.execute_with_fallback({"object": object()})
    assert isinstance(route.exception, CallerError)
    assert engine.breaker("echo").failures == 0


async def test_the_command_is_not_interpreted_by_a_shell(engine: Engine, tmp_path: Path) -> None:
    show = "import json, os, sys; print(json.dumps([sys.argv[1], os.getcwd(), os.environ['COLOUR']]))"
    hostile = "$(touch gone); `touch gone` && touch gone | *"
    engine.add_process_adapter("a", program(show, hostile), cwd=tmp_path, env={"COLOUR": "red"})
    route = await engine.execute_with_fallback("it")
    assert route.result == [hostile, str(tmp_path), "red"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["rm -rf x", b"ls", []])
def test_a_command_must_be_a_list(command: Any) -> None:
    with pytest.raises(ValueError, match="no shell is used"):
        ProcessAdapter(command)


async def test_a_program_that_does_not_read_its_task_can_still_answer(engine: Engine) -> None:
    engine.add_process_adapter("deaf", program("import os; os.close(0); print(1)"))
    assert (await engine.execute_with_fallback("x" * 1_000_000)).result == 1


async def test_large_input_and_output_do_not_deadlock(engine: Engine) -> None:
    engine.add_process_adapter("echo", program("import sys; sys.stderr.write('e' * 300_000); print(sys.stdin.read())"))
    task = "x" * 1_000_000
    assert (await engine.execute_with_fallback(task)).result == task


async def test_a_program_with_endless_output_is_killed(engine: Engine, others: set[int]) -> None:
    engine.add_process_adapter("flood", program("while True: print('x' * 1000)"), max_bytes=100_000)
    route = await engine.execute_with_fallback("it")
    assert "wrote more than 100000 bytes; it was killed" in (route.error or "")
    assert children() <= others


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_an_abandoned_program_is_killed_with_its_children_and_leaves_no_zombie(
    engine: Engine, others: set[int], tmp_path: Path, how: str
) -> None:
    pids = tmp_path / "pids"
    text = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open({str(pids) + ".new"!r}, "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename({str(pids) + ".new"!r}, {str(pids)!r})
time.sleep(600)
"""
    engine.add_process_adapter("slow", program(text))
    limit = 2.0 if how == "timeout" else 60.0
    retry = RetryPolicy(max_attempts=1, attempt_timeout=limit)
    call = asyncio.create_task(engine.execute_with_fallback("it", retry=retry))
    if how == "cancel":
        async with asyncio.timeout(PATIENCE):
            while not pids.exists():
                await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    else:
        assert (await call).attempts[0].rule in TIMED_OUT
        async with asyncio.timeout(PATIENCE):
            while engine.registry.overdue:  # it is killed at the limit; its end is not awaited
                await asyncio.sleep(0.01)
    assert children() <= others
    if pids.exists():
        await gone([int(pid) for pid in pids.read_text().split()])


async def test_many_programs_leave_no_descriptors_and_no_zombies(engine: Engine, others: set[int]) -> None:
    engine.add_process_adapter("echo", ECHO)
    await engine.execute_with_fallback("first")
    before = len(list(Path("/proc/self/fd").iterdir()))
    routes = await asyncio.gather(*(engine.execute_with_fallback(n) for n in range(8)))
    assert [route.result for route in routes] == [{"got": n} for n in range(8)]
    async with asyncio.timeout(PATIENCE):
        while len(list(Path("/proc/self/fd").iterdir())) > before:
            await asyncio.sleep(0.01)
    assert children() <= others

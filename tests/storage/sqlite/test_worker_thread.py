"""A worker thread that runs its jobs in order."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

from fuseboard_storage.sqlite.worker_thread import ThreadEnded, WorkerThread
from support.waiting import PATIENCE, until

NAME = "jobs-of-a-test"


def alive() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


def test_all_jobs_run_in_order_before_the_thread_ends() -> None:
    jobs, done = WorkerThread(NAME), list[int]()
    held = threading.Event()
    jobs.submit(lambda: held.wait(PATIENCE) and None)
    for number in range(100):
        jobs.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == []
    held.set()
    jobs.shut_down()
    assert done == list(range(100))
    assert not alive()


def test_a_shut_worker_accepts_no_job() -> None:
    jobs = WorkerThread(NAME)
    jobs.shut_down()
    jobs.shut_down()
    with pytest.raises(RuntimeError, match="was shut down"):
        jobs.submit(print)
    assert not alive()


def test_a_job_can_shut_the_worker() -> None:
    jobs = WorkerThread(NAME)
    jobs.submit(jobs.shut_down)
    until(lambda: not alive())


def test_the_thread_of_a_garbage_collected_worker_ends() -> None:
    jobs = WorkerThread(NAME)
    jobs.submit(lambda: None)
    assert alive()
    del jobs
    gc.collect()
    until(lambda: not alive())


FORGETFUL = """
import time
from fuseboard_storage.sqlite.worker_thread import ThreadEnded, WorkerThread
jobs = WorkerThread("jobs")
jobs.submit(lambda: time.sleep(0.2))
jobs.submit(lambda: print("done", flush=True))
"""


def test_a_program_that_never_shuts_the_worker_exits_once_all_jobs_are_done() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")


def test_a_worker_that_ends_later_finishes_its_jobs_without_blocking_the_caller() -> None:
    jobs, done, held = WorkerThread(NAME), list[int](), threading.Event()
    jobs.submit(lambda: held.wait(PATIENCE) and None)
    jobs.submit(lambda: done.append(1))
    jobs.end_later()
    del jobs
    gc.collect()
    assert done == []
    held.set()
    until(lambda: not alive())
    assert done == [1]


def test_a_shut_down_that_takes_too_long_leaves_the_thread_to_itself() -> None:
    jobs, held = WorkerThread(NAME), threading.Event()
    jobs.submit(lambda: held.wait(PATIENCE) and None)
    assert not jobs.shut_down(0.01)
    held.set()
    until(lambda: not alive())


STUCK = """
import threading
from fuseboard_storage.sqlite import worker_thread
worker_thread.AT_EXIT = 0.1
jobs = worker_thread.WorkerThread("jobs")
jobs.submit(lambda: threading.Event().wait(600) and None)
"""


def test_a_thread_that_waits_for_a_disk_does_not_hold_up_the_exit_for_ever() -> None:
    ran = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stderr) == (0, "")


async def test_an_answer_of_the_thread_is_awaited() -> None:
    jobs = WorkerThread(NAME)
    assert await jobs.run(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await jobs.run(lambda: 1 // 0)
    jobs.shut_down()
    with pytest.raises(ThreadEnded):
        await jobs.run(lambda: 1)

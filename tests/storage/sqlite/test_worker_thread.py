"""A thread that does what it is handed, one job after another."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

from fuseboard_storage.sqlite.worker_thread import WorkerThread
from support.waiting import PATIENCE, until

NAME = "jobs-of-a-test"


def alive() -> bool:
    return any(thread.name == NAME for thread in threading.enumerate())


def test_jobs_are_done_in_order_and_all_of_them_before_it_ends() -> None:
    jobs, done = WorkerThread(NAME), list[int]()
    held = threading.Event()
    jobs.submit(lambda: held.wait(10) and None)
    for number in range(100):
        jobs.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == []
    held.set()
    jobs.shut_down()
    assert done == list(range(100))
    assert not alive()


def test_it_takes_nothing_once_it_was_shut() -> None:
    jobs = WorkerThread(NAME)
    jobs.shut_down()
    jobs.shut_down()
    with pytest.raises(RuntimeError, match="was shut down"):
        jobs.submit(print)
    assert not alive()


def test_a_job_may_shut_it() -> None:
    jobs = WorkerThread(NAME)
    jobs.submit(jobs.shut_down)
    until(lambda: not alive())


def test_the_thread_of_one_that_nobody_has_any_more_ends() -> None:
    jobs = WorkerThread(NAME)
    jobs.submit(lambda: None)
    assert alive()
    del jobs
    gc.collect()
    until(lambda: not alive())


FORGETFUL = """
import time
from fuseboard_storage.sqlite.worker_thread import WorkerThread
jobs = WorkerThread("jobs")
jobs.submit(lambda: time.sleep(0.2))
jobs.submit(lambda: print("done", flush=True))
"""


def test_a_program_that_forgets_to_shut_it_ends_once_all_is_done() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")

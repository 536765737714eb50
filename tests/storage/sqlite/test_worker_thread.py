"""A worker thread that runs its jobs in order."""

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


def test_all_jobs_run_in_order_before_the_thread_ends() -> None:
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
from fuseboard_storage.sqlite.worker_thread import WorkerThread
jobs = WorkerThread("jobs")
jobs.submit(lambda: time.sleep(0.2))
jobs.submit(lambda: print("done", flush=True))
"""


def test_a_program_that_never_shuts_the_worker_exits_once_all_jobs_are_done() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")

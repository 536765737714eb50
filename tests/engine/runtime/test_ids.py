"""Ids of tasks and requests are unique over engines, processes and forks; screens show a short form."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fuseboard_engine import Engine, Task, context
from fuseboard_engine.runtime.ids import new_id, short_id
from support.engine_world import World, virtual
from support.waiting import PATIENCE

MADE = r"[0-9a-f]{16}-[0-9a-f]{4,}"


def test_an_id_is_a_random_prefix_and_a_number() -> None:
    first, second = new_id(), new_id()
    assert re.fullmatch(MADE, first)
    assert first[:17] == second[:17]
    assert int(second[17:], 16) == int(first[17:], 16) + 1


def test_threads_never_share_an_id() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [new_id() for _ in range(2_000)], range(8)))
    assert len({id for part in made for id in part}) == 16_000


def test_two_processes_never_share_an_id() -> None:
    show = "from fuseboard_engine.runtime.ids import new_id; print(new_id())"
    told = {subprocess.run([sys.executable, "-c", show], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(told) == 2
    assert all(re.fullmatch(MADE, id.strip()) for id in told)


def _send_ids(out: Any, engine: Engine | None = None) -> None:
    made = [new_id() for _ in range(50)]
    if engine is not None:
        made += [engine.sync.execute_with_fallback("x").task for _ in range(3)]
    out.send(made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_share_no_id_with_each_other_or_their_parent() -> None:
    engine = Engine("app")
    engine.add_adapter("a", lambda task: task)
    own = [engine.sync.execute_with_fallback("x").task, *(new_id() for _ in range(50))]
    fork = multiprocessing.get_context("fork")
    told = []
    for _ in range(3):
        mine, its = fork.Pipe()
        child = fork.Process(target=_send_ids, args=(its, engine))
        child.start()
        assert mine.poll(30)
        told.append(mine.recv())
        child.join(PATIENCE)
    every = [*own, *(new_id() for _ in range(50)), *(id for part in told for id in part)]
    assert len(every) == len(set(every)) == 51 + 50 + 3 * 53


@virtual
async def test_tasks_of_two_engines_that_start_in_the_same_second_have_different_ids() -> None:
    one, other = World(), World()
    for engine in (one, other):
        engine.add_adapter("a", lambda task: task)
    ids = [(await engine.execute_with_fallback("x")).task for engine in (one, other) for _ in range(3)]
    assert len(set(ids)) == 6


@virtual
async def test_a_task_keeps_an_id_of_its_own() -> None:
    engine = World()
    engine.add_adapter("a", lambda task: task)
    assert (await engine.execute_with_fallback(Task(payload="x", id="mine"))).task == "mine"


def test_request_ids_are_made_like_task_ids() -> None:
    assert re.fullmatch(MADE, context.complete({})["request"])


@pytest.mark.parametrize(
    ("id", "shown"),
    [
        ("0123456789abcdef-001f", "cdef-001f"),
        ("0123456789abcdef-12345", "cdef-12345"),
        ("order-2024-000017", "order-2024-000017"),
        ("0123456789ABCDEF-001f", "0123456789ABCDEF-001f"),
        ("0123456789abcdef-001f\n", "0123456789abcdef-001f\n"),
        ("", ""),
    ],
)
def test_only_made_ids_have_a_short_form(id: str, shown: str) -> None:
    assert short_id(id) == shown

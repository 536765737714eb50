"""The engine's errors: they travel through pickle, and users can import them."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

import fuseboard
import fuseboard_console
import fuseboard_engine
import fuseboard_storage
from fuseboard_engine import ParallelResult, RouteResult, ShutdownReport, WorkflowResult
from fuseboard_engine.parallel.result import AdapterResult
from fuseboard_engine.workflow.result import NodeResult
from support.programs.fails_in_pool import NeedsKeyword, fail

FAILED = RouteResult(task="1", task_type="ai", success=False, error="refused", exception=ValueError("refused"))
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AllAdaptersFailed": (FAILED,),
    "AttemptTimeout": ("gpt", 2.5, "was not initialised"),
    "CircuitOpen": ("gpt", 4.0, "open", "ConnectionError: refused"),
    "LateTimeout": ("gpt", 2.5, 0.7),
    "EmergencyExit": (3, ShutdownReport(engine="e", reason="SIGTERM", at=1)),
    "Problem": (404, "unknown adapter", "There is no adapter 'prefct'.", {"Allow": "GET"}),
    "ProcessFailed": ("exit code 3", 3),
    "RecordedError": ("server", "503 Service Unavailable", 2.0),
    "RecordingError": ("a.db is not a recording.", "Choose another file."),
    "RecordingNotWritable": ("a.db cannot be written.", "Free space on its disk."),
    "ServiceError": (503, "busy", 2.0),
    "StreamBroken": (FAILED, 3),
    "UnknownAdapter": ("gpd", ("gpt", "llama")),
    "WorkflowFailed": (WorkflowResult(run="r", workflow="w", state="failed", nodes={}, error="a: no"),),
}


def public_errors() -> Iterator[type[BaseException]]:
    """Return every public error class that the packages define."""
    seen: set[type[BaseException]] = set()
    for package in (fuseboard_engine, fuseboard_storage, fuseboard_console):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, BaseException) and found.__module__ == module.name and found.__name__[0] != "_":
                    seen.add(found)
    return iter(sorted(seen, key=lambda kind: kind.__name__))


ERRORS = list(public_errors())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickle(kind: type[BaseException], protocol: int) -> None:
    error = kind(*ARGUMENTS.get(kind.__name__, ("the reason",)))

    back = pickle.loads(pickle.dumps(error, protocol))

    assert type(back) is kind
    assert str(back) == str(error)
    assert back.args == error.args
    assert repr(vars(back)) == repr(vars(error))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_can_be_copied(kind: type[BaseException]) -> None:
    error = kind(*ARGUMENTS.get(kind.__name__, ("the reason",)))

    assert str(copy.copy(error)) == str(copy.deepcopy(error)) == str(error)


def test_attributes_and_notes_of_an_error_are_kept() -> None:
    error = fuseboard_engine.CircuitOpen("gpt", 4.0, "open", "refused")
    error.add_note("while the report was written")

    back = pickle.loads(pickle.dumps(error))

    assert (back.adapter, back.retry_after, back.last_error) == ("gpt", 4.0, "refused")
    assert back.__notes__ == ["while the report was written"]


INTERNAL = {"MissingField"}  # becomes the error of a node, and is never raised to a user


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind.__module__.startswith("fuseboard_engine")])
def test_every_typed_error_can_be_imported(kind: type[BaseException]) -> None:
    if issubclass(kind, fuseboard_engine.FuseboardError) and kind.__name__ not in INTERNAL:
        assert getattr(fuseboard_engine, kind.__name__) is kind
        assert kind.__name__ in fuseboard_engine.__all__
        assert kind.__name__ in fuseboard.__all__


class HoldsLock(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


@pytest.mark.parametrize("error", [NeedsKeyword("503", response=None), HoldsLock()], ids=lambda e: type(e).__name__)
def test_a_result_whose_exception_cannot_be_pickled_describes_it(error: Exception) -> None:
    route = RouteResult(task="1", task_type="", success=False, error=str(error), exception=error)
    node = NodeResult(node="a", state="failed", route=route)
    adapter = AdapterResult(adapter="a", success=False, outcome="failure", exception=error)

    for result in (
        route,
        ParallelResult(task="1", task_type="", success=False, exception=error, results={"a": adapter}),
        WorkflowResult(run="r", workflow="w", state="failed", nodes={"a": node}),
    ):
        back = pickle.loads(pickle.dumps(result))
        assert type(back) is type(result)
        assert f"UnpicklableError('{type(error).__name__}: {error}')" in repr(back)


def test_a_result_keeps_an_exception_that_can_be_pickled() -> None:
    back = pickle.loads(pickle.dumps(FAILED))

    assert type(back.exception) is ValueError
    assert pickle.loads(pickle.dumps(back)) is not back


def test_a_process_pool_passes_the_error_and_stays_usable() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(fuseboard_engine.AllAdaptersFailed) as caught:
            pool.submit(fail).result(timeout=60)
        assert caught.value.result.attempts[0].adapter == "gpt"
        assert pool.submit(abs, -1).result(timeout=60) == 1

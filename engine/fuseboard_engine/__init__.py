"""Fuseboard's resilience engine: breakers, retries, failover chains. Pure decisions; no disk, no screen.

Names are loaded at first use, so that a program that only reads events does not import the rest.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_engine.adapters.from_spec import adapter_from
    from fuseboard_engine.adapters.http import HttpAdapter
    from fuseboard_engine.adapters.lifecycle import AdapterObject
    from fuseboard_engine.adapters.process import ProcessAdapter, ProcessFailed
    from fuseboard_engine.adapters.registry import Registry
    from fuseboard_engine.breaker.circuit_breaker import CircuitBreaker
    from fuseboard_engine.breaker.decorator import guard
    from fuseboard_engine.breaker.permit import Permit
    from fuseboard_engine.breaker.policy import BreakerPolicy
    from fuseboard_engine.breaker.snapshot import BreakerSnapshot
    from fuseboard_engine.config.loader import load_config
    from fuseboard_engine.config.settings import Settings
    from fuseboard_engine.config.watcher import reload_config, watch_config
    from fuseboard_engine.dead_letters.bulk_retry import StoppedRetries
    from fuseboard_engine.dead_letters.letter import (
        DeadLetter,
        DeadLetterError,
        LetterBusy,
        LetterRefused,
        LetterSelection,
        QueueFull,
        StoreTimeout,
        StoreUnavailable,
        UnknownLetter,
    )
    from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
    from fuseboard_engine.documents.loader import DocumentError
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.errors import (
        AdapterCancelled,
        AdapterDown,
        AttemptTimeout,
        BulkheadFull,
        CircuitOpen,
        DeadlineExceeded,
        FaultsNotAllowed,
        FuseboardError,
        LateTimeout,
        MissingExtra,
        NoConnectionFree,
        NoThreadFree,
        Rejected,
        SoftFailure,
        Unhealthy,
        UnknownAdapter,
        UnpicklableError,
    )
    from fuseboard_engine.faults.injector import InjectedFault
    from fuseboard_engine.health.policy import HealthPolicy
    from fuseboard_engine.parallel.batch import BatchResult
    from fuseboard_engine.parallel.policy import ExecutionPolicy
    from fuseboard_engine.parallel.result import AdapterResult, ParallelResult
    from fuseboard_engine.retry.attribution import DEFAULT_TABLE, CallerError, Rule
    from fuseboard_engine.retry.policy import RetryPolicy
    from fuseboard_engine.routing.fallback import InvalidFallbackAnswer
    from fuseboard_engine.routing.gates import ShuttingDown
    from fuseboard_engine.routing.policy import RoutingPolicy
    from fuseboard_engine.routing.route import AllAdaptersFailed, RouteResult, StreamBroken, Task
    from fuseboard_engine.routing.router import TaskRouter
    from fuseboard_engine.routing.stream_router import RestartMarker, RouteStream
    from fuseboard_engine.shutdown.on_signals import EmergencyExit, shutdown_on_signals
    from fuseboard_engine.shutdown.sequence import ShutdownReport
    from fuseboard_engine.sync import SyncEngine
    from fuseboard_engine.workflow.active_runs import InterruptedRun
    from fuseboard_engine.workflow.checkpoints import Checkpoints, MemoryCheckpoints
    from fuseboard_engine.workflow.errors import (
        CheckpointsUnavailable,
        ResumeRefused,
        RunInUse,
        UnknownRun,
        WorkflowError,
    )
    from fuseboard_engine.workflow.result import WorkflowFailed, WorkflowResult
    from fuseboard_engine.workflow.workflow import Workflow

_HOME = {
    "BulkheadFull": "errors",
    "Rejected": "errors",
    "UnpicklableError": "errors",
    "DeadLetterError": "dead_letters.letter",
    "UnknownLetter": "dead_letters.letter",
    "LetterBusy": "dead_letters.letter",
    "RunInUse": "workflow.errors",
    "DocumentError": "documents.loader",
    "AdapterCancelled": "errors",
    "AdapterDown": "errors",
    "HealthPolicy": "health.policy",
    "RoutingPolicy": "routing.policy",
    "HttpAdapter": "adapters.http",
    "AdapterObject": "adapters.lifecycle",
    "ProcessAdapter": "adapters.process",
    "ProcessFailed": "adapters.process",
    "adapter_from": "adapters.from_spec",
    "ShuttingDown": "routing.gates",
    "CallerError": "retry.attribution",
    "DEFAULT_TABLE": "retry.attribution",
    "Rule": "retry.attribution",
    "BatchResult": "parallel.batch",
    "BreakerSnapshot": "breaker.snapshot",
    "CircuitBreaker": "breaker.circuit_breaker",
    "Permit": "breaker.permit",
    "Settings": "config.settings",
    "load_config": "config.loader",
    "reload_config": "config.watcher",
    "watch_config": "config.watcher",
    "DeadLetter": "dead_letters.letter",
    "LetterRefused": "dead_letters.letter",
    "LetterSelection": "dead_letters.letter",
    "QueueFull": "dead_letters.letter",
    "StoppedRetries": "dead_letters.bulk_retry",
    "StoreTimeout": "dead_letters.letter",
    "StoreUnavailable": "dead_letters.letter",
    "DeadLetterPolicy": "dead_letters.policy",
    "guard": "breaker.decorator",
    "InvalidFallbackAnswer": "routing.fallback",
    "Engine": "engine",
    "AllAdaptersFailed": "routing.route",
    "AttemptTimeout": "errors",
    "LateTimeout": "errors",
    "CircuitOpen": "errors",
    "DeadlineExceeded": "errors",
    "FaultsNotAllowed": "errors",
    "FuseboardError": "errors",
    "InjectedFault": "faults.injector",
    "MissingExtra": "errors",
    "NoConnectionFree": "errors",
    "NoThreadFree": "errors",
    "SoftFailure": "errors",
    "StreamBroken": "routing.route",
    "Unhealthy": "errors",
    "UnknownAdapter": "errors",
    "ExecutionPolicy": "parallel.policy",
    "EmergencyExit": "shutdown.on_signals",
    "shutdown_on_signals": "shutdown.on_signals",
    "AdapterResult": "parallel.result",
    "ParallelResult": "parallel.result",
    "BreakerPolicy": "breaker.policy",
    "RetryPolicy": "retry.policy",
    "Registry": "adapters.registry",
    "RouteResult": "routing.route",
    "Task": "routing.route",
    "TaskRouter": "routing.router",
    "ShutdownReport": "shutdown.sequence",
    "RestartMarker": "routing.stream_router",
    "RouteStream": "routing.stream_router",
    "SyncEngine": "sync",
    "Checkpoints": "workflow.checkpoints",
    "MemoryCheckpoints": "workflow.checkpoints",
    "CheckpointsUnavailable": "workflow.errors",
    "ResumeRefused": "workflow.errors",
    "UnknownRun": "workflow.errors",
    "WorkflowError": "workflow.errors",
    "WorkflowFailed": "workflow.result",
    "InterruptedRun": "workflow.active_runs",
    "Workflow": "workflow.workflow",
    "WorkflowResult": "workflow.result",
}

__all__ = [
    "DEFAULT_TABLE",
    "AdapterCancelled",
    "AdapterDown",
    "AdapterObject",
    "AdapterResult",
    "AllAdaptersFailed",
    "AttemptTimeout",
    "BatchResult",
    "BreakerPolicy",
    "BreakerSnapshot",
    "BulkheadFull",
    "CallerError",
    "Checkpoints",
    "CheckpointsUnavailable",
    "CircuitBreaker",
    "CircuitOpen",
    "DeadLetter",
    "DeadLetterError",
    "DeadLetterPolicy",
    "DeadlineExceeded",
    "DocumentError",
    "EmergencyExit",
    "Engine",
    "ExecutionPolicy",
    "FaultsNotAllowed",
    "FuseboardError",
    "HealthPolicy",
    "HttpAdapter",
    "InjectedFault",
    "InterruptedRun",
    "InvalidFallbackAnswer",
    "LateTimeout",
    "LetterBusy",
    "LetterRefused",
    "LetterSelection",
    "MemoryCheckpoints",
    "MissingExtra",
    "NoConnectionFree",
    "NoThreadFree",
    "ParallelResult",
    "Permit",
    "ProcessAdapter",
    "ProcessFailed",
    "QueueFull",
    "Registry",
    "Rejected",
    "RestartMarker",
    "ResumeRefused",
    "RetryPolicy",
    "RouteResult",
    "RouteStream",
    "RoutingPolicy",
    "Rule",
    "RunInUse",
    "Settings",
    "ShutdownReport",
    "ShuttingDown",
    "SoftFailure",
    "StoppedRetries",
    "StoreTimeout",
    "StoreUnavailable",
    "StreamBroken",
    "SyncEngine",
    "Task",
    "TaskRouter",
    "Unhealthy",
    "UnknownAdapter",
    "UnknownLetter",
    "UnknownRun",
    "UnpicklableError",
    "Workflow",
    "WorkflowError",
    "WorkflowFailed",
    "WorkflowResult",
    "adapter_from",
    "guard",
    "load_config",
    "reload_config",
    "shutdown_on_signals",
    "watch_config",
]


_RENAMED = {
    "FalseClaim": "InvalidFallbackAnswer",
    "LeftRun": "InterruptedRun",
    "Restarted": "RestartMarker",
    "guarded": "shutdown_on_signals",
}
"""Deprecated names and their replacements."""


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        if name in _RENAMED:
            warnings.warn(f"{__name__}.{name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
            name = _RENAMED[name]
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)

"""Fuseboard's resilience engine: breakers, retries, failover chains. It decides; it knows no disk and no screen.

Names are loaded when first used, so that a program which only reads events pays for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuseboard_engine.attribution import DEFAULT_TABLE, CallerError, Rule
    from fuseboard_engine.batch import BatchResult
    from fuseboard_engine.breaker import BreakerSnapshot, CircuitBreaker, Permit
    from fuseboard_engine.decorator import guard
    from fuseboard_engine.degradation import FalseClaim
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.errors import (
        AllAdaptersFailed,
        AttemptTimeout,
        CircuitOpen,
        DeadlineExceeded,
        FuseboardError,
        SoftFailure,
        UnknownAdapter,
    )
    from fuseboard_engine.execution import ExecutionPolicy
    from fuseboard_engine.parallel_result import AdapterResult, ParallelResult
    from fuseboard_engine.policy import BreakerPolicy, RetryPolicy
    from fuseboard_engine.registry import Registry
    from fuseboard_engine.route import RouteResult, Task
    from fuseboard_engine.router import TaskRouter
    from fuseboard_engine.workflow.checkpoints import Checkpoints, MemoryCheckpoints
    from fuseboard_engine.workflow.errors import (
        CheckpointsUnavailable,
        ResumeRefused,
        UnknownRun,
        WorkflowError,
        WorkflowFailed,
    )
    from fuseboard_engine.workflow.model import Workflow
    from fuseboard_engine.workflow.result import WorkflowResult

_HOME = {
    "DEFAULT_TABLE": "attribution",
    "CallerError": "attribution",
    "Rule": "attribution",
    "BatchResult": "batch",
    "BreakerSnapshot": "breaker",
    "CircuitBreaker": "breaker",
    "Permit": "breaker",
    "guard": "decorator",
    "FalseClaim": "degradation",
    "Engine": "engine",
    "AllAdaptersFailed": "errors",
    "AttemptTimeout": "errors",
    "CircuitOpen": "errors",
    "DeadlineExceeded": "errors",
    "FuseboardError": "errors",
    "ExecutionPolicy": "execution",
    "AdapterResult": "parallel_result",
    "ParallelResult": "parallel_result",
    "SoftFailure": "errors",
    "UnknownAdapter": "errors",
    "BreakerPolicy": "policy",
    "RetryPolicy": "policy",
    "Registry": "registry",
    "RouteResult": "route",
    "Task": "route",
    "TaskRouter": "router",
    "Checkpoints": "workflow.checkpoints",
    "MemoryCheckpoints": "workflow.checkpoints",
    "CheckpointsUnavailable": "workflow.errors",
    "ResumeRefused": "workflow.errors",
    "UnknownRun": "workflow.errors",
    "WorkflowError": "workflow.errors",
    "WorkflowFailed": "workflow.errors",
    "Workflow": "workflow.model",
    "WorkflowResult": "workflow.result",
}

__all__ = [
    "DEFAULT_TABLE",
    "AdapterResult",
    "AllAdaptersFailed",
    "AttemptTimeout",
    "BatchResult",
    "BreakerPolicy",
    "BreakerSnapshot",
    "CallerError",
    "Checkpoints",
    "CheckpointsUnavailable",
    "CircuitBreaker",
    "CircuitOpen",
    "DeadlineExceeded",
    "Engine",
    "ExecutionPolicy",
    "FalseClaim",
    "FuseboardError",
    "MemoryCheckpoints",
    "ParallelResult",
    "Permit",
    "Registry",
    "ResumeRefused",
    "RetryPolicy",
    "RouteResult",
    "Rule",
    "SoftFailure",
    "Task",
    "TaskRouter",
    "UnknownAdapter",
    "UnknownRun",
    "Workflow",
    "WorkflowError",
    "WorkflowFailed",
    "WorkflowResult",
    "guard",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)

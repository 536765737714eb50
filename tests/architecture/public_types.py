"""Imports every public name and uses the main ones: what type checkers see of Fuseboard. Checked, never run.

`tools/check.py types` runs mypy and basedpyright over this file; a test compares the imports with `fuseboard.__all__`.
"""

from __future__ import annotations

from typing import assert_type

from fuseboard import (
    DEFAULT_TABLE,
    AdapterCancelled,
    AdapterDown,
    AdapterMetrics,
    AdapterObject,
    AdapterResult,
    AllAdaptersFailed,
    AttemptTimeout,
    BatchResult,
    Board,
    BreakerPolicy,
    BreakerSnapshot,
    BulkheadFull,
    CallerError,
    Checkpoints,
    CheckpointsUnavailable,
    CircuitBreaker,
    CircuitOpen,
    DeadLetter,
    DeadLetterError,
    DeadLetterPolicy,
    DeadlineExceeded,
    DocumentError,
    EmergencyExit,
    Engine,
    Entry,
    ExecutionPolicy,
    FaultsNotAllowed,
    FileStore,
    FuseboardError,
    HealthPolicy,
    HttpAdapter,
    InjectedFault,
    InterruptedRun,
    InvalidFallbackAnswer,
    LateTimeout,
    LetterBusy,
    LetterRefused,
    LetterSelection,
    MemoryCheckpoints,
    MissingExtra,
    NoConnectionFree,
    NoThreadFree,
    ParallelResult,
    Permit,
    ProcessAdapter,
    ProcessFailed,
    QueueFull,
    Recorder,
    Recording,
    RecordingError,
    RecordingNotWritable,
    Registry,
    Rejected,
    RestartMarker,
    ResumeRefused,
    Retention,
    RetryPolicy,
    RouteResult,
    RouteStream,
    RoutingPolicy,
    Rule,
    RunInUse,
    Settings,
    ShutdownReport,
    ShuttingDown,
    SoftFailure,
    SqliteDeadLetters,
    StoppedRetries,
    Store,
    StoreTimeout,
    StoreUnavailable,
    StreamBroken,
    SyncEngine,
    Tail,
    Task,
    TaskRouter,
    Unhealthy,
    UnknownAdapter,
    UnknownLetter,
    UnknownRun,
    UnpicklableError,
    Workflow,
    WorkflowError,
    WorkflowFailed,
    WorkflowResult,
    adapter_from,
    combine,
    guard,
    load_config,
    record,
    record_configured,
    reload_config,
    restore,
    shutdown_on_signals,
    watch_config,
)


async def use() -> None:
    """Route tasks, read results, and record them."""
    engine = Engine(name="shop", breaker=BreakerPolicy(failure_threshold=3), retry=RetryPolicy(max_attempts=2))
    engine.add_adapter("gpt", lambda task: task)
    engine.set_preference(["gpt"], task_type="ask")
    async with record(engine, "shop.db") as recorder:
        assert_type(recorder, Recorder)
        assert_type(await engine.execute_with_fallback(Task(type="ask", payload=1)), RouteResult)
        assert_type(await engine.execute_parallel("task", ["gpt"], combine=combine.in_order), ParallelResult)
        assert_type(await engine.execute_batch(["a", "b"]), BatchResult)
        async with engine.stream_with_fallback("task") as stream:
            assert_type(stream, RouteStream)
    async with Recording.open("shop.db") as recording:
        assert_type(await recording.board(), Board)
        assert_type(await recording.events(kinds=("attempt_failed",), since=0), list[Entry])
        assert_type([entry async for entry in recording.stream_events(adapter="gpt")], list[Entry])
        assert_type(await recording.metrics(step=60), list[AdapterMetrics])


async def use_a_store(store: Store) -> None:
    """Record to any store, of which a recording is one."""
    kept: Store = FileStore("shop.db", retention=Retention(events=86_400))
    for one in (store, kept):
        async with record(Engine(name="shop"), one) as recorder:
            assert_type(recorder.store, Store)


def protect() -> None:
    """Put a breaker around a function, whose signature stays."""
    breaker = CircuitBreaker("gpt", BreakerPolicy())
    assert_type(breaker.snapshot(), BreakerSnapshot)
    assert_type(breaker.admit(), Permit)

    @guard(breaker)
    def ask(question: str) -> int:
        return len(question)

    assert_type(ask("?"), int)


def in_threads(engine: Engine) -> None:
    """Use the engine without `await`."""
    assert_type(engine.sync, SyncEngine)
    assert_type(engine.sync.execute_with_fallback("task"), RouteResult)
    assert_type(load_config("shop.toml"), Settings)


PUBLIC = (
    DEFAULT_TABLE,
    AdapterCancelled,
    AdapterDown,
    AdapterMetrics,
    AdapterObject,
    AdapterResult,
    AllAdaptersFailed,
    AttemptTimeout,
    BatchResult,
    Board,
    BreakerPolicy,
    BreakerSnapshot,
    BulkheadFull,
    CallerError,
    Checkpoints,
    CheckpointsUnavailable,
    CircuitBreaker,
    CircuitOpen,
    DeadLetter,
    DeadLetterError,
    DeadLetterPolicy,
    DeadlineExceeded,
    DocumentError,
    EmergencyExit,
    Engine,
    Entry,
    ExecutionPolicy,
    FileStore,
    FaultsNotAllowed,
    FuseboardError,
    HealthPolicy,
    HttpAdapter,
    InjectedFault,
    InterruptedRun,
    InvalidFallbackAnswer,
    LateTimeout,
    LetterBusy,
    LetterRefused,
    LetterSelection,
    MemoryCheckpoints,
    MissingExtra,
    NoConnectionFree,
    NoThreadFree,
    ParallelResult,
    Permit,
    ProcessAdapter,
    ProcessFailed,
    QueueFull,
    Recorder,
    Recording,
    RecordingError,
    RecordingNotWritable,
    Registry,
    Rejected,
    RestartMarker,
    ResumeRefused,
    Retention,
    RetryPolicy,
    RouteResult,
    RouteStream,
    RoutingPolicy,
    Rule,
    RunInUse,
    Settings,
    ShutdownReport,
    ShuttingDown,
    SoftFailure,
    SqliteDeadLetters,
    StoppedRetries,
    Store,
    StoreTimeout,
    StoreUnavailable,
    StreamBroken,
    SyncEngine,
    Tail,
    Task,
    TaskRouter,
    Unhealthy,
    UnknownAdapter,
    UnknownLetter,
    UnknownRun,
    UnpicklableError,
    Workflow,
    WorkflowError,
    WorkflowFailed,
    WorkflowResult,
    adapter_from,
    combine,
    guard,
    load_config,
    record,
    record_configured,
    reload_config,
    restore,
    shutdown_on_signals,
    watch_config,
)
"""Every public name, so that no import above is unused."""

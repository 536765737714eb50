"""The engine's log lines, their fields, and what is never logged."""

from __future__ import annotations

import logging
import typing

import pytest

from fuseboard_engine import BreakerPolicy, Registry, RetryPolicy, Task
from fuseboard_engine.error_text.redaction import redact
from fuseboard_engine.event_log.listener import EventLog
from fuseboard_engine.event_log.sentences import WORDINGS
from fuseboard_engine.events import (
    AnyEvent,
    BatchFinished,
    DeadLetterChanged,
    DeadLettered,
    Event,
    FaultEnded,
    FaultInjected,
    HealthAlert,
    HealthChecked,
    NodeChanged,
    StreamRestarted,
    TripSuppressed,
    WorkflowFinished,
    WorkflowStarted,
)
from support.engine_world import World, virtual


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname} {record.name}: {record.message}"
        for record in caplog.records
        if record.name.startswith("fuseboard.")
    ]


def test_a_failover_is_logged_in_the_seeds_wording(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World()
        world.log_events()
        world.script("prefect", ConnectionError("Connection timeout"))
        world.script("agno", {"success": True})
        await world.execute_with_fallback(Task(type="ai", id="t1"))

    with caplog.at_level(logging.INFO, "fuseboard"):
        story()
    assert lines(caplog) == [
        "INFO fuseboard.router: [FAILOVER] Attempting ai with 2 fallback models",
        "WARNING fuseboard.router: Attempt 1/3 failed on prefect: Connection timeout",
        "INFO fuseboard.breaker: Circuit breaker MONITORING (1/5) for adapter: prefect",
        "WARNING fuseboard.router: Attempt 2/3 failed on prefect: Connection timeout",
        "INFO fuseboard.breaker: Circuit breaker MONITORING (2/5) for adapter: prefect",
        "WARNING fuseboard.router: Attempt 3/3 failed on prefect: Connection timeout",
        "INFO fuseboard.breaker: Circuit breaker MONITORING (3/5) for adapter: prefect",
        "INFO fuseboard.router: Task succeeded on agno (attempt 1/3)",
    ]
    fields = vars(caplog.records[-1])
    assert fields["fuseboard_chain"] == ["prefect", "agno"]
    assert (fields["fuseboard_task"], fields["fuseboard_attempts"]) == ("t1", 4)
    failed = vars(caplog.records[1])
    assert (failed["fuseboard_rule"], failed["fuseboard_then"], failed["fuseboard_delay"]) == (
        "connection",
        "retry",
        0.1,
    )


def test_a_breaker_that_opens_and_closes_is_logged_with_the_adapters_name(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(breaker=BreakerPolicy(failure_threshold=1, success_threshold=1, jitter=0))
        world.log_events()
        world.script("prefect", ConnectionError("refused"))
        await world.execute_with_fallback({"id": "t"})
        world.breaker("prefect").reset(actor="kim")

    with caplog.at_level(logging.INFO, "fuseboard.breaker"):
        story()
    opened, closed = [line for line in lines(caplog) if "Circuit breaker" in line]
    assert opened.startswith("WARNING fuseboard.breaker: Circuit breaker OPENED for adapter: prefect (")
    assert opened.endswith("tried again in 1 s)")
    assert closed == "INFO fuseboard.breaker: Circuit breaker CLOSED for adapter: prefect (reset by hand, by kim)"


def test_a_timeout_is_logged_with_its_duration(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=1, attempt_timeout=2.5))
        world.log_events()
        world.script("slow", 60.0)
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.INFO, "fuseboard.router"):
        story()
    assert lines(caplog)[0] == "WARNING fuseboard.router: Timeout for adapter slow after 2.50s (attempt 1/1)"


def test_partial_results_are_logged_with_the_success_rate(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=1))
        world.log_events()
        world.script("coder", "one", ConnectionError("refused"), "three")
        await world.execute_batch(["a", "b", "c"], name="night", retries=0, min_success_rate=0.5, max_concurrent=1)

    with caplog.at_level(logging.INFO, "fuseboard.engine"):
        story()
    accepted = "WARNING fuseboard.engine: Accepting partial results (67% success) of batch night: 2 of 3, 1 failed"
    assert lines(caplog)[-1].startswith(accepted)


def test_a_failure_is_logged_with_the_breakers_count_and_threshold(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=2, strategy="immediate"))
        world.log_events()
        world.script("coder", ConnectionError("refused"))
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.INFO, "fuseboard.breaker"):
        story()
    reported = [line for line in lines(caplog) if "MONITORING" in line]
    assert reported[-1] == "INFO fuseboard.breaker: Circuit breaker MONITORING (2/5) for adapter: coder"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            HealthChecked(at=1, adapter="a", status="unhealthy", before="healthy", detail="refused, token=abcdef"),
            "WARNING fuseboard.health: Health of adapter a: unhealthy (was healthy): refused, token=[hidden]",
        ),
        (
            HealthChecked(at=1, adapter="a", status="healthy", before="unhealthy"),
            "INFO fuseboard.health: Health of adapter a: healthy (was unhealthy)",
        ),
        (
            HealthAlert(at=1, adapter="a", failures=3, detail="refused"),
            "WARNING fuseboard.health: Health alert for adapter a: 3 bad checks in a row: refused",
        ),
        (
            TripSuppressed(
                at=1, adapter="a", reason="failures", detail="5 failures in a row; it stays closed: 2 of 4 are out"
            ),
            "WARNING fuseboard.breaker: Circuit breaker of adapter a was not opened: "
            "5 failures in a row; it stays closed: 2 of 4 are out",
        ),
        (
            FaultInjected(at=1, adapter="a", fault="hang", until=30_000_001, actor="ann"),
            "WARNING fuseboard.commands: Fault hang injected into adapter a for 30 s by ann",
        ),
        (
            FaultEnded(at=1, adapter="a", fault="hang", reason="healed", actor="ben"),
            "INFO fuseboard.commands: Injected fault hang of adapter a ended by ben",
        ),
        (
            StreamRestarted(at=1, task="t", task_type="", adapter="b", items=3, error="reset"),
            "WARNING fuseboard.router: The stream of task t starts over on b, 3 items are void: reset",
        ),
        (
            BatchFinished(at=1, batch="n", parts=4, succeeded=1, needed=0.5, accepted=False, rolled_back=1, error="no"),
            "WARNING fuseboard.engine: Batch n was not accepted (25% success, 50% needed): 1 of 4; "
            "rolled back 1 time: no",
        ),
        (
            BatchFinished(at=1, batch="n", parts=2, succeeded=2),
            "INFO fuseboard.engine: Batch n succeeded: 2 of 2",
        ),
        (
            WorkflowStarted(at=1, run="r", workflow="w", nodes=("a", "b")),
            "INFO fuseboard.workflow: Run r of workflow w started: a, b",
        ),
        (
            WorkflowStarted(at=1, run="r", workflow="w", nodes=("a", "b"), resumed=True, finished=("a",)),
            "INFO fuseboard.workflow: Run r of workflow w resumed: 1 of 2 nodes done before",
        ),
        (
            NodeChanged(at=1, run="r", workflow="w", node="a", state="failed", error="password=hunter2"),
            "WARNING fuseboard.workflow: Node a of run r failed: password=[hidden]",
        ),
        (
            NodeChanged(at=1, run="r", workflow="w", node="a", state="done"),
            "DEBUG fuseboard.workflow: Node a of run r is done",
        ),
        (
            WorkflowFinished(at=1, run="r", workflow="w", state="interrupted"),
            "WARNING fuseboard.workflow: Run r of workflow w was interrupted",
        ),
        (
            DeadLettered(at=1, letter=7, task="t", task_type="", category="network", error="refused"),
            "WARNING fuseboard.dead_letters: Task t became dead letter 7 (network): refused; retried by hand only",
        ),
        (
            DeadLetterChanged(at=1, letters=(7,), before="pending", status="discarded", actor="ann", detail="by hand"),
            "INFO fuseboard.dead_letters: Dead letter 7: pending -> discarded by ann: by hand",
        ),
        (
            DeadLetterChanged(at=1, letters=(7, 8), before="retrying", status="exhausted"),
            "WARNING fuseboard.dead_letters: Dead letters 7, 8: retrying -> exhausted",
        ),
    ],
)
def test_events_other_than_calls_are_logged_too(event: Event, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fuseboard"):
        EventLog(Registry())(event)
    assert lines(caplog) == [line]


NOT_LOGGED = {
    "GaugesSampled": "figures, once a second",
    "DeadLettersCounted": "figures, for the board",
    "EngineStarted": "the recorder's, for the board",
    "EngineStopped": "the recorder's, for the board",
    "EventsDropped": "the recorder logs it",
    "RoutesCounted": "the recorder's, in place of routes",
    "RecordingRestarted": "the recorder logs it",
    "ClockChanged": "the host's, for the board",
    "DeadLetterRefused": "the queue logs it",
    "ThreadsStuck": "the threads log it",
    "CallOverdue": "the watcher of overdue calls logs it",
    "OverdueCallEnded": "the watcher of overdue calls logs it",
    "ScenarioStep": "the scenario's own words",
    "ScenarioPaced": "the scenario's, for the console",
}


def test_every_event_has_a_logger_or_a_reason_for_none() -> None:
    assert {kind.__name__ for kind in typing.get_args(AnyEvent) if not WORDINGS[kind].logger} == set(NOT_LOGGED)


def test_every_event_has_a_sentence() -> None:
    assert set(WORDINGS) == set(typing.get_args(AnyEvent))


def test_the_fields_of_a_line_are_fields_of_its_event() -> None:
    for kind, wording in WORDINGS.items():
        assert {field for _, field in wording.fields} <= set(kind.__struct_fields__)


def test_a_record_names_its_event_and_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fuseboard"):
        EventLog(Registry())(HealthChecked(at=1, adapter="a", status="healthy", before="unhealthy"))
    (record,) = caplog.records
    fields = {name: value for name, value in vars(record).items() if name.startswith("fuseboard_")}
    assert fields == {
        "fuseboard_event": "health_checked",
        "fuseboard_adapter": "a",
        "fuseboard_before": "unhealthy",
        "fuseboard_after": "healthy",
    }


def test_debug_logs_a_line_with_timings_for_every_attempt(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(breaker=BreakerPolicy(failure_threshold=1))
        world.log_events(debug=True)
        world.script("a", ConnectionError("no"))
        world.script("b", 0.25)
        await world.execute_with_fallback({"id": "first"})
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.DEBUG, "fuseboard.router"):
        story()
    reported = [line for line in lines(caplog) if line.startswith("DEBUG")]
    assert "DEBUG fuseboard.router: Task t: b attempt 1: success in 250.0 ms after waiting 0.0 ms" in reported
    assert any(line.startswith("DEBUG fuseboard.router: Task t: a was not called: a is open") for line in reported)


def test_payloads_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World()
        world.log_events(debug=True)
        world.script("a", ConnectionError("no"), {"answer": "top secret answer"})
        await world.execute_with_fallback({"id": "t", "prompt": "top secret prompt"})

    with caplog.at_level(logging.DEBUG):
        story()
    assert lines(caplog)
    assert "top secret" not in "".join(f"{record.message} {vars(record)}" for record in caplog.records)


def test_a_secret_in_an_errors_text_reaches_neither_line_nor_fields(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World()
        world.log_events()
        world.script("a", ConnectionError("401 for https://kim:hunter2@api.test/?api_key=abcdef123"))
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.DEBUG, "fuseboard"):
        story()
    written = "".join(f"{record.message} {vars(record)}" for record in caplog.records if record.name != "asyncio")
    assert "hunter2" not in written
    assert "abcdef123" not in written
    assert "api.test" in written


def test_lines_below_the_enabled_level_are_not_written(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World()
        world.log_events(debug=True)
        world.script("a", ConnectionError("no"), "yes")
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.WARNING, "fuseboard"):
        story()
    assert lines(caplog) == ["WARNING fuseboard.router: Attempt 1/3 failed on a: no"]


def test_the_returned_function_stops_the_log(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World()
        end = world.log_events()
        end()
        world.script("a", "yes")
        await world.execute_with_fallback({"id": "t"})

    with caplog.at_level(logging.DEBUG, "fuseboard"):
        story()
    assert lines(caplog) == []


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETsecret123",
        "authorization=Basic U0VDUkVUOnNlY3JldA==",
        '{"password": "SECRET secret"}',
        "{'api_key': 'SECRET'}",
        "https://api.test/v1?x=1&access_token=SECRET&y=2",
        "postgres://app:SECRET@db:5432/x",
        "OPENAI_API_KEY=SECRET",
        "key sk-proj-SECRETSECRETSECRET was refused",
        "token ghp_SECRETSECRETSECRETSECRET",
        "eyJhbGciOiJIUzI1NiJ9.SECRETeyJzdWIi.SECRET",
        "AKIASECRETSECRET1234",
        "x-api-key: SECRET",
        'client_secret => "SECRET"',
        "-----BEGIN RSA PRIVATE KEY-----\nSECRET\n-----END RSA PRIVATE KEY-----",
        r"{\"token\": \"SECRET\"}",
        "Cookie: session=SECRET",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    hidden = redact(text)
    assert "SECRET" not in hidden and "U0VDUkVU" not in hidden
    assert "[hidden]" in hidden


@pytest.mark.parametrize(
    "text",
    [
        "Connection refused",
        "model gpt-4 not found",
        "the maximum context length is 8192 tokens",
        "https://a.test/x?y=1",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_foreign_text_can_neither_forge_a_line_nor_control_the_terminal() -> None:
    assert redact("no\nWARNING forged \x1b]0;title\x07\u202e") == "no\\nWARNING forged \\x1b]0;title\\x07\\u202e"


def test_a_huge_text_is_cut_quickly() -> None:
    assert len(redact("password" * 1_000_000)) < 3_000


def test_a_chain_of_several_adapters_is_logged_when_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=1))
        stop = world.log_events()
        for name in ("codellama-7b", "codellama-13b", "gpt"):
            world.script(name, "done")
        world.set_preference(["codellama-7b", "codellama-13b", "gpt"], "coder")
        await world.execute_with_fallback(Task(type="coder"))
        await world.execute_with_fallback(Task(type="coder"), "gpt")
        async for _ in world.stream_with_fallback(Task(id="t7"), ["gpt", "codellama-7b"]):
            pass
        stop()
        await world.execute_with_fallback(Task(type="coder"))

    with caplog.at_level(logging.INFO, "fuseboard.router"):
        story()
    assert [line for line in lines(caplog) if "FAILOVER" in line] == [
        "INFO fuseboard.router: [FAILOVER] Attempting coder with 3 fallback models",
        "INFO fuseboard.router: [FAILOVER] Attempting task t7 with 2 fallback models",
    ]


def test_a_degraded_answer_is_logged_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=1))
        world.log_events()
        world.script("coder", ConnectionError("refused"))
        world.set_degraded("", "by hand")
        await world.execute_with_fallback(Task(id="t1"))

    with caplog.at_level(logging.INFO, "fuseboard.router"):
        story()
    assert lines(caplog)[-1] == "WARNING fuseboard.router: Using degraded mode for task t1: refused"


def test_each_chain_is_logged_with_the_states_of_its_breakers_when_the_engine_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @virtual
    async def story() -> None:
        world = World(retry=RetryPolicy(max_attempts=1), breaker=BreakerPolicy(failure_threshold=5))
        world.log_events()
        for name in ("gpt", "llama", "held"):
            world.script(name, ConnectionError("refused"))
        world.set_preference(["llama", "gpt"], "coder")
        await world.execute_with_fallback("x", ["gpt"])
        await world.execute_with_fallback("x", ["gpt"])
        world.breaker("held").force_open()
        async with world:
            world.begin_background()

    with caplog.at_level(logging.INFO, "fuseboard.router"):
        story()
    assert [line for line in lines(caplog) if "Failover status" in line] == [
        "INFO fuseboard.router: Failover status of the default chain: "
        "1. gpt [MONITORING (2/5)], 2. llama [CLOSED], 3. held [FORCED-OPEN]",
        "INFO fuseboard.router: Failover status of coder: 1. llama [CLOSED], 2. gpt [MONITORING (2/5)]",
    ]

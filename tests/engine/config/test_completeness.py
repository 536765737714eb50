"""Completeness of the configuration: every option of the API has a field, and nearly all can change at run time."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuseboard_engine import (
    DEFAULT_TABLE,
    DeadLetterPolicy,
    Engine,
    ExecutionPolicy,
    HealthPolicy,
    RoutingPolicy,
    shutdown_on_signals,
    watch_config,
)
from fuseboard_engine.config.sections import (
    ChainSection,
    DegradationSection,
    HealthSection,
    RecordingSection,
    RetentionSection,
    RuleSection,
    ShutdownSection,
)
from fuseboard_engine.config.settings import AdapterSection, Settings, schema
from fuseboard_engine.config.watcher import reload_config
from fuseboard_engine.documents.loader import DocumentError
from fuseboard_engine.events import ConfigReloaded, Event, PreferenceSet
from fuseboard_storage.recorder.recorder import record
from fuseboard_storage.recorder.retention import Retention
from support.engine_world import virtual
from support.paths import ROOT

FROM_CODE = {"self", "engine", "clock", "wall", "rng", "memory", "recorder"}  # values of a program, not of a file
NAMES = {"table": "attribution", "health": "health_monitoring"}


def arguments(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters) - FROM_CODE


def test_every_argument_of_an_engine_has_a_section() -> None:
    assert {NAMES.get(name, name) for name in arguments(Engine.__init__)} <= set(Settings.model_fields)


def test_every_argument_of_an_adapter_a_chain_and_a_degraded_answer_has_a_field() -> None:
    own = {"health_policy": "health_monitoring"}
    adapter = {own.get(name, name) for name in arguments(Engine.add_adapter)} - {"name"}
    assert adapter <= set(AdapterSection.model_fields)
    assert arguments(Engine.set_preference) - {"task_type"} == set(ChainSection.model_fields)
    assert arguments(Engine.set_degraded) - {"task_type"} == set(DegradationSection.model_fields) - {"call"}


def test_every_column_of_the_attribution_table_has_a_field() -> None:
    assert set(DEFAULT_TABLE[0].__dataclass_fields__) == set(RuleSection.model_fields)


def test_every_argument_of_shutdown_and_of_the_recorder_has_a_field() -> None:
    assert arguments(shutdown_on_signals) == set(ShutdownSection.model_fields)
    assert arguments(Engine.shutdown) - {"reason"} <= set(ShutdownSection.model_fields)
    assert arguments(record) == set(RecordingSection.model_fields)
    assert set(Retention.__dataclass_fields__) == set(RetentionSection.model_fields)
    kept = RetentionSection()
    assert Retention(**kept.model_dump()) == Retention()


def test_every_field_of_a_health_policy_can_be_configured() -> None:
    names = {"interval": "check_interval"}
    assert {names.get(name, name) for name in HealthPolicy.model_fields} == set(HealthSection.model_fields) - {
        "enabled"
    }


def test_an_engine_gets_every_setting_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    path.write_text(
        """
name: checkout
threads: 3
routing: {adaptive: true, all_out: wait, max_wait: 5, max_out_by_tag: {cheap: 0.5}}
execution: {strategy: hedged, timeout: 3, max_concurrent_adapters: 2}
health_monitoring: {enabled: true, check_interval: 7, timeout: 2, alert_after: 1, critical: false, concurrency: 4,
                    history_size: 9, transition_size: 8, retention: 60}
dead_letters: {capacity: 5, max_retries: 1, automatic_retry: false}
"""
    )
    engine = Engine.from_config(path)
    assert engine.resources.threads.max_threads == 3
    assert engine.routing.policy == RoutingPolicy(
        adaptive=True, all_out="wait", max_wait=5, max_out_by_tag={"cheap": 0.5}
    )
    assert engine.parallel.policy == ExecutionPolicy(strategy="hedged", timeout=3, max_concurrent_adapters=2)
    assert engine.health.policy == HealthPolicy(
        interval=7,
        timeout=2,
        alert_after=1,
        critical=False,
        concurrency=4,
        history_size=9,
        transition_size=8,
        retention=60,
    )
    assert engine.dead_letters is not None
    assert engine.dead_letters.policy == DeadLetterPolicy(capacity=5, max_retries=1, automatic_retry=False)


# ------------------------------------------------------------------ adapters

checked: list[str] = []


class Service:
    """An adapter that records its health checks."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def call(self, task: Any) -> Any:
        return {"ok": task != "bad", "by": self.name}

    def health(self) -> bool:
        checked.append(self.name)
        return True


def refusal(result: Any) -> str | None:
    return None if result["ok"] else "it says it is not ok"


def beside() -> bool:
    checked.append("beside")
    return True


ADAPTERS = f"""
health_monitoring: {{check_interval: 100}}
adapters:
  often: {{call: "{__name__}:Service", options: {{name: often}}, health_monitoring: {{check_interval: 10, timeout: 1}}}}
  usual: {{call: "{__name__}:Service", options: {{name: usual}}}}
  never: {{call: "{__name__}:Service", options: {{name: never}}, health_monitoring: {{enabled: false}}}}
"""


def engine_of(path: Path, text: str) -> Engine:
    loop = asyncio.get_running_loop()
    path.write_text(text)
    return Engine.from_config(path, clock=loop.time, rng=lambda: 0.5)


async def checks_of(seconds: float) -> dict[str, int]:
    checked.clear()
    await asyncio.sleep(seconds)
    return {name: checked.count(name) for name in ("often", "usual", "never", "beside")}


@virtual
async def test_an_adapter_can_have_its_own_health_policy(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    engine = engine_of(path, ADAPTERS)
    async with engine:
        assert await checks_of(1000) == {"often": 100, "usual": 0, "never": 0, "beside": 0}
        path.write_text(
            ADAPTERS.replace("{check_interval: 100}", "{enabled: true, check_interval: 100, alert_after: 2}")
        )
        event = reload_config(engine, path)
        assert event.changes == (
            "health_monitoring: enabled False -> True, alert_after 3 -> 2",
            "health checks of often: changed",
        )
        assert await checks_of(1000) == {"often": 100, "usual": 10, "never": 0, "beside": 0}
        path.write_text(ADAPTERS.replace("{check_interval: 10, timeout: 1}", "{check_interval: 50}"))
        reload_config(engine, path)
        assert await checks_of(1000) == {"often": 20, "usual": 0, "never": 0, "beside": 0}
        path.write_text(ADAPTERS.replace("{enabled: false}", "{check_interval: 500}"))
        reload_config(engine, path)
        assert (await checks_of(1000))["never"] == 2


@virtual
async def test_a_reload_of_health_policies_keeps_the_adapters_health_and_call_history(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = ADAPTERS.replace("{check_interval: 100}", "{enabled: true, check_interval: 100, history_size: 5}")
    engine = engine_of(path, text)
    async with engine:
        for number in range(5):
            await engine.execute_with_fallback({"id": f"t{number}"}, ["usual"])
        await engine.check_health()
        path.write_text(text.replace("history_size: 5", "history_size: 3").replace("interval: 100", "interval: 90"))
        assert reload_config(engine, path).ok
        assert engine.get_health_status()["checks"] == {"often": "healthy", "usual": "healthy"}
        assert [call["task"] for call in engine.get_adapter_health("usual")["calls"]] == ["t2", "t3", "t4"]


@virtual
async def test_a_health_policy_given_in_code_stays_unless_the_file_sets_one_for_the_adapter(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    engine = engine_of(path, "name: app\n")
    engine.add_adapter("often", Service("often"), health_policy=HealthPolicy(interval=10))
    engine.add_adapter("beside", lambda task: task, health=beside)
    async with engine:
        assert await checks_of(300) == {"often": 30, "usual": 0, "never": 0, "beside": 10}
        path.write_text("health_monitoring: {enabled: true, check_interval: 100}\n")
        reload_config(engine, path)
        assert await checks_of(300) == {"often": 30, "usual": 0, "never": 0, "beside": 3}
        path.write_text("adapters: {often: {health_monitoring: {check_interval: 50}}}\n")
        reload_config(engine, path)
        assert await checks_of(300) == {"often": 6, "usual": 0, "never": 0, "beside": 10}


@virtual
async def test_health_checks_and_failure_predicates_can_be_application_functions(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = f"""
retry: {{max_attempts: 1}}
adapters:
  often:
    call: "{__name__}:Service"
    options: {{name: often}}
    health: "{__name__}:beside"
    failed: "{__name__}:refusal"
"""
    engine = engine_of(path, text)
    async with engine:
        result = await engine.execute_with_fallback("bad")
        assert (result.success, result.error) == (False, "it says it is not ok")
        assert (await checks_of(300))["beside"] == 10


@virtual
async def test_a_reload_changes_the_tags_and_task_types_of_an_adapter(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = "adapters: {a: {call: 'json:dumps', tags: [cheap], handles: [context_window]}}\n"
    engine = engine_of(path, text)
    before = engine.registry["a"]
    assert (before.tags, before.handles) == (("cheap",), {"context_window"})
    path.write_text(text.replace("cheap", "dear, eu").replace("context_window", "content_policy"))
    event = reload_config(engine, path)
    assert event.changes == ("a handles: content_policy", "tags of a: dear, eu")
    assert (before.tags, before.handles) == (("dear", "eu"), {"content_policy"})
    assert engine.registry["a"] is before


def test_a_reference_that_cannot_be_found_is_named_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    path.write_text("adapters: {a: {call: 'json:dumps', failed: 'json:nothing'}}\nshutdown: {save: ['nosuch:it']}\n")
    with pytest.raises(DocumentError) as caught:
        Engine.from_config(path)
    assert str(caught.value).splitlines() == [
        f"{path}:1: adapters.a.failed: json:nothing: 'json' has no attribute 'nothing'",
        f"{path}:2: shutdown.save.0: nosuch:it: module 'nosuch' cannot be imported: No module named 'nosuch'",
    ]
    path.write_text("adapters: {a: {call: 'json:dumps'}}\n")
    engine = Engine.from_config(path)
    path.write_text("adapters: {a: {call: 'json:dumps'}, b: {call: 'json:loads', health: 'json:nothing'}}\n")
    event = reload_config(engine, path)
    assert (event.ok, event.problem.startswith(f"{path}:1: adapters.b.health: json:nothing")) == (False, True)
    assert [adapter.name for adapter in engine.registry] == ["a"]


# ------------------------------------------------------------------ chains


@virtual
async def test_a_chain_can_be_adaptive_or_restart_streams(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = """
adapters: {a: {call: 'json:dumps'}, b: {call: 'json:dumps'}}
preferences:
  default: [a, b]
  report: {order: [b, a], adaptive: true}
  chat: {order: [a], restartable: true}
"""
    engine = engine_of(path, text)
    routing, registry = engine.routing, engine.registry
    assert [routing.is_adaptive(kind) for kind in ("", "report", "chat")] == [False, True, False]
    assert [registry.can_restart(kind) for kind in ("", "report", "chat")] == [False, False, True]
    reported: list[Event] = []
    engine.subscribe(reported.append)
    path.write_text(
        text.replace("default: [a, b]", "default: {order: [a, b], adaptive: true}").partition("  report")[0]
    )
    event = reload_config(engine, path)
    assert event.changes == (
        "preference for default: a -> b, adaptive",
        "preference for report: none",
        "preference for chat: none",
    )
    assert [routing.is_adaptive(kind) for kind in ("", "report")] == [True, False]
    assert not registry.can_restart("chat")
    assert [(e.task_type, e.order, e.adaptive) for e in reported if isinstance(e, PreferenceSet)] == [
        ("", ("a", "b"), True),
        ("report", (), False),
        ("chat", (), False),
    ]


# ------------------------------------------------------------------ degraded answers


async def hold(task: Any) -> str:
    await asyncio.sleep(100)
    return "late"


def plan(task: Any) -> dict[str, Any]:
    return {"steps": [task["goal"]]}


@virtual
async def test_a_file_can_set_the_degraded_answer_of_an_exhausted_chain(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    path.write_text("degraded: {report: {text: 'no report for {who}'}, default: {later: yes}}")
    engine = Engine.from_config(path)
    answered = await engine.execute_with_fallback({"task_type": "report", "who": "ann"})
    assert (answered.degraded, answered.result) == (True, {"text": "no report for ann", "degraded": True})
    assert (await engine.execute_with_fallback({"task_type": "other"})).result == {"later": True, "degraded": True}

    path.write_text("degraded: {report: {text: 'none today'}}")
    event = reload_config(engine, path)
    assert event.changes == ("degraded answer for report: changed", "degraded answer for default: none")
    assert (await engine.execute_with_fallback({"task_type": "report"})).result["text"] == "none today"
    assert not (await engine.execute_with_fallback({"task_type": "other"})).degraded


@virtual
async def test_a_degraded_answer_can_come_from_a_function_with_its_own_timeout(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = f"""
adapters: {{strict: {{call: "{__name__}:caller_is_wrong"}}}}
degraded: {{caller: sorry}}
degradation:
  plan: {{call: "{__name__}:plan", name: planner}}
  slow: {{call: "{__name__}:hold", timeout: 2}}
  caller: {{even_for: [caller]}}
"""
    engine = engine_of(path, text)
    planned = await engine.execute_with_fallback({"task_type": "plan", "goal": "rest"}, [])
    assert (planned.result, "planner answered" in planned.why) == ({"steps": ["rest"], "degraded": True}, True)
    slow = await engine.execute_with_fallback({"task_type": "slow"}, [])
    assert not slow.degraded
    assert asyncio.get_running_loop().time() == 2.0
    assert (await engine.execute_with_fallback({"task_type": "caller"})).result == "sorry"
    path.write_text(text.replace("even_for: [caller]", "timeout: 5"))
    assert reload_config(engine, path).changes == ("degraded answer for caller: changed",)
    assert not (await engine.execute_with_fallback({"task_type": "caller"})).degraded


def caller_is_wrong(task: Any) -> None:
    from fuseboard_engine import CallerError

    raise CallerError("no such thing")


def test_a_degraded_answer_that_claims_success_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    path.write_text("degraded: {report: {success: true}}")
    with pytest.raises(DocumentError, match=r"degraded\.report: .* must not say 'success' is true"):
        Engine.from_config(path)


# ------------------------------------------------------------------ attribution


def is_teapot(error: BaseException) -> bool:
    return "teapot" in str(error)


def brew(task: Any) -> None:
    raise ValueError(str(task))


@virtual
async def test_an_attribution_row_can_use_a_function(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    text = f"""
retry: {{max_attempts: 1}}
attribution: [{{name: odd, when: "{__name__}:is_teapot", counts: false}}]
adapters: {{a: {{call: "{__name__}:brew"}}}}
"""
    engine = engine_of(path, text)
    rules = [(await engine.execute_with_fallback(task)).attempts[0].rule for task in ("a teapot", "a kettle")]
    assert rules == ["odd", "error"]


# ------------------------------------------------------------------ the end


def save_all() -> str:
    return "all is in orders.json"


ended: list[str] = []


def tell(report: Any) -> None:
    ended.append(report.reason)


SHUTDOWN = f"""
shutdown:
  grace: 3
  time_limit: 60
  margin: 5
  save: ["{__name__}:save_all"]
  instructions: how.txt
  hook: "{__name__}:tell"
  exit_code: off
  signals: [SIGUSR1]
"""


async def test_shutdown_follows_the_settings_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(SHUTDOWN)
    engine = Engine.from_config(tmp_path / "f.yaml")
    ended.clear()
    async with shutdown_on_signals(engine) as guard:
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.sleep(30)
    assert ended == ["SIGUSR1 received"]
    assert guard.report is not None
    assert guard.report.saved == ("all is in orders.json",)
    assert "all is in orders.json" in (tmp_path / "how.txt").read_text()


@virtual
async def test_shutdown_arguments_in_code_override_the_file(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "f.yaml", SHUTDOWN)
    ended.clear()
    report = await engine.shutdown("maintenance", save=lambda: "elsewhere", instructions=tmp_path / "other.txt")
    assert (report.saved, ended) == (("elsewhere",), ["maintenance"])
    assert (tmp_path / "other.txt").exists()
    assert not (tmp_path / "how.txt").exists()


@virtual
async def test_a_time_limit_in_the_file_ends_the_block(tmp_path: Path) -> None:
    engine = engine_of(tmp_path / "f.yaml", SHUTDOWN)
    async with shutdown_on_signals(engine) as guard:
        await asyncio.sleep(1000)
    assert guard.reason == "the time limit of 60 s is 5 s away"
    assert asyncio.get_running_loop().time() < 60


# ------------------------------------------------------------------ what else changes while it runs


@virtual
async def test_a_reload_changes_threads_dead_letters_and_the_polling_interval_too(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    engine = engine_of(path, "threads: 3\ndead_letters: {capacity: 5}\nreload: {interval: 10}\n")
    events: list[Event] = []
    engine.subscribe(events.append)
    async with watch_config(engine, path, environment={}):
        await asyncio.sleep(1)
        path.write_text("threads: 4\ndead_letters: {capacity: 6}\nreload: {interval: 0.5}\n")
        await asyncio.sleep(8)
        assert not any(isinstance(event, ConfigReloaded) for event in events)
        await asyncio.sleep(2)
        assert engine.resources.threads.max_threads == 4
        assert engine.dead_letters is not None
        assert engine.dead_letters.policy.capacity == 6
        path.write_text("threads: 5\nreload: {interval: 0.5}\n")
        await asyncio.sleep(2)
    changed = [event for event in events if isinstance(event, ConfigReloaded)]
    assert changed[0].changes == (
        "threads: 3 -> 4",
        "reload: interval 10.0 -> 0.5",
        "dead_letters: capacity 5 -> 6",
    )
    assert (changed[1].changes, changed[1].restart) == (("threads: 4 -> 5",), ("dead_letters",))


# ------------------------------------------------------------------ the schema and the document


def described(part: dict[str, Any], parts: dict[str, Any], way: str) -> list[str]:
    """Yield the fields of a schema object and its nested objects that have no description."""
    silent = []
    for name, field in part.get("properties", {}).items():
        if not field.get("description"):
            silent.append(f"{way}{name}")
        for reference in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
            if "$ref" in reference:
                silent += described(parts[reference["$ref"].rpartition("/")[2]], parts, f"{way}{name}.")
    return silent


def objects(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the alternatives of a section's schema that are objects with fields."""
    return [one for one in (part, *part.get("anyOf", ())) if one.get("type") == "object"]


def test_the_schema_describes_every_field() -> None:
    made = schema()
    assert described(made, made["$defs"], "") == []
    for part in made["$defs"].values():
        for one in objects(part):
            assert described(one, made["$defs"], "") == []
            assert one["additionalProperties"] is False, one["title"]


def test_the_schema_accepts_every_short_form() -> None:
    parts = schema()["$defs"]
    assert {"const": "off"} in parts["BreakerPolicy"]["properties"]["failure_threshold"]["anyOf"]
    assert {"const": "off"} not in parts["BreakerPolicy"]["properties"]["jitter"].get("anyOf", [])
    assert [way["type"] for way in parts["ChainSection"]["anyOf"]] == ["array", "object"]
    assert [way["type"] for way in parts["AdapterSection"]["anyOf"]] == ["string", "object"]
    (adapter,) = objects(parts["AdapterSection"])
    assert {"health_monitoring", "health", "failed", "handles"} <= set(adapter["properties"])


def test_the_document_names_every_section() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    table = text.partition("## Sections")[2].partition("## Presets")[0]
    assert [name for name in Settings.model_fields if f"`{name}" not in table] == []
    for section in (AdapterSection, ChainSection, DegradationSection, RecordingSection, ShutdownSection, RuleSection):
        missing = [name for name in section.model_fields if f"`{name}" not in table]
        assert missing == [], section.__name__

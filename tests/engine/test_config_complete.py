"""Whatever an engine takes when it is made in code, a configuration can say."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from engine_world import virtual

from fuseboard_engine import DeadLetterPolicy, Engine, ExecutionPolicy, HealthPolicy, RoutingPolicy
from fuseboard_engine.config.model import HealthSection, Settings, schema
from fuseboard_engine.config.watch import reload_config
from fuseboard_engine.documents import DocumentError

FROM_CODE = {"clock", "wall", "rng"}  # values of a program, not of a file
NAMES = {"table": "attribution", "health": "health_monitoring"}


def test_every_argument_of_an_engine_has_a_section() -> None:
    wanted = set(inspect.signature(Engine.__init__).parameters) - {"self"} - FROM_CODE
    assert {NAMES.get(name, name) for name in wanted} <= set(Settings.model_fields)


def test_every_field_of_a_health_policy_can_be_said() -> None:
    names = {"interval": "check_interval"}
    assert {names.get(name, name) for name in HealthPolicy.model_fields} == set(HealthSection.model_fields) - {
        "enabled"
    }


def test_an_engine_gets_all_that_its_file_says(tmp_path: Path) -> None:
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
    assert engine.resources.threads.most == 3
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


@virtual
async def test_a_file_may_say_what_answers_when_a_chain_is_exhausted(tmp_path: Path) -> None:
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


def test_an_answer_that_claims_success_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fuseboard.yaml"
    path.write_text("degraded: {report: {success: true}}")
    with pytest.raises(DocumentError, match=r"degraded\.report: .* must not say 'success' is true"):
        Engine.from_config(path)


def described(part: dict[str, Any], parts: dict[str, Any], way: str) -> list[str]:
    """The fields of an object of the schema, and of those within, that say nothing of themselves."""
    silent = []
    for name, field in part.get("properties", {}).items():
        if not field.get("description"):
            silent.append(f"{way}{name}")
        for reference in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
            if "$ref" in reference:
                silent += described(parts[reference["$ref"].rpartition("/")[2]], parts, f"{way}{name}.")
    return silent


def test_an_editor_can_tell_what_every_field_is_for() -> None:
    made = schema()
    assert described(made, made["$defs"], "") == []
    for part in made["$defs"].values():
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, part["title"]


def test_the_document_names_every_section() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    table = text.partition("## Sections")[2].partition("## Presets")[0]
    assert [name for name in Settings.model_fields if f"`{name}" not in table] == []

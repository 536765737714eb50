"""Sentences about the outcome of an operator's command."""

from __future__ import annotations

import pytest

from fuseboard_console.operator.messages import outcome_text
from fuseboard_engine import Engine
from fuseboard_engine.commands import Command


@pytest.mark.parametrize(
    ("before", "verb", "text"),
    [
        ("closed", "reset", "gpt was closed already."),
        ("open", "reset", "gpt was reset."),
        ("closed", "enable", "gpt was closed already."),
        ("open", "enable", "gpt stays open: only a reset closes it."),
        ("half_open", "enable", "gpt goes on probing: only a reset closes it."),
        ("disabled", "enable", "gpt is enabled."),
        ("forced_open", "force_open", "gpt was held open already."),
        ("closed", "force_open", "gpt is held open."),
        ("disabled", "disable", "gpt was disabled already."),
        ("metrics_only", "metrics_only", "gpt was set to watch only already."),
        ("half_open", "half_open", "gpt was probing already."),
        ("open", "open_for", "gpt is open."),
    ],
)
def test_a_command_that_changes_nothing_says_so(before: str, verb: str, text: str) -> None:
    engine = Engine()
    engine.add_adapter("gpt", lambda task: task)
    breaker = engine.breaker("gpt")
    {
        "closed": lambda: None,
        "open": breaker.open_for,
        "half_open": breaker.half_open,
        "forced_open": breaker.force_open,
        "disabled": breaker.disable,
        "metrics_only": breaker.metrics_only,
    }[before]()
    done = engine.execute_command(Command(id=1, verb=verb, actor="ana", adapter="gpt"))
    assert done is not None
    assert outcome_text(verb, "gpt", done.ok, done.detail) == text

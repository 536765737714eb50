"""Operators' commands, as they reach an engine, and what came of them."""

from __future__ import annotations

from typing import Any

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing an operator asked an engine to do.

    `verb` is one of `VERBS`; `adapter` is empty for verbs that concern all. `args` are the verb's own, such as
    `seconds`. `actor` is who asked, as it should stand in the audit. `requested_at` is UTC microseconds.
    """

    id: int
    verb: str
    actor: str
    adapter: str = ""
    args: dict[str, Any] = {}
    requested_at: int = 0


VERBS: tuple[str, ...] = (
    "reset",
    "reset_all",
    "force_open",
    "open_for",
    "half_open",
    "disable",
    "metrics_only",
    "enable",
    "dlq_retry",
    "resume",
)
"""What can be asked of an engine. `reset_all` resets every breaker that does not let calls through.
`dlq_retry` retries the dead letters its `args` select. `resume` goes on with the run of a workflow its `args` name."""

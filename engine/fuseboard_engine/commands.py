"""Operators' commands, as an engine receives them."""

from __future__ import annotations

from typing import Any

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request of an operator to an engine.

    `verb` is one of `VERBS`; `adapter` is empty for verbs that concern all adapters. `args` are the verb's arguments,
    such as `seconds`. `actor` is who asked, as the audit shows it. `requested_at` is UTC microseconds.
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
    "dlq_stop",
    "resume",
    "inject",
    "heal",
)
"""The verbs an engine accepts. `reset_all` resets every breaker that refuses calls. `dlq_retry` retries the dead
letters that `args` select; `dlq_stop` ends such retries after the one in flight, of all or of the `command` in `args`.
`resume` resumes the workflow run that `args` name. `inject` injects a fault into an adapter: `args` are its `fault`,
`seconds`, `share` and `value`; `heal` ends it.
"""

WITHOUT_ADAPTER: tuple[str, ...] = ("reset_all", "dlq_retry", "dlq_stop", "resume")
"""The verbs that do not concern one adapter."""

"""The meaning of health checks, for one adapter and for the engine. Pure: no waiting, no calls, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from fuseboard_engine.adapters.lifecycle import unhealthy_reason
from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.errors import text_of

Health = Literal["healthy", "degraded", "unhealthy", "unknown"]
"""`degraded`: works, but impaired; `unknown`: never checked."""

WORDS: dict[str, Health] = {
    "healthy": "healthy",
    "ok": "healthy",
    "up": "healthy",
    "pass": "healthy",
    "degraded": "degraded",
    "warn": "degraded",
    "unhealthy": "unhealthy",
    "down": "unhealthy",
    "fail": "unhealthy",
}


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The result of one check and its explanation."""

    status: Health
    detail: str = ""


class HealthState(msgspec.Struct, frozen=True, gc=False):
    """The health of an adapter after its checks so far.

    `failures` counts failed checks in a row. `since` and `at` are UTC microseconds: when the status began, and the last
    check. `duration` is that check's, in seconds.
    """

    status: Health = "unknown"
    detail: str = ""
    failures: int = 0
    since: int = 0
    at: int = 0
    duration: float = 0.0


class Change(msgspec.Struct, frozen=True, gc=False):
    """The effect of one check: the new state, whether the status changed, and whether to raise an alert."""

    now: HealthState
    changed: bool
    alert: bool


def verdict_of(answer: Any) -> Verdict:
    """Return the verdict of a check's result.

    None and True are healthy, False is not. A string, or the `status` of a mapping, is one of `WORDS`; the mapping's
    `detail`, `message` or `error` explains it. A result whose `healthy`, `ok` or `success` is False is unhealthy. Any
    other result is healthy, because the adapter answered.
    """
    verdict = _judge(answer)
    return Verdict(verdict.status, safe_error_text(verdict.detail)) if verdict.detail else verdict


def _judge(answer: Any) -> Verdict:
    reason = unhealthy_reason(answer)
    if reason is not None:
        return Verdict("unhealthy", reason)
    if isinstance(answer, str):
        word = WORDS.get(answer.strip().lower())
        return Verdict(word) if word else Verdict("unhealthy", f"it answered {answer[:200]!r}")
    if isinstance(answer, Mapping):
        detail = next((str(answer[name]) for name in ("detail", "message", "error") if answer.get(name)), "")
        word = answer.get("status")
        if isinstance(word, str):
            return Verdict(WORDS.get(word.strip().lower(), "unhealthy"), detail or word)
        return Verdict("healthy", detail)
    return Verdict("healthy")


def verdict_of_error(error: BaseException) -> Verdict:
    """Return the verdict of a check that raised: unhealthy, with the error as explanation."""
    text, name = text_of(error), type(error).__name__
    return Verdict("unhealthy", f"{name}: {text}" if text else name)


def apply_verdict(before: HealthState, verdict: Verdict, *, at: int, duration: float, alert_after: int) -> Change:
    """Return the effect of one check.

    Args:
        before: the state before the check.
        verdict: the check's verdict.
        at: UTC microseconds.
        duration: seconds the check took.
        alert_after: failed checks in a row that raise an alert; raised once per such row.
    """
    bad = verdict.status == "unhealthy"
    failures = before.failures + 1 if bad else 0
    changed = verdict.status != before.status
    now = HealthState(verdict.status, verdict.detail, failures, at if changed else before.since, at, duration)
    return Change(now, changed, bad and failures == alert_after)


def overall(checks: Iterable[tuple[Health, bool]]) -> Health:
    """Return the health of the engine from each adapter's health and whether the adapter is critical.

    Unhealthy if a critical adapter is; degraded if any adapter is degraded, or a non-critical one is unhealthy; unknown
    without checks or before the first one; else healthy.
    """
    statuses = list(checks)
    if any(status == "unhealthy" and critical for status, critical in statuses):
        return "unhealthy"
    if any(status in ("degraded", "unhealthy") for status, _ in statuses):
        return "degraded"
    if any(status == "healthy" for status, _ in statuses):
        return "healthy"
    return "unknown"

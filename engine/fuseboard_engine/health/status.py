"""What health checks say, adapter by adapter and of the whole. Pure: nothing here waits, calls or reads a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from fuseboard_engine.adapters.lifecycle import unhealthy_reason
from fuseboard_engine.errors import text_of

Health = Literal["healthy", "degraded", "unhealthy", "unknown"]
"""`degraded` works, but not as it should; `unknown` was never checked."""

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
    """What one check said, and in whose words."""

    status: Health
    detail: str = ""


class HealthState(msgspec.Struct, frozen=True, gc=False):
    """How an adapter stands after its checks so far.

    `failures` counts bad checks in a row, `since` and `at` are UTC microseconds: when it became so, when it was last
    checked.
    """

    status: Health = "unknown"
    detail: str = ""
    failures: int = 0
    since: int = 0
    at: int = 0
    duration: float = 0.0


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one check did: how the adapter stands now, whether that is news, and whether someone must be told."""

    now: HealthState
    changed: bool
    alert: bool


def verdict_of(answer: Any) -> Verdict:
    """Read what a check returned.

    None and True are healthy, False is not. A text or the `status` of a mapping is one of `WORDS`; the mapping's
    `detail`, `message` or `error` says more. A mapping whose `healthy`, `ok` or `success` is False is unhealthy.
    Anything else came from an adapter that answered: healthy.
    """
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
    """Return what a check that raised says: unhealthy, in the error's words."""
    text, name = text_of(error), type(error).__name__
    return Verdict("unhealthy", f"{name}: {text}" if text else name)


def apply_verdict(before: HealthState, verdict: Verdict, *, at: int, duration: float, alert_after: int) -> Change:
    """Take in one check.

    Args:
        before: how the adapter stood.
        verdict: what the check said.
        at: UTC microseconds.
        duration: seconds the check took.
        alert_after: bad checks in a row that raise an alert; it is raised once, until a check is not bad.
    """
    bad = verdict.status == "unhealthy"
    failures = before.failures + 1 if bad else 0
    changed = verdict.status != before.status
    now = HealthState(verdict.status, verdict.detail, failures, at if changed else before.since, at, duration)
    return Change(now, changed, bad and failures == alert_after)


def overall(checks: Iterable[tuple[Health, bool]]) -> Health:
    """Return the health of the whole from each adapter's and whether it is critical.

    Unhealthy if a critical one is; degraded if any is degraded, or one that is not critical is unhealthy; unknown if
    there are no checks, or none has been made yet; else healthy.
    """
    seen = list(checks)
    if any(status == "unhealthy" and critical for status, critical in seen):
        return "unhealthy"
    if any(status in ("degraded", "unhealthy") for status, _ in seen):
        return "degraded"
    if any(status == "healthy" for status, _ in seen):
        return "healthy"
    return "unknown"

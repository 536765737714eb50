"""The decisions about dead letters, as pure functions: what becomes one, when it is due, the outcome of a retry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuseboard_engine.dead_letters.letter import Category, DeadLetter, RetryOutcome
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy, Schedule
from fuseboard_engine.events import Attempt
from fuseboard_engine.retry.attribution import Rule

MINUTE: Final = 60.0
MAX_WAIT: Final = 60 * MINUTE
SELECTIVE_CATEGORIES: Final[frozenset[Category]] = frozenset({"transient", "network", "resource"})
MIN_DEFERRAL: Final = 0.1  # seconds; a breaker whose probe is in flight says 0
JITTER: Final = 0.1
"""The maximum extra wait of a deferred letter, as a share, so that several engines do not retry at the same time."""

CATEGORY_OF: Final[dict[str, Category]] = {
    "rejected": "transient",
    "timeout": "transient",
    "soft_failure": "transient",
    "server": "transient",
    "error": "transient",
    "connection": "network",
    "rate_limited": "resource",
    "quota": "resource",
    "local": "transient",
    "locked": "transient",
    "credentials": "permission",
    "context_window": "validation",
    "content_policy": "validation",
    "caller": "validation",
    "deadline": "transient",
    "adapter_missing": "permanent",
}


def ending_row(attempts: Sequence[Attempt]) -> str:
    """Return the name of the attribution row that ended a route: that of its last call, else `rejected`.

    Empty when no adapter of the chain was registered.
    """
    if not attempts:
        return ""
    return next((attempt.rule for attempt in reversed(attempts) if attempt.rule), "rejected")


def rule_of(rules: Sequence[Rule], name: str) -> Rule | None:
    """Return the first row with that name."""
    return next((rule for rule in rules if rule.name == name), None)


def is_caller_error(rule: Rule | None) -> bool:
    """Return whether a failure is the caller's own: no failover, and no adapter is to blame."""
    return rule is not None and not rule.counts and not rule.failover


def category_of(policy: DeadLetterPolicy, row: str, rule: Rule | None) -> Category:
    """Return the category of a failure.

    Args:
        policy: its `categories` take precedence.
        row: name of the attribution row; empty: no adapter was registered.
        rule: that row; a custom row is judged by its flags.
    """
    named = policy.categories.get(row) or CATEGORY_OF.get(row)
    if named is not None:
        return named
    if rule is None:
        return "permanent"
    if not rule.counts:
        return "validation"
    return "transient" if rule.retry else "permanent"


def is_kept(policy: DeadLetterPolicy, category: Category) -> bool:
    """Return whether an exhausted route becomes a dead letter automatically."""
    if policy.strategy == "selective":
        return category in SELECTIVE_CATEGORIES
    return policy.strategy == "automatic"


def wait_before(schedule: Schedule, retries: int) -> float | None:
    """Return the seconds to wait before the next retry, after `retries` failed ones, or None if it is not retried.

    Linear waits 5, 10, 15 ... minutes, exponential 1, 2, 4 ... minutes; neither more than an hour.
    """
    if schedule == "never":
        return None
    if schedule == "immediate":
        return 0.0
    if schedule == "linear":
        return min(MAX_WAIT, 5 * MINUTE * (retries + 1))
    return min(MAX_WAIT, MINUTE * 2.0 ** min(retries, 6))  # 2**6 minutes exceed the maximum


def first_due(policy: DeadLetterPolicy, category: Category, now: int) -> int | None:
    """Return when a new letter is first retried, in UTC microseconds; None if only on command."""
    wait = wait_before(policy.schedule(category), 0)
    if wait is None:
        return None
    return now + round((0.0 if policy.first_retry == "at_once" else wait) * 1e6)


def succeeded(letter: DeadLetter, now: int, adapter: str, actor: str) -> RetryOutcome:
    """Return the outcome of a successful retry."""
    return RetryOutcome(
        outcome="succeeded",
        status="succeeded",
        due_at=None,
        retries=letter.retries,
        deferrals=letter.deferrals,
        max_retries=letter.max_retries,
        detail=f"{adapter} did it" if adapter else "done",
        actor=actor,
        counts=_counts("retry_success", actor),
    )


def failed(
    letter: DeadLetter, policy: DeadLetterPolicy, now: int, error_type: str, error: str, actor: str
) -> RetryOutcome:
    """Return the outcome of a failed retry: it counts, and the last one allowed exhausts the letter."""
    retries = letter.retries + 1
    exhausted = retries >= policy.max_retries
    wait = None if exhausted else wait_before(policy.schedule(letter.category), retries - 1)
    return RetryOutcome(
        outcome="failed",
        status="exhausted" if exhausted else "pending",
        due_at=None if wait is None else now + round(wait * 1e6),
        retries=retries,
        deferrals=letter.deferrals,
        max_retries=policy.max_retries,
        detail=f"retry {retries} of {policy.max_retries} failed: {error or error_type}",
        actor=actor,
        error_type=error_type,
        error=error,
        counts=_counts("retry_failed", actor),
    )


def deferred(
    letter: DeadLetter, policy: DeadLetterPolicy, now: int, wait: float | None, actor: str, random: float = 0.0
) -> RetryOutcome:
    """Return the outcome of a retry that open breakers refused: due when the first admits calls; it does not count.

    A letter that is deferred repeatedly waits at least 1, 2, 4 ... seconds, up to the policy's `deferral`. `wait` is
    the breaker's wait in seconds, None if unknown. `random`, 0..1, scales the added jitter.
    """
    seconds = max(MIN_DEFERRAL, policy.deferral if wait is None else wait)
    if letter.deferrals:
        seconds = max(seconds, min(policy.deferral, 2.0 ** min(letter.deferrals - 1, 32)))
    seconds *= 1 + JITTER * random
    return RetryOutcome(
        outcome="deferred",
        status="pending",
        due_at=now + round(seconds * 1e6),
        retries=letter.retries,
        deferrals=letter.deferrals + 1,
        max_retries=policy.max_retries,
        detail=f"every adapter refused it; due again in {seconds:.3g} s",
        actor=actor,
        counts=("deferred",),
    )


def released(letter: DeadLetter) -> RetryOutcome:
    """Return the outcome of an interrupted retry: the state before it; it does not count."""
    return RetryOutcome(
        outcome="released",
        status=letter.was or "pending",
        due_at=letter.due_at,
        retries=letter.retries,
        deferrals=letter.deferrals,
        max_retries=letter.max_retries,
        detail="the engine stopped during the retry, which does not count",
    )


def _counts(outcome: str, actor: str) -> tuple[str, ...]:
    return (outcome, "manual") if actor else (outcome,)

"""Attribution rows of recorded failures, and errors that stand for them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from fuseboard_engine.errors import AttemptTimeout
from fuseboard_engine.events import Attempt
from fuseboard_engine.policy_replay.workload import RecordedCall
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.retry.default_table import DEFAULT_TABLE
from fuseboard_engine.retry.rule import Rule

_KNOWN = {rule.name: rule for rule in DEFAULT_TABLE}
_BY_POLICY = ("attempts made", "its breaker opened", "the retry budget", "the deadline comes", "another adapter takes")
_NOT_RETRIED = "the retry policy does not retry"


def rule_of(attempt: Attempt, followed: bool) -> Rule:
    """Return the attribution row of a recorded failure.

    A row of the application's own is derived from what followed: whether it counted, and whether it was retried.

    Args:
        attempt: the failed attempt.
        followed: whether another attempt on the same adapter followed.
    """
    why = attempt.why
    given_up = why.startswith(_NOT_RETRIED)
    retried = followed or any(text in why for text in _BY_POLICY)
    return _rule(attempt.rule, attempt.outcome == "failure", given_up, retried)


@cache
def _rule(name: str, counts: bool, given_up: bool, retried: bool) -> Rule:
    known = _KNOWN.get(name)
    if known is None or known.counts != counts:
        return Rule(name=name or "unknown", reason="as recorded", counts=counts, retry=retried and not given_up)
    return replace(known, retry=False, reason=_NOT_RETRIED) if given_up else known


class _ReplayedError(Exception):
    """Stands for the error of a recorded call."""

    def __init__(self, call: RecordedCall) -> None:
        Exception.__init__(self)
        self.call = call


class _ReplayedTimeout(_ReplayedError, AttemptTimeout):
    """Stands for an attempt that the engine timed out."""

    def __str__(self) -> str:
        return ""


def error_of(call: RecordedCall) -> Exception:
    """Return an error that stands for a recorded failure."""
    return _ReplayedTimeout(call) if call.error_type == "AttemptTimeout" else _ReplayedError(call)


class RecordedTable(Table):
    """An attribution table that returns for each recorded error the row that was recorded."""

    def read(self, error: BaseException) -> tuple[Rule, float | None]:
        """Return the row of a recorded error, and the seconds that it asked to wait."""
        if not isinstance(error, _ReplayedError) or error.call.rule is None:
            return super().read(error)
        return error.call.rule, error.call.retry_after

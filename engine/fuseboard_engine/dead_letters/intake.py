"""Builds dead letters from exhausted routes and rejected tasks. Pure; stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuseboard_engine.dead_letters import schedule
from fuseboard_engine.dead_letters.json_payload import json_text, task_form
from fuseboard_engine.dead_letters.letter import Category, LetterRefused, NewLetter
from fuseboard_engine.dead_letters.policy import DeadLetterPolicy
from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.errors import DeadlineExceeded, text_of
from fuseboard_engine.events import Attempt
from fuseboard_engine.retry.attribution import Table
from fuseboard_engine.routing.gates import ShuttingDown
from fuseboard_engine.routing.route import OF_THIS_CALL, ActiveRoute, identify


def category_to_keep(route: ActiveRoute, policy: DeadLetterPolicy, table: Table) -> Category | None:
    """Return the category of an exhausted route whose task becomes a dead letter, or None if it does not.

    It does not when the failure is the caller's own, when the engine was shutting down, or by the policy's strategy.
    """
    row = schedule.ending_row(route.attempts)
    rule = schedule.rule_of(table.rules, row)
    if schedule.is_caller_error(rule) or isinstance(route.exception, DeadlineExceeded | ShuttingDown):
        return None
    category = schedule.category_of(policy, row, rule)
    return category if schedule.is_kept(policy, category) else None


def letter_of_route(
    route: ActiveRoute, category: Category, policy: DeadLetterPolicy, engine: str, now: int
) -> NewLetter:
    """Return the letter for an exhausted route.

    Raises:
        LetterRefused: its payload cannot be stored.
    """
    last, error = _last_error(route)
    return new_letter(
        route.task,
        policy,
        engine,
        now,
        task_id=route.id,
        category=category,
        rule=schedule.ending_row(route.attempts),
        error_type=last.error_type if last else "",
        error=error,
        adapter=last.adapter if last else "",
        attempts=sum(attempt.outcome != "rejected" for attempt in route.attempts),
        order=route.order if route.why.startswith(OF_THIS_CALL) else (),
        deadline=None if route.until is None else route.until - route.started,
    )


def _last_error(route: ActiveRoute) -> tuple[Attempt | None, str]:
    """Return the attempt that ended an exhausted route and its error: the last failure, else the last rejection."""
    for attempt in reversed(route.attempts):
        if attempt.rule:
            return attempt, attempt.error or attempt.error_type
    last = route.attempts[-1] if route.attempts else None
    if last is not None and last.outcome == "rejected":
        return last, last.why
    return None, route.failure


def error_fields(
    error: BaseException | str, category: Category | None, policy: DeadLetterPolicy, table: Table
) -> dict[str, Any]:
    """Return the fields of a letter that describe its error; the category defaults to the attribution table's."""
    if isinstance(error, str):
        return {"rule": "", "error_type": "", "error": safe_error_text(error), "category": category or "transient"}
    row = table.attribute(error).name
    found = category or schedule.category_of(policy, row, schedule.rule_of(table.rules, row))
    return {"rule": row, "error_type": type(error).__name__, "error": text_of(error), "category": found}


def new_letter(
    task: Any,
    policy: DeadLetterPolicy,
    engine: str,
    now: int,
    *,
    category: Category,
    task_id: str = "",
    **fields: Any,
) -> NewLetter:
    """Return a letter for a task; `task_id` is used for a task without its own id.

    Raises:
        LetterRefused: the policy keeps no letters, or the payload is not valid JSON or too large.
    """
    if policy.strategy == "disabled":
        raise LetterRefused("this engine's policy keeps no dead letters: its strategy is `disabled`")
    id, task_type = identify(task)
    context = getattr(task, "context", None)
    return NewLetter(
        engine=engine,
        task=id or task_id,
        task_type=task_type,
        form=task_form(task),
        payload=json_text(task, policy.max_payload_bytes),
        category=category,
        created_at=now,
        due_at=schedule.first_due(policy, category, now),
        max_retries=policy.max_retries,
        context=dict(context) if isinstance(context, Mapping) else None,
        **fields,
    )

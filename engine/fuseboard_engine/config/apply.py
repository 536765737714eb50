"""Put settings into effect on a running engine, without losing what its breakers know."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fuseboard_engine.adapters.spec import adapter_from, names_url
from fuseboard_engine.admission import StraightThrough
from fuseboard_engine.events import ConfigReloaded, PreferenceSet

if TYPE_CHECKING:
    from pydantic import BaseModel

    from fuseboard_engine.config.model import Settings
    from fuseboard_engine.engine import Engine
    from fuseboard_engine.policy import BreakerPolicy, RetryPolicy
    from fuseboard_engine.registry import Adapter

AT_START = ("name", "threads", "health_monitoring", "dead_letters", "recording")
"""Sections that take effect when an engine is made, not while it runs."""


def apply(engine: Engine, settings: Settings, *, source: str = "") -> ConfigReloaded:
    """Go on with other settings.

    Breakers keep their state, counts, probes and the wait they announced; thresholds and waits change from now on.
    Where a window becomes one of another kind, what it counted begins anew. Adapters that the settings name are added,
    and those that the last settings named and these do not are removed; adapters added in code stay.

    Args:
        engine: a running engine; this may be called from any thread.
        settings: what should be in effect.
        source: where they come from, as it should stand in the event.

    Returns:
        What has changed; it is also emitted. When an adapter's target cannot be found nothing has changed, and the
        event says so.
    """
    try:
        targets = new_targets(engine, settings)
    except Exception as error:
        return refuse(engine, source, str(error))
    changes: list[str] = []
    policies: dict[str, dict[str, Any]] = {}
    defaults = {adapter.name: engine.default_policies(adapter.name) for adapter in engine.registry}
    before, engine.settings = engine.settings, settings
    for adapter in list(engine.registry):
        if before is not None and adapter.name in before.adapters and adapter.name not in settings.adapters:
            engine.remove_adapter(adapter.name)
            changes.append(f"{adapter.name}: removed")
        elif adapter.name in targets:  # it is another thing now: what was known of it says nothing
            engine.remove_adapter(adapter.name)
        else:
            changes += _use_policies(adapter, defaults[adapter.name], settings, policies)
    for name, target in targets.items():
        part = settings.adapters[name]
        engine.add_adapter(name, target, tags=part.tags, handles=part.handles)
        changes.append(f"{name}: added")
    changes += _use_table(engine, before, settings)
    changes += _use_preferences(engine, before, settings)
    changes += _use_degraded(engine, before, settings)
    changes += _use_switches(engine, before, settings)
    restart = tuple(
        section for section in AT_START if before is not None and getattr(before, section) != getattr(settings, section)
    )
    event = ConfigReloaded(
        at=engine.wall(), ok=True, source=source, changes=tuple(changes), restart=restart, policies=policies
    )
    engine.emit(event)
    return event


def refuse(engine: Engine, source: str, problem: str) -> ConfigReloaded:
    """Tell that a configuration was refused, and that the one before stays in effect."""
    event = ConfigReloaded(at=engine.wall(), ok=False, source=source, problem=problem)
    engine.emit(event)
    return event


def new_targets(engine: Engine, settings: Settings) -> dict[str, Any]:
    """Return what is to be called for each adapter that is new, or another than before.

    Raises:
        ValueError: one cannot be found; all that cannot are named.
    """
    before = engine.settings
    found, wrong = {}, []
    for name, part in settings.adapters.items():
        old = None if before is None else before.adapters.get(name)
        if part.target is None or (old is not None and old.target == part.target and name in engine.registry):
            continue
        if name in engine.registry and old is None:
            wrong.append(f"adapters.{name}: an adapter of this name was added in code; take its target out of the file")
            continue
        try:
            clients = engine.resources.clients if names_url(part.target) else None
            found[name] = adapter_from(part.target, clients=clients)
        except Exception as error:
            wrong.append(f"adapters.{name}: {error}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return found


def differences(old: BaseModel, new: BaseModel) -> str:
    """Return in words what differs between two values of one model: `failure_threshold 5 -> 3, ...`."""
    pairs = [(field, getattr(old, field), getattr(new, field)) for field in type(old).model_fields]
    return ", ".join(f"{field} {was!r} -> {now!r}" for field, was, now in pairs if was != now)


def _use_policies(
    adapter: Adapter,
    was: tuple[BreakerPolicy, RetryPolicy],
    settings: Settings,
    policies: dict[str, dict[str, Any]],
) -> list[str]:
    breaker, retry = settings.policies(adapter.name)
    named, changes = adapter.name in settings.adapters, []
    # A policy given in code stays, unless the settings speak of this adapter.
    if (named or adapter.breaker.policy == was[0]) and adapter.breaker.policy != breaker:
        told = differences(adapter.breaker.policy, breaker)
        anew = adapter.breaker.use(breaker)
        policies[adapter.name] = breaker.model_dump(mode="json")
        changes.append(f"breaker of {adapter.name}: {told}{'; its window began anew' if anew else ''}")
    if (named or adapter.retry == was[1]) and (told := differences(adapter.retry, retry)):
        adapter.retry = retry
        adapter.budget.use(retry)
        changes.append(f"retry of {adapter.name}: {told}")
    return changes


def _use_table(engine: Engine, before: Settings | None, settings: Settings) -> list[str]:
    if settings.attribution == (() if before is None else before.attribution):
        return []
    old = 0 if before is None else len(before.attribution)
    engine.router.table.use((*(row.rule() for row in settings.attribution), *engine.router.table.rules[old:]))
    return [f"attribution: {len(settings.attribution)} rows before the built-in table"]


def _use_preferences(engine: Engine, before: Settings | None, settings: Settings) -> list[str]:
    old = {} if before is None else before.preferences
    changes = []
    for kind in {**old, **settings.preferences}:
        order = settings.preferences.get(kind)
        if order == old.get(kind):
            continue
        task_type = "" if kind == "default" else kind
        if order is None:
            engine.registry.orders.pop(task_type, None)
        else:
            engine.registry.orders[task_type] = order
        engine.emit(PreferenceSet(at=engine.wall(), order=order or (), task_type=task_type))
        changes.append(f"preference for {kind}: {' -> '.join(order) if order else 'none'}")
    return changes


def _use_degraded(engine: Engine, before: Settings | None, settings: Settings) -> list[str]:
    old, new = {} if before is None else before.degraded, settings.degraded
    changed = [kind for kind in {**old, **new} if old.get(kind) != new.get(kind)]
    for kind in changed:
        engine.set_degraded("" if kind == "default" else kind, new.get(kind))
    return [f"degraded answer for {kind}: {'changed' if kind in new else 'none'}" for kind in changed]


def _use_switches(engine: Engine, before: Settings | None, settings: Settings) -> list[str]:
    changes = []
    was_on = before is None or before.fault_tolerance.enabled
    if settings.fault_tolerance.enabled != was_on:
        attempts = engine.router.attempts
        if attempts.gate is None or isinstance(attempts.gate, StraightThrough):  # else it is shutting down
            straight = StraightThrough(engine.clock, lambda: attempts.running)
            attempts.gate = None if settings.fault_tolerance.enabled else straight
        changes.append(f"fault tolerance: {'on' if settings.fault_tolerance.enabled else 'off'}")
    if engine.parallel.policy != settings.execution:
        changes.append(f"execution: {differences(engine.parallel.policy, settings.execution)}")
        engine.parallel.policy = settings.execution
    if engine.routing.policy != settings.routing:
        changes.append(f"routing: {differences(engine.routing.policy, settings.routing)}")
        engine.routing.use(settings.routing)
    if before is None or before.logging != settings.logging:
        if settings.logging.level is not None:
            logging.getLogger("fuseboard").setLevel(settings.logging.level)
        if engine.stop_logging is not None:
            engine.stop_logging()
            engine.stop_logging = None
        if settings.logging.enabled:
            engine.stop_logging = engine.log_events(debug=settings.logging.debug)
        if before is not None:
            changes.append(f"logging: {differences(before.logging, settings.logging)}")
    return changes

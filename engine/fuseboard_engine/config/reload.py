"""Applies settings to a running engine, without losing the state of its breakers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fuseboard_engine.adapters.from_spec import adapter_from
from fuseboard_engine.adapters.registry import Adapter, Registry
from fuseboard_engine.adapters.shared_resources import SharedResources
from fuseboard_engine.error_text.redaction import safe_error_text
from fuseboard_engine.events import HELD_STATES, ConfigReloaded, Event
from fuseboard_engine.faults.injector import FaultInjector
from fuseboard_engine.health.checker import HealthChecks
from fuseboard_engine.parallel.executor import ParallelExecutor
from fuseboard_engine.retry.attribution import unknown_rule
from fuseboard_engine.routing.features import RoutingFeatures
from fuseboard_engine.routing.gates import BypassGate
from fuseboard_engine.routing.router import TaskRouter
from fuseboard_engine.runtime.references import resolve_attribute
from fuseboard_engine.state_events import adapter_added, retry_fields, routing_policy_set

if TYPE_CHECKING:
    from pydantic import BaseModel

    from fuseboard_engine.breaker.policy import BreakerPolicy
    from fuseboard_engine.config.settings import AdapterSection, Settings
    from fuseboard_engine.dead_letters.queue import DeadLetters
    from fuseboard_engine.documents.loader import Document
    from fuseboard_engine.documents.toml_locations import Location
    from fuseboard_engine.retry.policy import RetryPolicy


class Configurable(Protocol):
    """What an engine must offer to be configured; `fuseboard_engine.Engine` does."""

    settings: Settings | None
    """The settings in effect; None if the engine was configured in code."""
    stop_logging: Callable[[], None] | None
    """Stops the event log that the settings started."""

    @property
    def registry(self) -> Registry:
        """The adapters and their chains."""

    @property
    def resources(self) -> SharedResources:
        """Threads and connections of the adapters."""

    @property
    def faults(self) -> FaultInjector:
        """Injects faults into the adapters."""

    @property
    def router(self) -> TaskRouter:
        """Routes tasks along the chains."""

    @property
    def parallel(self) -> ParallelExecutor:
        """Runs fan-outs."""

    @property
    def routing(self) -> RoutingFeatures:
        """The optional features of routing."""

    @property
    def health(self) -> HealthChecks:
        """The health checks."""

    @property
    def dead_letters(self) -> DeadLetters | None:
        """The dead letters; None if the engine keeps none."""

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds."""

    @property
    def wall(self) -> Callable[[], int]:
        """UTC microseconds."""

    def emit(self, event: Event, /) -> None:
        """Publish an event."""

    def default_policies(self, name: str) -> tuple[BreakerPolicy, RetryPolicy]:
        """Return the policies of an adapter that has none of its own."""

    def add_adapter(
        self,
        name: str,
        call: Any,
        *,
        tags: tuple[str, ...] = (),
        handles: tuple[str, ...] = (),
        failed: Callable[[Any], str | None] = ...,
        health: Callable[[], Any] | None = None,
    ) -> Adapter:
        """Register an adapter."""

    def remove_adapter(self, name: str) -> None:
        """Remove an adapter."""

    def set_degraded(
        self, task_type: str, answer: Any, *, even_for: tuple[str, ...] = (), timeout: float = 10.0, name: str = ""
    ) -> None:
        """Set the degraded answer of a task type."""

    def log_events(self, *, debug: bool = False) -> Callable[[], None]:
        """Start the event log and return a function that stops it."""

    def apply(self, settings: Settings, *, source: str = "", document: Document | None = None) -> ConfigReloaded:
        """Apply settings; see `apply_settings`."""


AT_START = ("name", "recording", "shutdown")
"""Sections that take effect when an engine is made, recorded or shut down, not while it runs."""


def apply_settings(
    engine: Configurable, settings: Settings, *, source: str = "", document: Document | None = None
) -> ConfigReloaded:
    """Apply other settings to a running engine and return what has changed; see `Engine.apply`."""
    unknown = list(_unknown_rules(engine, settings))
    if unknown:
        places = {} if document is None else document.places
        lines = [f"{places[where]}: {text}" if where in places else text for where, text in unknown]
        return refuse(engine, source, "\n".join(lines))
    try:
        targets, found = new_targets(engine, settings), resolve_references(settings)
    except Exception as error:
        from fuseboard_engine.config.loader import unresolved_references

        lines = [] if document is None else unresolved_references(document)
        return refuse(engine, source, "\n".join(lines) or str(error))
    changes: list[str] = []
    policies: dict[str, dict[str, Any]] = {}
    retry_policies: dict[str, dict[str, Any]] = {}
    defaults = {adapter.name: engine.default_policies(adapter.name) for adapter in engine.registry}
    before, engine.settings = engine.settings, settings
    changes += _apply_table(engine, before, settings, found)
    changes += _apply_health(engine, before, settings)
    for adapter in list(engine.registry):
        if before is not None and adapter.name in before.adapters and adapter.name not in settings.adapters:
            if adapter.breaker.state in HELD_STATES:
                engine.registry.held[adapter.name] = adapter.breaker.state
            engine.remove_adapter(adapter.name)
            changes.append(f"{adapter.name}: removed")
        elif adapter.name in targets:  # the name means another adapter now: its state does not apply any more
            engine.remove_adapter(adapter.name)
        else:
            changes += _apply_policies(adapter, defaults[adapter.name], settings, policies, retry_policies)
            changes += _apply_tags(engine, adapter, before, settings)
    for name, target in targets.items():
        part = settings.adapters[name]
        options: dict[str, Any] = {
            field: found[getattr(part, field)] for field in ("failed", "health") if getattr(part, field)
        }
        added = engine.add_adapter(name, target, tags=part.tags, handles=part.handles, **options)
        changes.append(f"{name}: added")
        if held := engine.registry.held.pop(name, None):
            added.breaker.restore(held)
            changes.append(f"{name}: {held}, as an operator left it when it was removed")
    changes += _apply_preferences(engine, before, settings)
    changes += _apply_degraded(engine, before, settings, found)
    changes += _apply_switches(engine, before, settings)
    at_start = [section for section in AT_START if before and getattr(before, section) != getattr(settings, section)]
    if before and (before.dead_letters is None) != (settings.dead_letters is None):
        at_start.append("dead_letters")
    restart = tuple(at_start)
    event = ConfigReloaded(
        at=engine.wall(),
        ok=True,
        source=source,
        changes=tuple(changes),
        restart=restart,
        policies=policies,
        retry_policies=retry_policies,
    )
    engine.emit(event)
    return event


def _unknown_rules(engine: Configurable, settings: Settings) -> Iterator[tuple[Location, str]]:
    """Return the location and the error of each name of an attribution row that does not exist."""
    old = 0 if engine.settings is None else len(engine.settings.attribution)
    known = [row.name for row in settings.attribution] + [rule.name for rule in engine.router.table.rules[old:]]
    named: list[tuple[Location, Iterable[str]]] = [
        (("adapters", name, "handles"), part.handles) for name, part in settings.adapters.items()
    ]
    named += [(("degradation", kind, "even_for"), part.even_for) for kind, part in settings.degradation.items()]
    for where, names in named:
        for place, name in enumerate(names):
            if name not in known:
                yield (*where, place), f"{'.'.join(map(str, where))}: {unknown_rule(name, known)}"


def refuse(engine: Configurable, source: str, problem: str) -> ConfigReloaded:
    """Emit the event that a configuration was refused. The previous one stays in effect."""
    event = ConfigReloaded(at=engine.wall(), ok=False, source=source, problem=safe_error_text(problem))
    engine.emit(event)
    return event


def new_targets(engine: Configurable, settings: Settings) -> dict[str, Any]:
    """Return the call targets of the adapters that are new or have changed.

    Raises:
        ValueError: a target cannot be found; the text names all of them.
    """
    before = engine.settings
    found, errors = {}, []
    for name, part in settings.adapters.items():
        old = None if before is None else before.adapters.get(name)
        if part.target is None or (old is not None and _same_target(old, part) and name in engine.registry):
            continue
        if name in engine.registry and old is None:
            errors.append(
                f"adapters.{name}: an adapter of this name was added in code; take its target out of the file"
            )
            continue
        try:
            found[name] = adapter_from(part.target, shared=engine.resources.shared)
        except Exception as error:
            errors.append(f"adapters.{name}: {error}")
    if errors:
        raise ValueError("\n".join(errors))
    return found


def resolve_references(settings: Settings) -> dict[str, Any]:
    """Return the objects that the settings refer to, by reference.

    Raises:
        ValueError: a reference cannot be resolved; the text names all of them.
    """
    found, errors = {}, []
    for where, named in settings.references().items():
        try:
            found[named] = resolve_attribute(named)
        except Exception as error:
            errors.append(f"{'.'.join(map(str, where))}: {named}: {error}")
    if errors:
        raise ValueError("\n".join(errors))
    return found


def _same_target(old: AdapterSection, new: AdapterSection) -> bool:
    return (old.target, old.failed, old.health) == (new.target, new.failed, new.health)


def differences(old: BaseModel, new: BaseModel) -> str:
    """Return a text that lists the fields in which two values of a model differ: `failure_threshold 5 -> 3, ...`."""
    pairs = [(field, getattr(old, field), getattr(new, field)) for field in type(old).model_fields]
    return ", ".join(f"{field} {was!r} -> {now!r}" for field, was, now in pairs if was != now)


def _apply_policies(
    adapter: Adapter,
    defaults: tuple[BreakerPolicy, RetryPolicy],
    settings: Settings,
    policies: dict[str, dict[str, Any]],
    retry_policies: dict[str, dict[str, Any]],
) -> list[str]:
    breaker, retry = settings.policies(adapter.name)
    named, changes = adapter.name in settings.adapters, []
    # A policy given in code stays, unless the settings name this adapter.
    if (named or adapter.breaker.policy == defaults[0]) and adapter.breaker.policy != breaker:
        changed = differences(adapter.breaker.policy, breaker)
        was_reset = adapter.breaker.update_policy(breaker)
        policies[adapter.name] = breaker.model_dump(mode="json")
        changes.append(f"breaker of {adapter.name}: {changed}{'; its window was reset' if was_reset else ''}")
    if (named or adapter.retry == defaults[1]) and (changed := differences(adapter.retry, retry)):
        adapter.retry = retry
        adapter.budget.update_policy(retry)
        retry_policies[adapter.name] = retry_fields(retry)
        changes.append(f"retry of {adapter.name}: {changed}")
    return changes


def _apply_tags(engine: Configurable, adapter: Adapter, before: Settings | None, settings: Settings) -> list[str]:
    """Apply an adapter's tags and the rows it handles. An adapter added in code keeps those of the code."""
    new, old = settings.adapters.get(adapter.name), None if before is None else before.adapters.get(adapter.name)
    if new is None or old is None or new.target is None:
        return []
    changes = []
    if new.handles != old.handles:
        adapter.handles = frozenset(new.handles)
        changes.append(f"{adapter.name} handles: {', '.join(new.handles) or 'nothing'}")
    if new.tags != old.tags:
        adapter.tags = new.tags
        engine.emit(adapter_added(adapter, engine.wall()))
        changes.append(f"tags of {adapter.name}: {', '.join(new.tags) or 'none'}")
    return changes


def _apply_health(engine: Configurable, before: Settings | None, settings: Settings) -> list[str]:
    """Apply health policies; at the start, those that the constructor of the engine does not take."""
    old = ({}, None) if before is None else (before.health_by_name(), before.health_monitoring.policy())
    new = (settings.health_by_name(), settings.health_monitoring.policy())
    if old == new or (before is None and not new[0]):
        return []
    engine.health.update_policy(new[1], new[0])
    if before is None:
        return []
    changes = []
    if before.health_monitoring != settings.health_monitoring:
        changes.append(f"health_monitoring: {differences(before.health_monitoring, settings.health_monitoring)}")
    named = [name for name in {**old[0], **new[0]} if name not in old[0] or old[0][name] != new[0].get(name, 0)]
    return changes + [f"health checks of {name}: changed" for name in named]


def _apply_table(engine: Configurable, before: Settings | None, settings: Settings, found: dict[str, Any]) -> list[str]:
    if settings.attribution == (() if before is None else before.attribution):
        return []
    old = 0 if before is None else len(before.attribution)
    rows = [row.rule(found) for row in settings.attribution]
    engine.router.table.set_rules((*rows, *engine.router.table.rules[old:]))
    return [f"attribution: {len(settings.attribution)} rows before the built-in table"]


def _apply_preferences(engine: Configurable, before: Settings | None, settings: Settings) -> list[str]:
    old = {} if before is None else before.preferences
    changes = []
    for kind in {**old, **settings.preferences}:
        chain = settings.preferences.get(kind)
        if chain == old.get(kind):
            continue
        order, adaptive, restartable = ((), False, False) if chain is None else chain.as_tuple()
        engine.routing.set_chain(
            "" if kind == "default" else kind,
            None if chain is None else order,
            adaptive=adaptive,
            restartable=restartable,
            registered=False,  # a file may name adapters that the application adds later
        )
        words = [word for word, is_set in (("adaptive", adaptive), ("restartable", restartable)) if is_set]
        changes.append(f"preference for {kind}: {' -> '.join(order) or 'none'}{''.join(f', {word}' for word in words)}")
    return changes


def _apply_degraded(
    engine: Configurable, before: Settings | None, settings: Settings, found: dict[str, Any]
) -> list[str]:
    old, new = {} if before is None else before.fallbacks(), settings.fallbacks()
    changed = [kind for kind in {**old, **new} if old.get(kind) != new.get(kind)]
    for kind in changed:
        task_type, part = "" if kind == "default" else kind, new.get(kind)
        if part is None:
            engine.set_degraded(task_type, None)
            continue
        answer = part.answer if part.call is None else found[part.call]
        engine.set_degraded(task_type, answer, even_for=part.even_for, timeout=part.timeout, name=part.name)
    return [f"degraded answer for {kind}: {'changed' if kind in new else 'none'}" for kind in changed]


def _apply_switches(engine: Configurable, before: Settings | None, settings: Settings) -> list[str]:
    changes = []
    was_on = before is None or before.fault_tolerance.enabled
    if settings.fault_tolerance.enabled != was_on:
        attempts = engine.router.attempts
        if attempts.gate is None or isinstance(attempts.gate, BypassGate):  # otherwise the engine is shutting down
            bypass = BypassGate(engine.clock, lambda: attempts.running, engine.registry.overdue)
            attempts.gate = None if settings.fault_tolerance.enabled else bypass
        changes.append(f"fault tolerance: {'on' if settings.fault_tolerance.enabled else 'off'}")
    if engine.parallel.policy != settings.execution:
        changes.append(f"execution: {differences(engine.parallel.policy, settings.execution)}")
        engine.parallel.policy = settings.execution
    if engine.routing.policy != settings.routing:
        changes.append(f"routing: {differences(engine.routing.policy, settings.routing)}")
        engine.routing.update_policy(settings.routing)
        engine.emit(routing_policy_set(settings.routing, engine.wall()))
    if before is not None and before.threads != settings.threads:
        changes.append(f"threads: {before.threads} -> {settings.threads}")
        engine.resources.threads.max_threads = settings.threads
    if before is not None and before.allow_faults != settings.allow_faults:
        changes.append(f"allow_faults: {before.allow_faults} -> {settings.allow_faults}")
        engine.faults.allow(settings.allow_faults)
    if before is not None and before.reload != settings.reload:
        changes.append(f"reload: {differences(before.reload, settings.reload)}")
    letters = engine.dead_letters
    if letters is not None and settings.dead_letters is not None and letters.policy != settings.dead_letters:
        changes.append(f"dead_letters: {differences(letters.policy, settings.dead_letters)}")
        letters.policy = settings.dead_letters
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

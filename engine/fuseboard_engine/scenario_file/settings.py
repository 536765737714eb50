"""The settings of a scenario's engine, as its configuration file would say them."""

from __future__ import annotations

from collections.abc import Mapping

from fuseboard_engine.config.sections import HealthSection, LoggingSection, RetrySection
from fuseboard_engine.config.settings import AdapterSection, Settings
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.engine_part import EnginePart


def settings_of(name: str, part: EnginePart, adapters: Mapping[str, AdapterPart]) -> Settings:
    """Return the settings of a scenario's engine of this name. Its adapters have no target: the player adds them."""
    return Settings(
        name=name,
        fault_tolerance=part.fault_tolerance,
        breaker=part.breaker,
        retry=_retry(part.retry),
        attribution=part.attribution,
        adapters={name: _adapter(adapter, part) for name, adapter in adapters.items()},
        preferences=part.preference,
        degraded=part.degraded,
        degradation=dict(part.degradation),
        routing=part.routing,
        execution=part.execution,
        health_monitoring=part.health_monitoring,
        dead_letters=part.dead_letters,
        logging=LoggingSection(enabled=False),
    )


def _adapter(adapter: AdapterPart, part: EnginePart) -> AdapterSection:
    return AdapterSection(
        breaker=part.breaker if adapter.breaker is None else adapter.breaker,
        retry=_retry(part.retry if adapter.retry is None else adapter.retry),
        tags=adapter.tags,
        handles=adapter.handles,
        health_monitoring=_health(adapter, part.health_monitoring),
    )


def _retry(policy: RetryPolicy) -> RetrySection:
    return RetrySection.model_validate(policy.model_dump())


def _health(part: AdapterPart, common: HealthSection) -> HealthSection | None:
    """Return the health checks of an adapter that differ from those of all."""
    if part.health_monitoring is None:
        return None
    own = part.health_monitoring.model_dump(exclude_unset=True)
    return HealthSection.model_validate({**common.model_dump(exclude_unset=True), "enabled": True, **own})

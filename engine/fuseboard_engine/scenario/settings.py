"""The settings of a scenario's engine, as its configuration file would say them."""

from __future__ import annotations

from fuseboard_engine.config.sections import HealthSection, LoggingSection, RetrySection
from fuseboard_engine.config.settings import AdapterSection, Settings
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario_file.adapter import AdapterPart


def settings_of(scenario: Scenario) -> Settings:
    """Return the settings of a scenario's engine. Its adapters have no target: the player adds them."""
    return Settings(
        name=scenario.scenario,
        fault_tolerance=scenario.fault_tolerance,
        breaker=scenario.breaker,
        retry=_retry(scenario.retry),
        attribution=scenario.attribution,
        adapters={name: _adapter(part, scenario) for name, part in scenario.adapters.items()},
        preferences=scenario.preference,
        degraded=scenario.degraded,
        degradation=dict(scenario.degradation),
        routing=scenario.routing,
        execution=scenario.execution,
        health_monitoring=scenario.health_monitoring,
        dead_letters=scenario.dead_letters,
        logging=LoggingSection(enabled=False),
    )


def _adapter(part: AdapterPart, scenario: Scenario) -> AdapterSection:
    return AdapterSection(
        breaker=scenario.breaker if part.breaker is None else part.breaker,
        retry=_retry(scenario.retry if part.retry is None else part.retry),
        tags=part.tags,
        handles=part.handles,
        health_monitoring=_health(part, scenario.health_monitoring),
    )


def _retry(policy: RetryPolicy) -> RetrySection:
    return RetrySection.model_validate(policy.model_dump())


def _health(part: AdapterPart, common: HealthSection) -> HealthSection | None:
    """Return the health checks of an adapter that differ from those of all."""
    if part.health_monitoring is None:
        return None
    own = part.health_monitoring.model_dump(exclude_unset=True)
    return HealthSection.model_validate({**common.model_dump(exclude_unset=True), "enabled": True, **own})

"""The settings of a scenario's engine, as its configuration file would say them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from fuseboard_engine.config.sections import HealthSection, LoggingSection, RetrySection
from fuseboard_engine.config.settings import AdapterSection, Settings
from fuseboard_engine.documents.messages import message_for
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.retry.policy import RetryPolicy
from fuseboard_engine.scenario_file.adapter import AdapterPart
from fuseboard_engine.scenario_file.engine_part import EnginePart
from fuseboard_engine.scenario_file.step import StepPart

M = TypeVar("M", bound=BaseModel)

_SECTIONS: Final = (
    "fault_tolerance",
    "breaker",
    "retry",
    "preference",
    "degraded",
    "routing",
    "execution",
    "health_monitoring",
    "dead_letters",
)
_ADAPTER_SECTIONS: Final = ("breaker", "retry", "health_monitoring")


def settings_of(name: str, part: EnginePart) -> Settings:
    """Return the settings of a scenario's engine of this name. Its adapters have no target: the player adds them."""
    return Settings(
        name=name,
        fault_tolerance=part.fault_tolerance,
        breaker=part.breaker,
        retry=_retry(part.retry),
        attribution=part.attribution,
        adapters={name: _adapter(adapter, part) for name, adapter in part.adapters.items()},
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
    # Only what the file says: `max_delay` may be below `base_delay` unless it is set, and counts as `base_delay` then.
    return RetrySection.model_validate(policy.model_dump(exclude_unset=True))


def _health(part: AdapterPart, common: HealthSection) -> HealthSection | None:
    """Return the health checks of an adapter that differ from those of all."""
    if part.health_monitoring is None:
        return None
    own = part.health_monitoring.model_dump(exclude_unset=True)
    return HealthSection.model_validate({**common.model_dump(exclude_unset=True), "enabled": True, **own})


def engine_part_of(part: EnginePart) -> EnginePart:
    """Return what a scenario says about its engine, without the rest of it."""
    return EnginePart.model_validate({name: getattr(part, name) for name in EnginePart.model_fields})


def changed(part: EnginePart, changes: Mapping[str, Any]) -> EnginePart:
    """Return a part with other values.

    Args:
        part: the part.
        changes: values by path, such as `gpt.breaker.failure_threshold` or `routing.max_attempts`.

    Raises:
        ValueError: there is no such field, or it cannot have this value; the text names neither path nor line.
    """
    for path, value in changes.items():
        part = _with(part, _steps(part, path), value)
    return part


def refused_changes(
    names: Iterable[str], part: EnginePart, timeline: Iterable[StepPart]
) -> Iterator[tuple[Location, str]]:
    """Find changes of the configuration in a timeline that the settings refuse, in the order of their times.

    Args:
        names: the engines.
        part: what the scenario says about each of them.
        timeline: its steps.
    """
    changing = [(place, step) for place, step in enumerate(timeline) if step.set]
    now = dict.fromkeys(names, engine_part_of(part) if changing else part)
    for place, step in sorted(changing, key=lambda item: item[1].at):
        for path, value in step.set.items():
            refused = [_refusal(now, name, path, value) for name in now if step.engine in (None, name)]
            if reason := next(filter(None, refused), ""):
                yield ("timeline", place, "set", path), reason


def _refusal(now: dict[str, EnginePart], engine: str, path: str, value: Any) -> str:
    """Change a value of an engine in `now`; return why its settings refuse that, an empty text if they do not."""
    try:
        now[engine] = changed(now[engine], {path: value})
        settings_of(engine, now[engine])
    except ValueError as error:
        return _reason(error)
    return ""


def _steps(part: EnginePart, path: str) -> tuple[str, ...]:
    """Return the fields that a path consists of; an adapter's name may have dots."""
    owner = max((name for name in part.adapters if path.startswith(f"{name}.")), key=len, default=None)
    if owner is not None:
        fields = path[len(owner) + 1 :].split(".")
        if fields[0] not in _ADAPTER_SECTIONS:
            raise ValueError(f"this is not a policy of an adapter; {did_you_mean(fields[0], _ADAPTER_SECTIONS)}")
        return ("adapters", owner, *fields)
    fields = path.split(".")
    if fields[0] not in _SECTIONS:
        raise ValueError(
            f"no adapter or section is called {fields[0]!r}; " + did_you_mean(fields[0], [*part.adapters, *_SECTIONS])
        )
    return tuple(fields)


def _with(part: EnginePart, steps: tuple[str, ...], value: Any) -> EnginePart:
    if steps[0] == "adapters" and len(steps) > 3:
        adapter = part.adapters[steps[1]]
        if getattr(adapter, steps[2]) is None:  # it has none of its own until now
            common = getattr(part, steps[2])
            part = _replaced(part, steps[:2], adapter.model_copy(update={steps[2]: common}))
    if steps[0] == "dead_letters" and (part.dead_letters is None or (len(steps) == 1 and value is None)):
        raise ValueError("an engine keeps dead letters from its start, or never")
    return _replaced(part, steps, value)


def _replaced(model: M, steps: tuple[str, ...], value: Any) -> M:
    """Return a copy of a model that is validated again, with another value."""
    field, *rest = steps
    fields = type(model).model_fields
    if field not in fields:
        raise ValueError(f"there is no field {field!r}; {did_you_mean(field, fields)}")
    if rest:
        value = _inner(getattr(model, field), tuple(rest), value)
    given = {name: getattr(model, name) for name in model.model_fields_set}
    return type(model).model_validate({**given, field: value})


def _inner(now: Any, steps: tuple[str, ...], value: Any) -> Any:
    if isinstance(now, BaseModel):
        return _replaced(now, steps, value)
    if isinstance(now, Mapping):
        key, *rest = steps
        return {**now, key: _inner(now.get(key), tuple(rest), value) if rest else value}
    raise ValueError(f"there is no field {steps[0]!r}")


def _reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(message_for(one) for one in error.errors())
    return str(error)

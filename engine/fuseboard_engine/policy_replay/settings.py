"""The policy fields to try: parsed, validated by the policies themselves, and combined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

from pydantic import ValidationError

from fuseboard_engine.breaker.policy import BreakerPolicy
from fuseboard_engine.documents.messages import message_for
from fuseboard_engine.documents.validation_errors import did_you_mean
from fuseboard_engine.policy_base import Policy
from fuseboard_engine.policy_replay.replayed_adapters import PolicyChanges
from fuseboard_engine.policy_replay.workload import AdapterRecord, with_changes
from fuseboard_engine.retry.policy import RetryPolicy

Section = Literal["breaker", "retry"]

MOST_COMBINATIONS = 2_000
EVERY_ADAPTER = "*"

_POLICIES: dict[Section, type[Policy]] = {"breaker": BreakerPolicy, "retry": RetryPolicy}
_WITHOUT_EFFECT = {
    "retry_on": "recordings name types of errors, not classes",
    "give_up_on": "recordings name types of errors, not classes",
    "initialize_share": "recordings do not show how an attempt's time was spent",
    "first_item_timeout": "recordings do not show the times of a stream's items",
    "item_timeout": "recordings do not show the times of a stream's items",
}
_NOTHING = frozenset(("none", "null", "off"))


class SettingError(ValueError):
    """A setting is wrong; the text says what and where."""


@dataclass(frozen=True)
class Setting:
    """The values to try for one field of one adapter's policy."""

    adapter: str
    section: Section
    field: str
    values: tuple[Any, ...]

    @property
    def label(self) -> str:
        """The field as users write it: `gpt.failure_threshold`."""
        middle = "retry." if self.section == "retry" and self.field in BreakerPolicy.model_fields else ""
        return f"{self.adapter}.{middle}{self.field}"


Combination = tuple[tuple[Setting, Any], ...]
"""One value for each setting."""


def parse_setting(text: str, adapters: Mapping[str, AdapterRecord]) -> list[Setting]:
    """Return the settings that a text such as `gpt.failure_threshold=3,5,8` asks for; one per adapter for `*`.

    Raises:
        SettingError: the text has another form, names something unknown, or a value is out of range.
    """
    path, equals, values = text.rpartition("=")
    adapter, dot, field = path.rpartition(".")
    if not (equals and dot and adapter and field):
        raise SettingError(f"{text!r} is not a setting; write gpt.failure_threshold=3,5,8")
    section: Section | None = None
    if adapter not in adapters:
        for name in _POLICIES:
            if adapter.endswith(f".{name}"):
                adapter, section = adapter.removesuffix(f".{name}"), name
    if adapter != EVERY_ADAPTER and adapter not in adapters:
        raise SettingError(f"{text}: there is no adapter {adapter!r}; {did_you_mean(adapter, adapters)}")
    section = _section(text, field, section)
    names = list(adapters) if adapter == EVERY_ADAPTER else [adapter]
    found = [None if part.strip().lower() in _NOTHING else part.strip() for part in values.split(",")]
    return [Setting(name, section, field, _validated(text, adapters[name], section, field, found)) for name in names]


def _section(text: str, field: str, wanted: Section | None) -> Section:
    if field in _WITHOUT_EFFECT and wanted != "breaker":
        raise SettingError(f"{text}: {field} has no effect on a replay: {_WITHOUT_EFFECT[field]}")
    for name, policy in _POLICIES.items():
        if wanted in (None, name) and field in policy.model_fields:
            return name
    known = [
        name
        for section, policy in _POLICIES.items()
        if wanted in (None, section)
        for name in policy.model_fields
        if name not in _WITHOUT_EFFECT
    ]
    raise SettingError(f"{text}: no policy has a field {field!r}; {did_you_mean(field, known)}")


def _validated(
    text: str, record: AdapterRecord, section: Section, field: str, values: Iterable[Any]
) -> tuple[Any, ...]:
    """Return values as the policy converts them, each once."""
    policy: Policy = record.policy if section == "breaker" else record.retry
    found: list[Any] = []
    for value in values:
        try:
            checked = getattr(type(policy).model_validate({field: value}), field)
        except ValidationError as error:
            own = [one for one in error.errors() if one["loc"][:1] == (field,)]
            if own:
                raise SettingError(f"{text}: {value}: {message_for(own[0])}") from None
            checked = _with_recorded(text, policy, field, value)
        if checked not in found:
            found.append(checked)
    return tuple(found)


def _with_recorded(text: str, policy: Policy, field: str, value: Any) -> Any:
    """Return a value that contradicts a default, which this adapter may not have, as its policy converts it."""
    try:
        return getattr(with_changes(policy, {field: value}), field)
    except ValidationError as error:
        raise SettingError(f"{text}: {value}: {_first_message(error)}") from None


def _first_message(error: ValidationError) -> str:
    return str(message_for(error.errors()[0])).removeprefix("Value error, ")


def combinations(settings: Sequence[Setting], adapters: Mapping[str, AdapterRecord]) -> list[Combination]:
    """Return all combinations of the values of settings.

    Raises:
        SettingError: there are too many, a field is set twice, or values contradict each other.
    """
    labels = [setting.label for setting in settings]
    for label in labels:
        if labels.count(label) > 1:
            raise SettingError(f"{label} is set twice; give it all its values at once")
    number = prod(len(setting.values) for setting in settings)
    if number > MOST_COMBINATIONS:
        raise SettingError(f"these are {number:,} combinations; at most {MOST_COMBINATIONS:,} are tried")
    found = [tuple(zip(settings, values, strict=True)) for values in product(*(one.values for one in settings))]
    for combination in found:
        for name, changes in changes_of(combination).items():
            try:
                with_changes(adapters[name].policy, changes.breaker)
                with_changes(adapters[name].retry, changes.retry)
            except ValidationError as error:
                raise SettingError(f"{describe(combination)}: {_first_message(error)}") from None
    return found


def changes_of(combination: Combination) -> dict[str, PolicyChanges]:
    """Return what a combination changes, by adapter."""
    fields: dict[str, dict[Section, dict[str, Any]]] = {}
    for setting, value in combination:
        fields.setdefault(setting.adapter, {"breaker": {}, "retry": {}})[setting.section][setting.field] = value
    return {name: PolicyChanges(parts["breaker"], parts["retry"]) for name, parts in fields.items()}


def recorded_value(record: AdapterRecord, setting: Setting) -> Any:
    """Return the recorded value of a setting's field."""
    return getattr(record.policy if setting.section == "breaker" else record.retry, setting.field)


def value_text(value: Any) -> str:
    """Return a value as users write it."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def describe(combination: Combination) -> str:
    """Return a combination as users write it: `gpt.failure_threshold=3, gpt.recovery_timeout=5`."""
    return ", ".join(f"{setting.label}={value_text(value)}" for setting, value in combination)

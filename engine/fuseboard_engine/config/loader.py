"""Loads settings from a file, presets and the environment, and resolves what each section inherits."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fuseboard_engine.adapters.from_spec import KINDS, adapter_from, kind_of_text
from fuseboard_engine.config.off_values import off_to_null
from fuseboard_engine.config.presets import PRESETS
from fuseboard_engine.config.settings import (
    CROSS_CHECKED_SECTIONS,
    AdapterSection,
    Settings,
    cross_section_errors,
    references_in,
)
from fuseboard_engine.documents.loader import Document, DocumentError, load, load_value
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import (
    all_errors,
    error_messages,
    field_names_at,
    join_messages,
    make_error,
    sort_by_line,
)
from fuseboard_engine.error_text.redaction import escape_controls
from fuseboard_engine.runtime.references import resolve_attribute

PREFIX = "FUSEBOARD__"
VARIABLE = "environment variable "
MAX_VALUE = 100_000  # characters of a variable
POLICIES = ("breaker", "retry")
INHERITED = (*POLICIES, "health_monitoring")
"""Sections of an adapter that inherit from the section of that name for all adapters."""
_ALTERNATIVE = {"window_size": "window_seconds", "window_seconds": "window_size"}
_SEED_FIELDS = {
    "failure_threshold": ("breaker", "failure_threshold"),
    "recovery_timeout": ("breaker", "recovery_timeout"),
    "success_threshold": ("breaker", "success_threshold"),
    "execution": ("execution",),
    "health_monitoring": ("health_monitoring",),
    "debug_mode": ("logging", "debug"),
}
"""Fields that older files have under `fault_tolerance`, and their location now."""


def load_config(
    path: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings of a configuration file, with the environment on top.

    Args:
        path: a TOML or YAML file; None to read only the environment.
        environment: variables of the form `FUSEBOARD__BREAKER__FAILURE_THRESHOLD` apply; default: those of the process.

    Raises:
        DocumentError: the file cannot be read, or something in it or in the environment is invalid. The message names
            every error with file, line and field, one per line.
    """
    return validate_settings(load_document(path, environment=environment))


def load_document(
    path: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Document:
    """Return the unvalidated content of file and environment, with its positions. Raises DocumentError."""
    if path is None:
        document = Document({}, {})
    else:
        document = load(Path(path))
        _move_legacy_fields(document)
        _resolve_file_paths(document, Path(path))
    _apply_environment(document, os.environ if environment is None else environment)
    return document


def validate_settings(document: Document) -> Settings:
    """Return validated settings, with inherited values in each section. Raises DocumentError."""
    full = inherit(document.data)
    try:
        return Settings.model_validate(full)
    except ValidationError as error:
        errors = all_errors(full, Settings, error)
        found = [one for one in errors if not _repeats_common_error(one, document, errors)]
        variables = [text for text in (unknown_variable_message(one, document) for one in found) if text]
        rest = [one for one in found if not unknown_variable_message(one, document) and not _is_cross_section(one)]
        rest += [make_error(where, text) for where, text in cross_section_errors(document.data)]
        raise DocumentError(join_messages([*error_messages(rest, *document, Settings), *variables])) from error


def _is_cross_section(error: Any) -> bool:
    """Return whether an error is a contradiction between sections; those are reported from the file's own content."""
    return error["type"] == "value_error" and len(error["loc"]) > 1 and error["loc"][0] in CROSS_CHECKED_SECTIONS[1:]


def unresolved_references(document: Document) -> list[str]:
    """Return a message for each Python object that a document names and that cannot be resolved.

    An object is looked up wherever the part of the document that names it is valid.
    """
    messages = []
    for name, target in _adapter_specs(document).items():
        try:
            adapter_from(target)
        except Exception as error:
            messages.append(f"{document.places.get(('adapters', name), '')}: adapters.{name}: {error}")
    for where, named in references_in(document.data).items():
        try:
            resolve_attribute(named)
        except Exception as error:
            messages += error_messages([make_error(where, f"{named}: {error}")], *document, Settings)
    return sort_by_line(messages)


def _adapter_specs(document: Document) -> dict[str, dict[str, Any]]:
    adapters = document.data.get("adapters")
    found = {}
    for name, part in adapters.items() if isinstance(adapters, Mapping) else ():
        full = expand_shorthand(("adapters", name), part)
        if isinstance(full, Mapping):
            given = {field: full[field] for field in (*KINDS, "options") if field in full}
            with contextlib.suppress(ValidationError):
                if (target := AdapterSection.model_validate(given).target) is not None:
                    found[name] = target
    return found


# ---------------------------------------------------------------- inheritance


def inherit(data: Mapping[str, Any]) -> dict[str, Any]:
    """Merge presets and the sections for all adapters into each adapter's own section. Pure.

    In ascending priority: the preset, the sections `breaker` and `retry`, the adapter's preset, its own sections. `off`
    disables a rule; it stands for null, which TOML lacks.
    """
    full = dict(data)
    adapters = full.get("adapters")
    for policy in POLICIES:
        common = _merge(_preset(full.get("preset"), policy), full.get(policy))
        if common:
            full[policy] = common
    if isinstance(adapters, Mapping):
        full["adapters"] = {name: _adapter(name, part, full) for name, part in adapters.items()}
    return off_to_null(full, Settings)  # type: ignore[no-any-return]


def expand_shorthand(location: Location, value: Any) -> Any:
    """Return the value at a location of a document, in full where a file may use a shorthand."""
    if len(location) == 2 and location[0] == "adapters":
        if value is None:
            return {}
        if isinstance(value, str):
            return {kind_of_text(value): value}
    if len(location) == 2 and location[0] == "preferences" and isinstance(value, list):
        return {"order": value}
    return value


def _adapter(name: str, part: Any, full: Mapping[str, Any]) -> Any:
    part = expand_shorthand(("adapters", name), part)
    if not isinstance(part, Mapping):
        return part
    own = dict(part)
    health = own.get("health_monitoring")
    if isinstance(health, Mapping):
        common = full.get("health_monitoring")
        own["health_monitoring"] = {**(common if isinstance(common, Mapping) else {}), "enabled": True, **health}
    for policy in POLICIES:
        base = _merge(full.get(policy), _preset(own.get("preset"), policy))
        merged = _merge(base, own.get(policy))
        if merged:
            own[policy] = merged
    return own


def with_preset(section: Any) -> Any:
    """Return a section with the policies of the preset that it names; its own fields take precedence."""
    if not isinstance(section, Mapping) or section.get("preset") is None:
        return section
    policies = {policy: _merge(_preset(section["preset"], policy), section.get(policy)) for policy in POLICIES}
    return {**section, **{policy: merged for policy, merged in policies.items() if merged}}


def _preset(name: Any, policy: str) -> dict[str, Any]:
    preset = PRESETS.get(name) if isinstance(name, str) else None  # type: ignore[call-overload]
    return {} if preset is None else preset.sections.get(policy, {})


def _merge(base: Any, override: Any) -> Any:
    """Merge a policy's fields over another's; the model refuses a value that is not a mapping."""
    if override is None:
        return base
    if not isinstance(override, Mapping):
        return override
    result = dict(base) if isinstance(base, Mapping) else {}
    for field in override:
        result.pop(_ALTERNATIVE.get(field, ""), None)  # one kind of window replaces the other
    return {
        **result,
        **{field: None if value is False or value == "off" else value for field, value in override.items()},
    }


def _repeats_common_error(error: Any, document: Document, errors: Iterable[Any]) -> bool:
    """Return whether an error in an adapter's policy only repeats one in the section for all adapters."""
    where = error["loc"]
    if len(where) < 3 or where[0] != "adapters" or where[2] not in INHERITED or where in document.places:
        return False
    return any(other["loc"] == where[2:] and other["msg"] == error["msg"] for other in errors)


# ---------------------------------------------------------------- the file


def _move_legacy_fields(document: Document) -> None:
    """Move fields under `fault_tolerance` to their location."""
    data, places = document
    old = data.get("fault_tolerance")
    if not isinstance(old, dict):
        return
    for field, where in _SEED_FIELDS.items():
        if field not in old:
            continue
        origin: Location = ("fault_tolerance", field)
        target = data
        for part in where[:-1]:
            target = target.setdefault(part, {})
        if not isinstance(target, dict) or where[-1] in target:
            place = places.get(origin, "")
            raise DocumentError(
                escape_controls(f"{place}: fault_tolerance.{field}: {'.'.join(where)} is set too; keep one")
            )
        target[where[-1]] = old.pop(field)
        for location in [location for location in places if location[:2] == origin]:
            places[(*where, *location[2:])] = places.pop(location)


def _resolve_file_paths(document: Document, path: Path) -> None:
    """Make the relative paths in a file relative to that file."""
    for name, field in (("recording", "path"), ("shutdown", "instructions")):
        section = document.data.get(name)
        if isinstance(section, dict) and isinstance(section.get(field), str) and section[field] != "off":
            section[field] = str(path.parent / section[field])


# ---------------------------------------------------------------- the environment


def _apply_environment(document: Document, environment: Mapping[str, str]) -> None:
    """Apply the environment's variables on top; a value is parsed as YAML."""
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable.upper() == PREFIX:
            continue
        parts = variable[len(PREFIX) :].split("__")
        target: Any = document.data
        location: Location = ()
        for part in parts[:-1]:
            key = _key(target, part)
            location = (*location, key)
            target[key] = expand_shorthand(location, target.get(key))
            if not isinstance(target[key], dict):
                target[key] = {}
                document.places[location] = VARIABLE + variable
            target = target[key]
        key = _key(target, parts[-1])
        target[key] = _value(variable, environment[variable])
        document.places[(*location, key)] = VARIABLE + variable


def unknown_variable_message(error: Any, document: Document) -> str:
    """Return a message if the error is a variable that matches no field; else an empty text."""
    where: Location = error["loc"]
    place = document.places.get(where, "")
    if error["type"] != "extra_forbidden" or not place.startswith(VARIABLE):
        return ""
    known = sorted(field_names_at(Settings, where[:-1]))
    close = difflib.get_close_matches(str(where[-1]), known, n=1)
    parts = place.removeprefix(VARIABLE).split("__")
    if not close:
        return f"{place}: there is no such field; known here: {', '.join(known)}"
    parts[len(where)] = close[0].upper()
    below, after = field_names_at(Settings, (*where[:-1], close[0])), parts[len(where) + 1 :]
    if after and after[0].lower() not in below:
        parts[len(where) + 1 :] = ["..."]
    return f"{place}: there is no such field; did you mean {'__'.join(parts)}?"


def _key(target: Mapping[str, Any], part: str) -> str:
    """Return the key that a part of a variable's name refers to: variables are written in capitals."""
    return next((key for key in target if str(key).casefold() == part.casefold()), part.lower())


def _value(variable: str, text: str) -> Any:
    if not text.strip():
        return text
    if len(text) > MAX_VALUE:
        raise DocumentError(f"environment variable {variable}: invalid value: it has {len(text):,} characters")
    try:
        return load_value(text, "")
    except DocumentError as error:
        shown = f"{text!r:.80}"
        reason = re.sub(r"^:\d*:? *", "", str(error)).removeprefix("invalid YAML: ")
        raise DocumentError(
            escape_controls(f"environment variable {variable}: invalid value: {shown} ({reason})")
        ) from error

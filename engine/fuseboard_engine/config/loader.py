"""Where settings come from: a file, presets, the environment; and how one inherits from the other."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fuseboard_engine.adapters.from_spec import KINDS, adapter_from, kind_of_text
from fuseboard_engine.config.off_values import off_to_null
from fuseboard_engine.config.presets import PRESETS
from fuseboard_engine.config.settings import CROSSING, AdapterSection, Settings, cross_section_errors, references_in
from fuseboard_engine.documents.loader import Document, DocumentError, load
from fuseboard_engine.documents.toml_locations import Location
from fuseboard_engine.documents.validation_errors import (
    all_errors,
    error_messages,
    field_names_at,
    make_error,
    sort_by_line,
)
from fuseboard_engine.runtime.references import resolve_attribute

PREFIX = "FUSEBOARD__"
VARIABLE = "environment variable "
POLICIES = ("breaker", "retry")
INHERITED = (*POLICIES, "health_monitoring")
"""Sections of an adapter that begin with what the section of that name says for all."""
_INSTEAD = {"window_size": "window_seconds", "window_seconds": "window_size"}
_SEED_FIELDS = {
    "failure_threshold": ("breaker", "failure_threshold"),
    "recovery_timeout": ("breaker", "recovery_timeout"),
    "success_threshold": ("breaker", "success_threshold"),
    "execution": ("execution",),
    "health_monitoring": ("health_monitoring",),
    "debug_mode": ("logging", "debug"),
}
"""What may also stand under `fault_tolerance`, as older files have it, and where it belongs."""


def load_config(
    path: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings of a configuration file, with the environment on top.

    Args:
        path: a TOML or YAML file; None: the environment alone.
        environment: its variables of the form `FUSEBOARD__BREAKER__FAILURE_THRESHOLD` count; default: the process's.

    Raises:
        DocumentError: the file cannot be read, or something in it or in the environment is wrong. The text names every
            mistake, one a line, with file, line and field.
    """
    return validate_settings(load_document(path, environment=environment))


def load_document(
    path: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None
) -> Document:
    """Return what file and environment say, unchecked, and where they say it. Raises DocumentError."""
    if path is None:
        document = Document({}, {})
    else:
        document = load(Path(path))
        _lift(document)
        _place_files(document, Path(path))
    _overlay(document, os.environ if environment is None else environment)
    return document


def validate_settings(document: Document) -> Settings:
    """Return checked settings: each section with what it inherits. Raises DocumentError."""
    whole = inherit(document.data)
    try:
        return Settings.model_validate(whole)
    except ValidationError as error:
        every = all_errors(whole, Settings, error)
        found = [one for one in every if not _inherited(one, document, every)]
        variables = [said for said in (unknown_variable_message(one, document) for one in found) if said]
        rest = [one for one in found if not unknown_variable_message(one, document) and not _is_crossing(one)]
        rest += [make_error(where, text) for where, text in cross_section_errors(document.data)]
        raise DocumentError("\n".join([*error_messages(rest, *document, Settings), *variables])) from error


def _is_crossing(error: Any) -> bool:
    """Say whether a mistake is a contradiction between sections; those are told as the file has them."""
    return error["type"] == "value_error" and len(error["loc"]) > 1 and error["loc"][0] in CROSSING[1:]


def unresolved_references(document: Document) -> list[str]:
    """Return a sentence for each thing of a program that a document names and that cannot be found.

    Each is looked for wherever that much of the document is sound.
    """
    said = []
    for name, target in _targets_of(document).items():
        try:
            adapter_from(target)
        except Exception as error:
            said.append(f"{document.places.get(('adapters', name), '')}: adapters.{name}: {error}")
    for where, named in references_in(document.data).items():
        try:
            resolve_attribute(named)
        except Exception as error:
            said += error_messages([make_error(where, f"{named}: {error}")], *document, Settings)
    return sort_by_line(said)


def _targets_of(document: Document) -> dict[str, dict[str, Any]]:
    adapters = document.data.get("adapters")
    found = {}
    for name, part in adapters.items() if isinstance(adapters, Mapping) else ():
        whole = expand_shorthand(("adapters", name), part)
        if isinstance(whole, Mapping):
            said = {field: whole[field] for field in (*KINDS, "options") if field in whole}
            with contextlib.suppress(ValidationError):
                if (target := AdapterSection.model_validate(said).target) is not None:
                    found[name] = target
    return found


# ---------------------------------------------------------------- inheritance


def inherit(data: Mapping[str, Any]) -> dict[str, Any]:
    """Work presets and the sections for all adapters into each adapter's own. Pure.

    From the weakest: the preset, the sections `breaker` and `retry`, the adapter's preset, its own sections. `off`
    means that a rule does not apply: it stands for null, which TOML lacks.
    """
    whole = dict(data)
    adapters = whole.get("adapters")
    for policy in POLICIES:
        common = _merged(_preset(whole.get("preset"), policy), whole.get(policy))
        if common:
            whole[policy] = common
    if isinstance(adapters, Mapping):
        whole["adapters"] = {name: _adapter(name, part, whole) for name, part in adapters.items()}
    return off_to_null(whole, Settings)  # type: ignore[no-any-return]


def expand_shorthand(way: Location, value: Any) -> Any:
    """Return what stands at a way of a document, written out where a file may say it in short."""
    if len(way) == 2 and way[0] == "adapters":
        if value is None:
            return {}
        if isinstance(value, str):
            return {kind_of_text(value): value}
    if len(way) == 2 and way[0] == "preferences" and isinstance(value, list):
        return {"order": value}
    return value


def _adapter(name: str, part: Any, whole: Mapping[str, Any]) -> Any:
    part = expand_shorthand(("adapters", name), part)
    if not isinstance(part, Mapping):
        return part
    own = dict(part)
    health = own.get("health_monitoring")
    if isinstance(health, Mapping):
        common = whole.get("health_monitoring")
        own["health_monitoring"] = {**(common if isinstance(common, Mapping) else {}), "enabled": True, **health}
    for policy in POLICIES:
        begin = _merged(whole.get(policy), _preset(own.get("preset"), policy))
        together = _merged(begin, own.get(policy))
        if together:
            own[policy] = together
    return own


def _preset(name: Any, policy: str) -> dict[str, Any]:
    preset = PRESETS.get(name) if isinstance(name, str) else None  # type: ignore[call-overload]
    return {} if preset is None else preset.sections.get(policy, {})


def _merged(weak: Any, strong: Any) -> Any:
    """Return a policy's fields with those of another on top. What is no mapping is left for the model to refuse."""
    if strong is None:
        return weak
    if not isinstance(strong, Mapping):
        return strong
    result = dict(weak) if isinstance(weak, Mapping) else {}
    for field in strong:
        result.pop(_INSTEAD.get(field, ""), None)  # one window replaces the other
    return {**result, **{field: None if value is False or value == "off" else value for field, value in strong.items()}}


def _inherited(error: Any, document: Document, every: Iterable[Any]) -> bool:
    """Say whether a mistake in an adapter's policy is only the echo of one in the section for all."""
    where = error["loc"]
    if len(where) < 3 or where[0] != "adapters" or where[2] not in INHERITED or where in document.places:
        return False
    return any(other["loc"] == where[2:] and other["msg"] == error["msg"] for other in every)


# ---------------------------------------------------------------- the file


def _lift(document: Document) -> None:
    """Take what stands under `fault_tolerance` to where it belongs."""
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
            raise DocumentError(f"{place}: fault_tolerance.{field}: {'.'.join(where)} says it too; keep one")
        target[where[-1]] = old.pop(field)
        for way in [way for way in places if way[:2] == origin]:
            places[(*where, *way[2:])] = places.pop(way)


def _place_files(document: Document, path: Path) -> None:
    """Have the relative path of a file begin at the file that says it."""
    for name, field in (("recording", "path"), ("shutdown", "instructions")):
        section = document.data.get(name)
        if isinstance(section, dict) and isinstance(section.get(field), str) and section[field] != "off":
            section[field] = str(path.parent / section[field])


# ---------------------------------------------------------------- the environment


def _overlay(document: Document, environment: Mapping[str, str]) -> None:
    """Put the environment's variables on top; a value is read as YAML reads it."""
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable.upper() == PREFIX:
            continue
        parts = variable[len(PREFIX) :].split("__")
        target: Any = document.data
        way: Location = ()
        for part in parts[:-1]:
            key = _key(target, part)
            way = (*way, key)
            target[key] = expand_shorthand(way, target.get(key))
            if not isinstance(target[key], dict):
                target[key] = {}
                document.places[way] = VARIABLE + variable
            target = target[key]
        key = _key(target, parts[-1])
        target[key] = _value(variable, environment[variable])
        document.places[(*way, key)] = VARIABLE + variable


def unknown_variable_message(error: Any, document: Document) -> str:
    """Return a sentence if a mistake is a variable that no field has the name of; else an empty text."""
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
    """Return the key that a part of a variable's name means: variables are written in capitals."""
    return next((key for key in target if str(key).casefold() == part.casefold()), part.lower())


def _value(variable: str, text: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError as error:
        raise DocumentError(f"environment variable {variable}: this is no value: {text!r}") from error

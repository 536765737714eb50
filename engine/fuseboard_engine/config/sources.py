"""Where settings come from: a file, presets, the environment; and how one inherits from the other."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fuseboard_engine.config.model import AdapterSection, Settings, contradictions
from fuseboard_engine.config.presets import PRESETS
from fuseboard_engine.documents import Document, DocumentError, fields_at, load, mistakes
from fuseboard_engine.toml_lines import Where

PREFIX = "FUSEBOARD__"
VARIABLE = "environment variable "
POLICIES = ("breaker", "retry")
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
    return settings_of(gather(path, environment=environment))


def gather(path: str | os.PathLike[str] | None = None, *, environment: Mapping[str, str] | None = None) -> Document:
    """Return what file and environment say, unchecked, and where they say it. Raises DocumentError."""
    if path is None:
        document = Document({}, {})
    else:
        document = load(Path(path))
        _lift(document)
        _place_recording(document, Path(path))
    _overlay(document, os.environ if environment is None else environment)
    return document


def settings_of(document: Document) -> Settings:
    """Return checked settings: each section with what it inherits. Raises DocumentError."""
    try:
        return Settings.model_validate(inherit(document.data))
    except ValidationError as error:
        found: list[Any] = [e for e in error.errors() if not _inherited(e, document, error)]
        variables = [told for told in (misspelt_variable(e, document) for e in found) if told]
        rest = [e for e in found if not misspelt_variable(e, document)]
        sections = (document.data.get(name) for name in ("adapters", "preferences", "degraded"))
        crossing = contradictions(*(section if isinstance(section, Mapping) else {} for section in sections))
        rest += [{"loc": where, "msg": text, "type": "value_error"} for where, text in crossing]
        raise DocumentError("\n".join([*mistakes(rest, document, Settings), *variables])) from error


def targets_of(document: Document) -> dict[str, dict[str, Any]]:
    """Return what each adapter of a document calls, as `adapter_from` takes it, where that much of it is sound."""
    adapters = document.data.get("adapters")
    found = {}
    for name, part in adapters.items() if isinstance(adapters, Mapping) else ():
        whole = _adapter(part, {})
        if isinstance(whole, Mapping):
            said = {field: whole[field] for field in ("call", "url", "command", "options") if field in whole}
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
        whole["adapters"] = {name: _adapter(part, whole) for name, part in adapters.items()}
    return whole


def _adapter(part: Any, whole: Mapping[str, Any]) -> Any:
    if part is None:
        part = {}
    elif isinstance(part, str):
        part = {"url" if part.startswith(("http://", "https://")) else "call": part}
    elif not isinstance(part, Mapping):
        return part
    own = dict(part)
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


def _inherited(error: Any, document: Document, whole: ValidationError) -> bool:
    """Say whether a mistake in an adapter's policy is only the echo of one in the section for all."""
    where = error["loc"]
    if len(where) < 3 or where[0] != "adapters" or where[2] not in POLICIES or where in document.places:
        return False
    return any(other["loc"] == where[2:] and other["msg"] == error["msg"] for other in whole.errors())


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
        origin: Where = ("fault_tolerance", field)
        target = data
        for part in where[:-1]:
            target = target.setdefault(part, {})
        if not isinstance(target, dict) or where[-1] in target:
            place = places.get(origin, "")
            raise DocumentError(f"{place}: fault_tolerance.{field}: {'.'.join(where)} says it too; keep one")
        target[where[-1]] = old.pop(field)
        for way in [way for way in places if way[:2] == origin]:
            places[(*where, *way[2:])] = places.pop(way)


def _place_recording(document: Document, path: Path) -> None:
    """Have a relative path of the recording begin at the file that says it."""
    recording = document.data.get("recording")
    if isinstance(recording, dict) and isinstance(recording.get("path"), str):
        recording["path"] = str(path.parent / recording["path"])


# ---------------------------------------------------------------- the environment


def _overlay(document: Document, environment: Mapping[str, str]) -> None:
    """Put the environment's variables on top; a value is read as YAML reads it."""
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable.upper() == PREFIX:
            continue
        parts = variable[len(PREFIX) :].split("__")
        target: Any = document.data
        way: Where = ()
        for part in parts[:-1]:
            key = _key(target, part)
            way = (*way, key)
            if not isinstance(target.get(key), dict):
                target[key] = {}
                document.places[way] = VARIABLE + variable
            target = target[key]
        key = _key(target, parts[-1])
        target[key] = _value(variable, environment[variable])
        document.places[(*way, key)] = VARIABLE + variable


def misspelt_variable(error: Any, document: Document) -> str:
    """Return a sentence if a mistake is a variable that no field has the name of; else an empty text."""
    where: Where = error["loc"]
    place = document.places.get(where, "")
    if error["type"] != "extra_forbidden" or not place.startswith(VARIABLE):
        return ""
    known = sorted(fields_at(Settings, where[:-1]))
    close = difflib.get_close_matches(str(where[-1]), known, n=1)
    parts = place.removeprefix(VARIABLE).split("__")
    if not close:
        return f"{place}: there is no such field; known here: {', '.join(known)}"
    parts[len(where)] = close[0].upper()
    below, after = fields_at(Settings, (*where[:-1], close[0])), parts[len(where) + 1 :]
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

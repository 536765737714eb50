"""Adapters as a configuration file names them: `module:attribute`, a URL, a command."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fuseboard_engine.runtime.references import attribute_named

if TYPE_CHECKING:
    from fuseboard_engine.adapters.http import HttpClients

Spec = str | Sequence[str] | Mapping[str, Any]

KINDS = ("call", "url", "command")


def adapter_from(spec: Spec, *, clients: HttpClients | None = None) -> Any:
    """Return what a line of configuration names, ready for `engine.add_adapter`.

    Args:
        spec: `"package.module:attribute"` (a function, an object, or a class to make one of), `"https://..."`, a
            command as a list, `["python", "worker.py"]`; or a mapping with one of the keys `call`, `url`, `command` and
            the options of that kind: for `call` those of the class, for `url` those of `HttpAdapter`, for `command`
            those of `ProcessAdapter`.
        clients: the HTTP connections to share; default: its own.

    Raises:
        ValueError: it names no adapter, or what it names cannot be found; the text says what and where.
        MissingExtra: it is a URL and httpx is not installed.
    """
    kind, value, options = _read(spec)
    try:
        if kind == "call":
            return _imported(value, options)
        if kind == "url":
            from fuseboard_engine.adapters.http import HttpAdapter

            return HttpAdapter(value, clients=clients, **options)
        from fuseboard_engine.adapters.process import ProcessAdapter

        return ProcessAdapter(shlex.split(value) if isinstance(value, str) else value, **options)
    except TypeError as error:
        raise ValueError(f"adapter {value!r}: {error}") from error


def names_url(spec: Spec) -> bool:
    """Say whether a line of configuration names an HTTP endpoint."""
    return "url" in spec if isinstance(spec, Mapping) else _read(spec)[0] == "url"


def _read(spec: Spec) -> tuple[str, Any, dict[str, Any]]:
    if isinstance(spec, str):
        return ("url" if spec.startswith(("http://", "https://")) else "call"), spec, {}
    if not isinstance(spec, Mapping):
        return "command", list(spec), {}
    kinds = [kind for kind in KINDS if kind in spec]
    if len(kinds) != 1:
        found = " and ".join(kinds) or ", ".join(map(str, spec)) or "nothing"
        raise ValueError(f"an adapter needs exactly one of {', '.join(KINDS)}; this one has {found}")
    options = {str(key): value for key, value in spec.items() if key != kinds[0]}
    return kinds[0], spec[kinds[0]], options


def _imported(path: Any, options: dict[str, Any]) -> Any:
    module, colon, attribute = str(path).partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{path!r} is no adapter: write module:attribute, a URL that begins with https://, or a list")
    try:
        found = attribute_named(path)
    except ValueError as error:
        raise ValueError(f"adapter {path!r}: {error}") from error
    if inspect.isclass(found):
        return found(**options)
    if options:
        raise ValueError(f"adapter {path!r} is no class, so it takes no options: {', '.join(options)}")
    return found

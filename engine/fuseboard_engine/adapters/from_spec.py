"""The kinds of adapter that a configuration can name, in one table, and how a spec becomes an adapter.

A new kind is a module with its class and one entry in `KINDS`. Specs, the settings of an adapter, reloads, and what the
adapters of an engine share are all derived from that table.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from pydantic import AfterValidator

from fuseboard_engine.runtime.references import resolve_attribute

if TYPE_CHECKING:
    from fuseboard_engine.adapters.http import HttpClients

Spec = str | Sequence[str] | Mapping[str, Any]


class Shared(Protocol):
    """Something that all adapters of one kind in one engine share, such as connections."""

    async def close(self) -> None:
        """Release it. A later call may open it again."""


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """One kind of adapter that a configuration can name.

    Attributes:
        type: the type of its value in a spec, as pydantic checks it.
        description: what its value is, for the schema.
        make: makes the adapter from the value, the options beside it, and what the kind shares (None if nothing).
        prefixes: a bare string that starts with one of these is of this kind.
        share: makes what the adapters of an engine share; None if they share nothing.
    """

    type: Any
    description: str
    make: Callable[[Any, dict[str, Any], Any], Any]
    prefixes: tuple[str, ...] = ()
    share: Callable[[], Shared] | None = None


def _check_reference(path: str) -> str:
    if not all(part.strip() for part in path.partition(":")):
        raise ValueError("call must be package.module:attribute")
    return path


def _make_from_reference(path: Any, options: dict[str, Any], shared: None) -> Any:
    module, colon, attribute = str(path).partition(":")
    if not (module and colon and attribute):
        raise ValueError(
            f"{path!r} is not an adapter: write module:attribute, a URL that starts with https://, or a list"
        )
    try:
        found = resolve_attribute(path)
    except ValueError as error:
        raise ValueError(f"adapter {path!r}: {error}") from error
    if inspect.isclass(found):
        return found(**options)
    if options:
        raise ValueError(f"adapter {path!r} is not a class, so it takes no options: {', '.join(options)}")
    return found


def _check_url(url: str) -> str:
    if not url.startswith(KINDS["url"].prefixes):
        raise ValueError("url must start with https:// or http://")
    return url


def _share_http() -> HttpClients:
    from fuseboard_engine.adapters.http import HttpClients

    return HttpClients()


def _make_http(url: Any, options: dict[str, Any], clients: HttpClients | None) -> Any:
    from fuseboard_engine.adapters.http import HttpAdapter

    return HttpAdapter(url, clients=clients, **options)


def _make_process(command: Any, options: dict[str, Any], shared: None) -> Any:
    from fuseboard_engine.adapters.process import ProcessAdapter

    return ProcessAdapter(shlex.split(command) if isinstance(command, str) else command, **options)


KINDS: Final[dict[str, AdapterKind]] = {
    "call": AdapterKind(
        Annotated[str, AfterValidator(_check_reference)],
        "a function, object or class: package.module:attribute",
        _make_from_reference,
    ),
    "url": AdapterKind(
        Annotated[str, AfterValidator(_check_url)],
        "an HTTP endpoint",
        _make_http,
        prefixes=("http://", "https://"),
        share=_share_http,
    ),
    "command": AdapterKind(str | tuple[str, ...], "a program and its arguments", _make_process),
}
"""The kinds by name. The name is the key in a spec and the field of an adapter's settings."""


def adapter_from(
    spec: Spec, *, clients: HttpClients | None = None, shared: Callable[[str], Shared | None] | None = None
) -> Any:
    """Return the adapter that a spec names, ready for `engine.add_adapter`.

    Args:
        spec: `"package.module:attribute"` (a function, an object, or a class to instantiate), `"https://..."`, a
            command as a list, `["python", "worker.py"]`; or a mapping with one of the keys `call`, `url`, `command` and
            the options of that kind: for `call` those of the class, for `url` those of `HttpAdapter`, for `command`
            those of `ProcessAdapter`.
        clients: makes and closes the HTTP connections; default: its own.
        shared: returns what the adapters of a kind share; default: nothing is shared.

    Raises:
        ValueError: the spec is not an adapter, or what it names cannot be found; the text says what and where.
        MissingExtra: it is a URL, and neither httpx2 nor httpx is installed.
    """
    name, value, options = _read(spec)
    resource: Any = clients if name == "url" else None
    if resource is None and shared is not None:
        resource = shared(name)
    try:
        return KINDS[name].make(value, options, resource)
    except TypeError as error:
        raise ValueError(f"adapter {value!r}: {error}") from error


def kind_of_text(text: str) -> str:
    """Return the name of the kind that a bare string is a spec of."""
    return next((name for name, kind in KINDS.items() if kind.prefixes and text.startswith(kind.prefixes)), "call")


def _read(spec: Spec) -> tuple[str, Any, dict[str, Any]]:
    """Return a spec's kind, value and options."""
    if isinstance(spec, str):
        return kind_of_text(spec), spec, {}
    if not isinstance(spec, Mapping):
        return "command", list(spec), {}
    kinds = [kind for kind in KINDS if kind in spec]
    if len(kinds) != 1:
        found = " and ".join(kinds) or ", ".join(map(str, spec)) or "nothing"
        raise ValueError(f"an adapter needs exactly one of {', '.join(KINDS)}; this one has {found}")
    options = {str(key): value for key, value in spec.items() if key != kinds[0]}
    return kinds[0], spec[kinds[0]], options

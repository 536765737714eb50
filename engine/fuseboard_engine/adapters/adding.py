"""The ways to register an adapter that is no function: from a configuration's line, an HTTP endpoint, a program.

Each function is a method of `Engine`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fuseboard_engine.adapters.from_spec import Spec, adapter_from

if TYPE_CHECKING:
    from fuseboard_engine.adapters.registry import Adapter
    from fuseboard_engine.engine import Engine


def add_adapter_from(engine: Engine, name: str, spec: Spec, **options: Any) -> Adapter:
    """Register what a line of configuration names: `module:attribute`, a URL, a command; see `adapter_from`.

    Args:
        engine: which.
        name: unique in it.
        spec: what it names.
        options: those of `add_adapter`.

    Raises:
        ValueError: it names no adapter, or the name is empty or taken.
        MissingExtra: it is a URL and httpx is not installed.
    """
    return engine.add_adapter(name, adapter_from(spec, shared=engine.resources.shared), **options)


def add_http_adapter(
    engine: Engine,
    name: str,
    url: str,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    health_url: str | None = None,
    max_bytes: int | None = None,
    context_headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Adapter:
    """Register an HTTP endpoint: the task goes out as JSON and the answer comes back as JSON.

    All HTTP adapters of an engine share its connections.

    Args:
        engine: which.
        name: unique in it.
        url: `http://` or `https://`.
        method: of the request; with GET, HEAD or DELETE a mapping goes into the query.
        headers: sent with each request.
        params: the query, sent with each request.
        health_url: asked by health checks; a relative one starts from `url`.
        max_bytes: an answer that is longer is a failure; default: ten million.
        context_headers: the header of each context id that goes out with a task; default: `x-request-id` and so on.
        options: those of `add_adapter`.

    Raises:
        ValueError: the URL is none, or the name is empty or taken.
        MissingExtra: httpx is not installed.
    """
    from fuseboard_engine.adapters.http import MAX_BYTES, HttpAdapter

    endpoint = HttpAdapter(
        url,
        method=method,
        headers=headers,
        params=params,
        health_url=health_url,
        max_bytes=max_bytes or MAX_BYTES,
        context_headers=context_headers,
        clients=engine.resources.clients,
    )
    return engine.add_adapter(name, endpoint, **options)


def add_process_adapter(
    engine: Engine,
    name: str,
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    max_bytes: int | None = None,
    **options: Any,
) -> Adapter:
    """Register a program: it gets the task as JSON on stdin and writes the result as JSON to stdout.

    Args:
        engine: which.
        name: unique in it.
        command: the program and its arguments, each a string of its own; no shell reads them.
        cwd: the folder it runs in.
        env: variables set besides those of this process.
        max_bytes: it is killed when it writes more; default: ten million.
        options: those of `add_adapter`.

    Raises:
        ValueError: the command is empty or one string, or the name is empty or taken.
    """
    from fuseboard_engine.adapters.process import MAX_BYTES, ProcessAdapter

    program = ProcessAdapter(command, cwd=cwd, env=env, max_bytes=max_bytes or MAX_BYTES)
    return engine.add_adapter(name, program, **options)

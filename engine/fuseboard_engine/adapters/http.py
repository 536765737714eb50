"""HTTP endpoints as adapters: the task is sent as JSON, and the response is read as JSON. Needs httpx."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fuseboard_engine.adapters.json_codec import from_json, to_json
from fuseboard_engine.context import IDS, current
from fuseboard_engine.errors import MissingExtra

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 10_000_000
CONTEXT_HEADERS = {name: f"x-{name}-id" for name in IDS}
"""The default header of each context id."""
_SAFE = "!#$&'()*+,/:;=?@[]^`{|}~ "  # sent unquoted, like letters, digits and -._
SHOWN_BYTES = 500  # of an error response's body, for the error's text


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("HTTP adapters need httpx: pip install 'fuseboard[http]'") from error
    return httpx


class HttpClients:
    """Pooled connections: one client per event loop, because a client cannot serve two loops.

    Raises:
        MissingExtra: httpx is not installed.
    """

    def __init__(self) -> None:
        _httpx()
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
            weakref.WeakKeyDictionary()
        )

    def client(self) -> httpx.AsyncClient:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            # The engine's attempt timeout applies; a second timeout here would only obscure which one fired.
            client = self._clients[loop] = _httpx().AsyncClient(timeout=None)
        return client

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        here = asyncio.get_running_loop()
        for loop, client in list(self._clients.items()):
            if loop is here:
                await client.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.aclose(), loop))
        self._clients.clear()


class HttpAdapter:
    """Calls an HTTP endpoint.

    The task is sent as the JSON body; with GET, HEAD or DELETE a mapping becomes the query instead. The response is
    parsed as JSON when its content type says so, and is returned as text otherwise.

    Args:
        url: `http://` or `https://`.
        method: of the request.
        headers: sent with each request.
        params: the query, sent with each request.
        health_url: requested by health checks; a relative one is resolved against `url`. None: no health check.
        max_bytes: a longer response is a failure.
        context_headers: the header for each context id of a task (`{"request": "x-request-id"}`); other ids are not
            sent. Default: `x-request-id`, `x-trace-id`, `x-user-id`, `x-session-id`, `x-correlation-id`.
        clients: the connections to use; default: its own.

    Raises:
        ValueError: the URL is invalid.
        MissingExtra: httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        health_url: str | None = None,
        max_bytes: int = MAX_BYTES,
        context_headers: Mapping[str, str] | None = None,
        clients: HttpClients | None = None,
    ) -> None:
        httpx = _httpx()
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is not a URL: {error}") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(
                f"{url!r} is not the URL of an HTTP endpoint: it must start with http:// or https:// and a host"
            )
        self._method = method.upper()
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._max_bytes = max_bytes
        self._context_headers = dict(CONTEXT_HEADERS if context_headers is None else context_headers)
        self._own = clients is None
        self._clients = clients or HttpClients()
        if health_url is not None:
            self._health_url = self._url.join(health_url)
            self.health = self._health

    async def call(self, task: Any) -> Any:
        """Send the task and return the response.

        Raises:
            httpx.HTTPStatusError: the status is not a success; the message has the status and the start of the
                response.
            httpx.TransportError: there was no response.
            CallerError: the task cannot be sent as JSON.
            ValueError: the response is too long, or is not valid JSON although its content type is JSON.
        """
        headers, params, content = {**self._context_headers_now(), **self._headers}, dict(self._params), None
        if self._method in ("GET", "HEAD", "DELETE"):
            if isinstance(task, Mapping):
                params |= {str(key): value for key, value in task.items()}
        else:
            content = to_json(task)
            headers.setdefault("content-type", "application/json")
        return await self._request(self._method, self._url, headers, params, content)

    def _context_headers_now(self) -> dict[str, str]:
        """Return the headers with the context ids of the current call; characters that a header cannot hold become
        `%0A`.
        """
        ids, headers = current(), self._context_headers
        return (
            {headers[name]: quote(value, _SAFE, errors="replace") for name, value in ids.items() if name in headers}
            if ids
            else {}
        )

    async def close(self) -> None:
        """Close its connections if they are its own."""
        if self._own:
            await self._clients.close()

    async def _health(self) -> None:
        await self._request("GET", self._health_url, self._headers, self._params, None)

    async def _request(
        self, method: str, url: httpx.URL, headers: dict[str, str], params: dict[str, Any], content: bytes | None
    ) -> Any:
        if params:
            url = url.copy_merge_params(params)
        client = self._clients.client()
        async with client.stream(method, url, headers=headers, content=content) as response:
            body = bytearray()
            limit = self._max_bytes if response.is_success else SHOWN_BYTES
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    break
            if not response.is_success:
                raise _status_error(response, body)
        if len(body) > limit:
            raise ValueError(f"the response is longer than {limit} bytes")
        if "json" in response.headers.get("content-type", ""):
            return from_json(body)
        return bytes(body).decode(response.charset_encoding or "utf-8", "replace")


def _status_error(response: httpx.Response, body: bytearray) -> Exception:
    """Return the error for an unsuccessful status. Its text has neither the query nor the password of the URL."""
    url = response.request.url
    text = bytes(body[:SHOWN_BYTES]).decode("utf-8", "replace").strip()
    summary = (
        f"HTTP {response.status_code} {response.reason_phrase} from {url.scheme}://{url.netloc.decode()}{url.path}"
    )
    message = f"{summary}: {text}" if text else summary
    error: Exception = _httpx().HTTPStatusError(message, request=response.request, response=response)
    return error

"""HTTP endpoints as adapters: the task goes out as JSON, the answer comes back as JSON. Needs httpx."""

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
"""The header of each context id."""
_SAFE = "!#$&'()*+,/:;=?@[]^`{|}~ "  # what may stand in a header as it is, beside letters, digits and -._
SHOWN_BYTES = 500  # of the body of an answer that is an error: enough to say what it is about


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("HTTP adapters need httpx: pip install 'fuseboard[http]'") from error
    return httpx


class HttpClients:
    """Pooled connections: one client for each event loop that uses them, since none can serve two.

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
            # The engine's attempt timeout is the limit; a second one here would only hide which it was.
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

    The task is the body, as JSON; with GET, HEAD or DELETE a mapping goes into the query instead. The answer is read as
    JSON where it says so, and else as text.

    Args:
        url: `http://` or `https://`.
        method: of the request.
        headers: sent with each request.
        params: the query, sent with each request.
        health_url: asked by `health`; a relative one starts from `url`. None: it cannot say.
        max_bytes: an answer that is longer is a failure.
        context_headers: the header in which each context id goes out with a task (`{"request": "x-request-id"}`); ids
            that it does not name are not sent. Default: `x-request-id`, `x-trace-id`, `x-user-id`, `x-session-id`,
            `x-correlation-id`.
        clients: the connections to use; default: its own.

    Raises:
        ValueError: the URL is none.
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
            raise ValueError(f"{url!r} is no URL: {error}") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"{url!r} is no URL of an HTTP endpoint: it begins with http:// or https:// and a host")
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
        """Send the task and return the answer.

        Raises:
            httpx.HTTPStatusError: the status is no success; the text tells it and how the answer begins.
            httpx.TransportError: there was no answer.
            CallerError: the task cannot be sent as JSON.
            ValueError: the answer is no JSON though it says so, or too long.
        """
        headers, params, content = {**self._of_context(), **self._headers}, dict(self._params), None
        if self._method in ("GET", "HEAD", "DELETE"):
            if isinstance(task, Mapping):
                params |= {str(key): value for key, value in task.items()}
        else:
            content = to_json(task)
            headers.setdefault("content-type", "application/json")
        return await self._request(self._method, self._url, headers, params, content)

    def _of_context(self) -> dict[str, str]:
        """Return the headers that carry the ids of the call under way; what no header may hold is written as `%0A`."""
        ids, headers = current(), self._context_headers
        return (
            {headers[name]: quote(value, _SAFE, errors="replace") for name, value in ids.items() if name in headers}
            if ids
            else {}
        )

    async def close(self) -> None:
        """Close its connections, where they are its own."""
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
            most = self._max_bytes if response.is_success else SHOWN_BYTES
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > most:
                    break
            if not response.is_success:
                raise _status_error(response, body)
        if len(body) > most:
            raise ValueError(f"the answer is longer than {most} bytes")
        if "json" in response.headers.get("content-type", ""):
            return from_json(body)
        return bytes(body).decode(response.charset_encoding or "utf-8", "replace")


def _status_error(response: httpx.Response, body: bytearray) -> Exception:
    """Return the error for a status that is no success. Its text names no query and no password of the URL."""
    url = response.request.url
    text = bytes(body[:SHOWN_BYTES]).decode("utf-8", "replace").strip()
    said = f"HTTP {response.status_code} {response.reason_phrase} from {url.scheme}://{url.netloc.decode()}{url.path}"
    message = f"{said}: {text}" if text else said
    error: Exception = _httpx().HTTPStatusError(message, request=response.request, response=response)
    return error

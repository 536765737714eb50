"""HTTP endpoints as adapters: the task is sent as JSON, and the response is read as JSON. Needs httpx2 or httpx."""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from fuseboard_engine.adapters.json_codec import decode, from_json, to_json
from fuseboard_engine.context import IDS, current
from fuseboard_engine.error_text.provider_messages import message_of
from fuseboard_engine.errors import MissingExtra, NoConnectionFree

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 10_000_000
MAX_CONNECTIONS = 100
MAX_IDLE = 20  # connections that are kept open
CONTEXT_HEADERS = {name: f"x-{name}-id" for name in IDS}
"""The default header of each context id."""
_SAFE = "!#$&'()*+,/:;=?@[]^`{|}~ "  # sent unquoted, like letters, digits and -._
ERROR_BYTES = 50_000  # of an error response's body that are read, for its code and message


def http_library() -> Any:
    """Return the module `httpx2`, or `httpx` where only that is installed.

    Raises:
        MissingExtra: neither is installed.
    """
    try:
        import httpx2
    except ImportError:
        pass
    else:
        return httpx2
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("HTTP adapters need httpx2: pip install 'fuseboard[http]'") from error
    return httpx


class _Connections:
    """The connections of one adapter in one event loop: a client that keeps no cookies, and a limit of its own.

    The client's pool has no limit, so that a call never waits in it, where the wait would look like the service's.
    """

    __slots__ = ("client", "slots")

    def __init__(self, context: ssl.SSLContext, limit: int) -> None:
        library = http_library()
        # The engine's attempt timeout applies; a second timeout here would only obscure which one fired.
        limits = library.Limits(max_connections=None, max_keepalive_connections=MAX_IDLE)
        self.client: httpx2.AsyncClient = library.AsyncClient(timeout=None, verify=context, limits=limits)
        self.client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self.slots = asyncio.Semaphore(limit)


class HttpClients:
    """The HTTP connections of an engine's adapters: for each adapter and event loop a client of its own.

    Adapters share nothing but the TLS settings: no pool, which an endpoint that hangs would fill, and no cookies.

    Raises:
        MissingExtra: neither httpx2 nor httpx is installed.
    """

    def __init__(self) -> None:
        http_library()
        self._context: ssl.SSLContext | None = None
        self._loops: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, weakref.WeakKeyDictionary[HttpAdapter, _Connections]
        ] = weakref.WeakKeyDictionary()

    def of(self, adapter: HttpAdapter, limit: int) -> _Connections:
        """Return the connections of an adapter in the running loop, at most `limit` in use at a time."""
        loop = asyncio.get_running_loop()
        adapters = self._loops.get(loop)
        if adapters is None:
            adapters = self._loops[loop] = weakref.WeakKeyDictionary()
        connections = adapters.get(adapter)
        if connections is None:
            if self._context is None:
                self._context = http_library().create_ssl_context()  # reading the certificates takes 20 ms
            connections = adapters[adapter] = _Connections(self._context, limit)
        return connections

    async def close(self, adapter: HttpAdapter | None = None) -> None:
        """Close the connections of one adapter, or all. A later call opens new ones."""
        here = asyncio.get_running_loop()
        for loop, adapters in list(self._loops.items()):
            found = list(adapters.values()) if adapter is None else [adapters[adapter]] if adapter in adapters else []
            for connections in found:
                client = connections.client
                if loop is here:
                    await client.aclose()
                elif loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.aclose(), loop))
            if adapter is not None:
                adapters.pop(adapter, None)
        if adapter is None:
            self._loops.clear()


_JSON_SUBTYPES = frozenset({"json", "x-json", "json-rpc", "jsonrequest", "json+protobuf"})
_JSON_LINES = frozenset({"stream+json"})  # several documents, in spite of the suffix


def is_json(content_type: str) -> bool:
    """Return whether a content type means one JSON document. Lines and sequences of JSON are text."""
    subtype = content_type.partition(";")[0].strip().lower().partition("/")[2]
    if subtype in _JSON_LINES:
        return False
    return subtype in _JSON_SUBTYPES or subtype.endswith("+json") or subtype.startswith("x-amz-json-")


class HttpAdapter:
    """Calls an HTTP endpoint.

    The task is sent as the JSON body; with GET, HEAD or DELETE a mapping becomes the query instead. The response is
    parsed as JSON when its content type says so, and is returned as text otherwise (lines of JSON too). A byte order
    mark and the declared charset are respected. Cookies are not kept.

    Args:
        url: `http://` or `https://`.
        method: of the request.
        headers: sent with each request.
        params: the query, sent with each request.
        health_url: requested by health checks; a relative one is resolved against `url`. None disables them.
        max_bytes: a longer response is a failure.
        max_connections: calls that may be in flight at a time. Another one waits; a timeout meanwhile is a rejection
            (`NoConnectionFree`), not a failure of the service.
        context_headers: the header for each context id of a task (`{"request": "x-request-id"}`); other ids are not
            sent. Default: `x-request-id`, `x-trace-id`, `x-user-id`, `x-session-id`, `x-correlation-id`.
        clients: makes and closes the connections; default: its own.

    Raises:
        ValueError: the URL is invalid, or `max_connections` is less than 1.
        MissingExtra: neither httpx2 nor httpx is installed.
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
        max_connections: int = MAX_CONNECTIONS,
        context_headers: Mapping[str, str] | None = None,
        clients: HttpClients | None = None,
    ) -> None:
        library = http_library()
        try:
            self._url: httpx2.URL = library.URL(url)
        except library.InvalidURL as error:
            raise ValueError(f"{url!r} is not a URL: {error}") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(
                f"{url!r} is not the URL of an HTTP endpoint: it must start with http:// or https:// and a host"
            )
        self._method = method.upper()
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._max_bytes = max_bytes
        if max_connections < 1:
            raise ValueError(f"max_connections must be at least 1, not {max_connections}")
        self._max_connections = max_connections
        self._context_headers = dict(CONTEXT_HEADERS if context_headers is None else context_headers)
        self._clients = clients or HttpClients()
        if health_url is not None:
            self._health_url = self._url.join(health_url)
            self.health = self._health

    async def call(self, task: Any) -> Any:
        """Send the task and return the response.

        Raises:
            httpx2.HTTPStatusError: the status is not a success; the text has the status and the provider's own
                message.
            httpx2.TransportError: there was no response.
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
        async with self._connection():
            return await self._request(self._method, self._url, headers, params, content)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        """Wait until another connection may be used."""
        slots = self._clients.of(self, self._max_connections).slots
        try:
            await slots.acquire()
        except asyncio.CancelledError as error:
            limit = self._max_connections
            error.__cause__ = NoConnectionFree(f"no connection was free: all {limit} were in use until the timeout")
            raise
        try:
            yield
        finally:
            slots.release()

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
        """Close its connections."""
        await self._clients.close(self)

    async def _health(self) -> None:
        await self._request("GET", self._health_url, self._headers, self._params, None)

    async def _request(
        self, method: str, url: httpx2.URL, headers: dict[str, str], params: dict[str, Any], content: bytes | None
    ) -> Any:
        if params:
            url = url.copy_merge_params(params)
        client = self._clients.of(self, self._max_connections).client
        async with client.stream(method, url, headers=headers, content=content) as response:
            body = bytearray()
            limit = self._max_bytes if response.is_success else ERROR_BYTES
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    break
            if not response.is_success:
                raise _status_error(response, body)
        if len(body) > limit:
            raise ValueError(f"the response is longer than {limit} bytes")
        if is_json(response.headers.get("content-type", "")):
            return from_json(body, response.charset_encoding)
        return decode(body, response.charset_encoding)


def _status_error(response: httpx2.Response, body: bytearray) -> Exception:
    """Return the error for an unsuccessful status. Its text has the provider's own message, not the
    rest of the body, and neither the query nor the password of the URL.

    Its `body` is the response's JSON, from which attribution reads the service's own code and message; None if the
    response is not JSON.
    """
    url = response.request.url
    text = message_of(decode(body, response.charset_encoding))
    summary = (
        f"HTTP {response.status_code} {response.reason_phrase} from {url.scheme}://{url.netloc.decode()}{url.path}"
    )
    message = f"{summary}: {text}" if text else summary
    error = http_library().HTTPStatusError(message, request=response.request, response=response)
    try:
        error.body = from_json(body, response.charset_encoding)
    except ValueError:
        error.body = None
    return cast(Exception, error)

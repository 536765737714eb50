"""Reads what the errors of foreign libraries carry: HTTP status, codes, the service's own message, Retry-After.

Nothing here imports those libraries. Any attribute of an error may be missing, of another type, or raise.
"""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from fuseboard_engine.errors import raw_text_of

_STATUS_FIELDS = ("status_code", "status", "http_status")
_CODE_FIELDS = ("code", "type", "status", "reason", "error_code")
_RESPONSE_FIELDS = ("response", "raw_response")
_BODY_FIELDS = ("body", "details", "error")
_FIELDS = (
    *_STATUS_FIELDS, *_CODE_FIELDS, *_RESPONSE_FIELDS, *_BODY_FIELDS,
    "retry_after", "cooldown_time", "headers", "litellm_response_headers", "trailing_metadata", "exceptions",
    "__getattr__",
)  # fmt: skip

GRPC_STATUSES = {
    "CANCELLED": 499, "UNKNOWN": 500, "INVALID_ARGUMENT": 400, "DEADLINE_EXCEEDED": 504, "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "FAILED_PRECONDITION": 400,
    "ABORTED": 409, "OUT_OF_RANGE": 400, "UNIMPLEMENTED": 501, "INTERNAL": 500, "UNAVAILABLE": 503,
    "DATA_LOSS": 500, "UNAUTHENTICATED": 401,
}  # fmt: skip
"""The HTTP status of each gRPC status, as Google's API design guide maps them."""

EXHAUSTED = ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOSPC", "EDQUOT", "EADDRNOTAVAIL")
"""Names of `errno` values which say that this process or its host has run out of something."""

MAX_TEXT = 64_000  # characters of a text in which a message is sought
_CODE = re.compile(r"-?[A-Za-z0-9][\w.\-]{1,63}")
_MOST_BODY = 100_000  # bytes of a body that are parsed
_MOST_CAUSES = 8

_ECHO = re.compile(
    r"\b(?:request|prompt|input|body|payload|messages|query|task)\s+(?:was|were|received|sent)\s*[:=].*", re.S
)
_NOT_PROSE = re.compile(
    r"""\{.*                      # an object that could not be parsed, and what follows
    | \b[a-z][a-z0-9+.\-]*://\S*  # a URL
    | (?<!\w)/\S*                 # a path
    | "[^"]*(?:"|\Z)              # quotations: names, or what the user had typed
    | `[^`]*(?:`|\Z)
    | (?<!\w)'[^']*(?:'(?!\w)|\Z)
    """,
    re.S | re.X | re.I,
)

_bare_types: dict[type[BaseException], bool] = {}


def is_bare(error: BaseException) -> bool:
    """Return whether an error carries nothing that is read here except the `errno` of a system error, as most do."""
    if error.__dict__ or error.__cause__ is not None:
        return False
    kind = type(error)
    bare = _bare_types.get(kind)
    if bare is None:
        bare = not any(hasattr(kind, field) for field in _FIELDS)
        if len(_bare_types) < 1000:
            _bare_types[kind] = bare
    return bare


def _read(holder: object, field: str) -> Any:
    """Return a field of a foreign object; None when it has none, or its property raises."""
    try:
        return getattr(holder, field, None)
    except Exception:
        return None


def _get(holder: Any, *keys: str) -> Any:
    """Return the value under nested keys of a foreign mapping; None where there is none."""
    for key in keys:
        if not isinstance(holder, Mapping):
            return None
        try:
            holder = holder.get(key)
        except Exception:
            return None
    return holder


def _called(value: Any) -> Any:
    """Return what a method of a foreign error returns, such as grpc's `code()`; other values are returned unchanged."""
    if not callable(value) or isinstance(value, type):
        return value
    try:
        return value()
    except Exception:
        return None


def _responses(error: BaseException) -> Iterator[Any]:
    for field in _RESPONSE_FIELDS:
        response = _read(error, field)
        if response is not None:  # not its truth value: that of an unsuccessful response of requests is False
            yield response


def _status(value: Any) -> int | None:
    """Return a value as an HTTP status that is an error; None if it is anything else."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and 300 <= value < 600 else None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status an error carries, whichever client library raised it; None when it has none.

    It is looked for in `status_code`, `status` and `http_status` of the error and of the response it carries, in a
    response that is a mapping (botocore), and in `code`, which may be a number (google) or a gRPC status.
    """
    responses = tuple(_responses(error))
    for holder in (error, *responses):
        for field in _STATUS_FIELDS:
            status = _status(_read(holder, field))
            if status is not None:
                return status
    for response in responses:
        status = _status(_get(response, "ResponseMetadata", "HTTPStatusCode")) or _status(_get(response, "status_code"))
        if status is not None:
            return status
    code = _called(_read(error, "code"))
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        code = int(code)
    if (status := _status(code)) is not None:
        return status if status >= 400 else None
    return _grpc_status(code) or _grpc_status(_read(error, "status"))


def _grpc_status(value: Any) -> int | None:
    name = value if isinstance(value, str) else _read(value, "name")
    return GRPC_STATUSES.get(name.upper()) if isinstance(name, str) else None


def codes_of(error: BaseException) -> tuple[str, ...]:
    """Return the codes an error carries, in lower case: the service's own names for what went wrong.

    They are read from `code`, `type`, `status`, `reason` and `error_code` of the error and of the JSON body it
    carries; a system error has the name of its `errno`, also where it is the cause of another error.
    """
    found: dict[str, None] = {}
    for field in _CODE_FIELDS:
        _add_code(found, _called(_read(error, field)))
    for body in _bodies(error):
        _add_codes_in(found, body)
    if isinstance(error, OSError) and error.errno is not None:
        _add_code(found, errno.errorcode.get(error.errno))
    elif not isinstance(error, BaseExceptionGroup):  # whose members are judged one by one
        _add_code(found, _exhausted(error))
    return tuple(found)


def _add_code(found: dict[str, None], value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 100 <= value < 600:
            found[str(int(value))] = None
        return
    name = value if isinstance(value, str) else _read(value, "name")
    if isinstance(name, str) and len(name) <= 64 and _CODE.fullmatch(name):
        found[name.lower()] = None


def _add_codes_in(found: dict[str, None], body: Mapping[Any, Any]) -> None:
    for part in (body, *_errors_in(body)):
        for key in ("code", "type", "status", "reason", "error_code", "error", "Code", "__type"):
            _add_code(found, _get(part, key))
        _add_code(found, _get(part, "innererror", "code"))
        details = _get(part, "details")
        for detail in details[:10] if isinstance(details, list) else ():
            _add_code(found, _get(detail, "reason"))


def _errors_in(body: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    for key in ("error", "Error", "errors", "detail"):
        inner = _get(body, key)
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, Mapping):
            yield inner


def _exhausted(error: BaseException) -> str | None:
    """Return the name of the `errno` in the chain of causes which says that this process has run out of something."""
    for _ in range(_MOST_CAUSES):
        if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in EXHAUSTED:
            return errno.errorcode[error.errno or 0]
        inner = error.__cause__
        if inner is None and isinstance(error, BaseExceptionGroup):
            inner = error.exceptions[0]
        if inner is None and error.args and isinstance(error.args[0], BaseException):
            inner = error.args[0]  # requests and urllib pass the error they wrap
        if inner is None and isinstance(reason := _read(error, "reason"), BaseException):
            inner = reason
        if inner is None:
            return None
        error = inner
    return None


def _bodies(error: BaseException) -> Iterator[Mapping[Any, Any]]:
    """Yield the parsed bodies that an error carries, where they are objects."""
    for field in _BODY_FIELDS:
        body = _as_mapping(_called(_read(error, field)))
        if body is not None:
            yield body
    for response in _responses(error):
        if isinstance(response, Mapping):
            yield response
            continue
        # What httpx and requests have read already. Their `content` would read from the network.
        content = (_read(response, "__dict__") or {}).get("_content")
        body = _as_mapping(content if isinstance(content, bytes) else _called(_read(response, "body")))
        if body is not None:
            yield body


def _as_mapping(body: Any) -> Mapping[Any, Any] | None:
    if isinstance(body, str | bytes | bytearray) and len(body) <= _MOST_BODY and body.lstrip()[:1] in ("{", b"{", "["):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
    if isinstance(body, list) and body:  # Google's OpenAI-compatible endpoint answers a list of one object
        body = body[0]
    return body if isinstance(body, Mapping) else None


def message_of(error: BaseException) -> str:
    """Return in lower case what the service itself says went wrong.

    This is the message in the error's JSON body, else the error's own text. URLs, paths, quotations and echoed
    requests are left out: they hold words of the user or of the deployment.
    """
    text = next((said for body in _bodies(error) if (said := _message_in(body))), "")
    if not text:
        own = _called(_read(error, "message")) or _called(_read(error, "details"))
        text = own if isinstance(own, str) else raw_text_of(error)[:MAX_TEXT]
        start = text.find("{")
        if start >= 0:
            body = _as_mapping(text[start : text.rfind("}") + 1]) or {}
            text = f"{text[:start]} {_message_in(body)}"
    return _NOT_PROSE.sub(" ", _ECHO.sub(" ", text[:4000])).lower()


def _message_in(body: Mapping[Any, Any]) -> str:
    for part in (*_errors_in(body), body):
        for key in ("message", "Message", "msg", "detail", "error_description", "error", "title"):
            said = _get(part, key)
            if isinstance(said, str) and said:
                return said
    return ""


# ------------------------------------------------------------------ Retry-After


def retry_after_of(error: BaseException, now: datetime | None = None) -> float | None:
    """Return the seconds an error asks to wait.

    They are read from `retry_after` or `cooldown_time` of the error, from the headers `retry-after-ms` and
    `retry-after` (RFC 9110, 10.2.3: seconds or a date) of the error or of its response, from gRPC's trailing
    metadata, or from Google's RetryInfo.

    None when it carries none of these, or nothing that can be read as a wait. A date in the past gives 0.0.
    """
    if is_bare(error):
        return None
    for field in ("retry_after", "cooldown_time"):
        value = _called(_read(error, field))
        if value is not None:
            return seconds_of(value, now)
    for headers in _headers(error):
        milliseconds, seconds = headers.get("retry-after-ms"), headers.get("retry-after")
        if milliseconds is None:
            milliseconds = headers.get("grpc-retry-pushback-ms")
        if milliseconds is not None and (wait := seconds_of(milliseconds, now)) is not None:
            return wait / 1000
        if seconds is not None:
            return seconds_of(seconds, now)
    for detail in _details(error):
        delay = _get(detail, "retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            return seconds_of(delay[:-1], now)
        delay = _read(detail, "retry_delay")
        if delay is not None:
            return seconds_of(_read(delay, "seconds") if isinstance(_read(delay, "seconds"), int) else delay, now)
    return None


def _details(error: BaseException) -> Iterator[Any]:
    """Yield the details that Google's errors carry, as JSON or as messages."""
    own = _called(_read(error, "details"))
    if isinstance(own, list | tuple):
        yield from own[:10]
    for body in _bodies(error):
        for part in (body, *_errors_in(body)):
            details = _get(part, "details")
            if isinstance(details, list):
                yield from details[:10]


def _headers(error: BaseException) -> Iterator[Mapping[str, Any]]:
    responses = tuple(_responses(error))
    holders: list[Any] = [_read(error, "headers"), _read(error, "litellm_response_headers")]
    for response in responses:
        holders += [
            _read(response, "headers"),
            _get(response, "ResponseMetadata", "HTTPHeaders"),
            _get(response, "headers"),
        ]
    holders.append(_called(_read(error, "trailing_metadata")))
    for holder in holders:
        if holder is None:
            continue
        found = _waits_in(holder)
        if found:
            yield found


_WAITS = ("retry-after", "retry-after-ms", "grpc-retry-pushback-ms")


def _waits_in(headers: Any) -> dict[str, Any]:
    """Return the headers that ask to wait, by their names in lower case."""
    get = _read(headers, "get")
    if callable(get) and not isinstance(headers, dict):  # the mappings of HTTP libraries ignore case
        try:
            return {name: value for name in _WAITS if (value := get(name)) is not None}
        except Exception:
            return {}
    pairs: Iterable[Any] = headers.items() if isinstance(headers, dict) else headers
    try:
        return {name.lower(): value for name, value in pairs if isinstance(name, str) and name.lower() in _WAITS}
    except Exception:
        return {}


def seconds_of(value: Any, now: datetime | None = None) -> float | None:
    """Return a wait as seconds: a number, a duration, or a moment (an HTTP or ISO 8601 date); None if it is none."""
    if isinstance(value, timedelta):
        return max(0.0, value.total_seconds())
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, bool):
        return None
    else:
        try:
            seconds = float(value)
            return max(0.0, seconds) if seconds < float("inf") else None
        except (TypeError, ValueError, OverflowError):
            read = _moment(str(value))
            if read is None:
                return None
            moment = read
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait = (moment - (now or datetime.now(UTC))).total_seconds()
    # An HTTP date has no parts of a second: what is missing is the time since it was written.
    return max(0.0, wait if moment.microsecond else float(math.ceil(wait - 1e-6)))


def _moment(text: str) -> datetime | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return parse(text.strip())
        except (ValueError, OverflowError, TypeError, IndexError):
            pass
    return None

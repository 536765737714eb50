"""The provider's own message in the body of an HTTP error, so that no error text repeats headers or a prompt."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, Final

NO_MESSAGE: Final = "(the body has no message)"
MAX_BODY: Final = 64_000  # characters of a body that are parsed
MAX_LITERAL: Final = 20_000  # characters of a body in Python's own writing that are parsed
MAX_MESSAGE: Final = 1_000  # characters of a message that are kept

_MARKS = ("status_code", "status", "http_status", "body", "response", "raw_response")
"""Attributes that an HTTP client's error has."""

_BODY_START = re.compile(r"[{\[]\s*['\"{]|\{\s*\}|<(?:!doctype|html|\?xml|head|body)\b", re.IGNORECASE)
_QUOTED_MESSAGE = re.compile(
    r"""['"](?:message|detail|error_description|error|msg)['"]\s*:\s*(?:"((?:[^"\\]|\\.){1,4000})"|'((?:[^'\\]|\\.){1,4000})')"""
)
_TITLE = re.compile(r"<(title|h1)[^>]{0,200}>([^<]{1,400})", re.IGNORECASE)
_LABEL = re.compile(r"\b(?:headers|body|response|details)\s*[:=]?\s*$", re.IGNORECASE)


def message_of(body: str) -> str:
    """Return the message in a response's body: JSON, HTML, or plain text, which is a message itself.

    `NO_MESSAGE` if it is JSON or HTML and has none. A provider's code follows its message in brackets.
    """
    text = body.strip()
    if not text or _BODY_START.match(text) is None:
        return text[:MAX_MESSAGE]
    if text.startswith("<"):
        title = _TITLE.search(text)
        return " ".join(title[2].split()) if title else NO_MESSAGE
    return (_message_in(_parsed(text)) or _quoted_message(text) or NO_MESSAGE)[:MAX_MESSAGE]


def without_body(text: str, error: BaseException) -> str:
    """Return an HTTP client's error text with the response's body in it cut to the provider's own message.

    The text of any other error is returned as it is.
    """
    if "{" not in text and "<" not in text:
        return text
    start = _BODY_START.search(text)
    if start is None or not _is_of_http(error):
        return text
    message = ""
    for name in ("body", "details"):  # what openai, anthropic, cohere and google-genai parsed already
        held = _attribute(error, name)
        if isinstance(held, Mapping):
            message = message or _message_in(held)
    head = _LABEL.sub("", text[: start.start()])
    return f"{head}{message[:MAX_MESSAGE] or message_of(text[start.start() :])}"


def _is_of_http(error: BaseException) -> bool:
    return any(_attribute(error, name) is not None for name in _MARKS) or isinstance(_attribute(error, "code"), int)


def _attribute(error: BaseException, name: str) -> Any:
    try:
        return getattr(error, name, None)
    except Exception:
        return None


def _parsed(text: str) -> Any:
    """Return the value that a text starts with, as JSON or as Python writes it; None if it is neither."""
    text = text[:MAX_BODY]
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        pass
    if (
        len(text) > MAX_LITERAL
        or sum(map(text.count, "[{(")) > 500
        or any(signs in text for signs in ("--", "++", "~~"))
    ):
        return None  # what nests deeply can exhaust the C stack of Python's own parser
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _message_in(value: Any, depth: int = 0) -> str:
    """Return the message in a parsed body; empty if there is none."""
    if isinstance(value, str):
        return " ".join(value.split()) if depth else ""
    if depth > 4:
        return ""
    if isinstance(value, list | tuple):
        return "; ".join(filter(None, (_message_in(item, depth + 1) for item in value[:3])))
    if not isinstance(value, Mapping):
        return ""
    for name in ("error", "message", "Message", "detail", "error_description", "msg", "errors", "title"):
        message = _message_in(value.get(name), depth + 1)
        if not message:
            continue
        if name == "msg" and isinstance(value.get("loc"), list | tuple):  # pydantic's and FastAPI's
            message = f"{'.'.join(str(part) for part in value['loc'][:8])}: {message}"
        code = next((value[key] for key in ("code", "type", "status") if isinstance(value.get(key), str)), "")
        return f"{message} ({code})" if code and code not in message else message
    code = next((value[key] for key in ("code", "type") if isinstance(value.get(key), str)), "") if depth else ""
    return " ".join(code.split())


def _quoted_message(text: str) -> str:
    """Return the message in a body that is cut off and cannot be parsed."""
    found = _QUOTED_MESSAGE.search(text[:MAX_BODY])
    return " ".join((found[1] or found[2]).split()) if found else ""

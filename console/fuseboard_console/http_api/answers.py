"""Answers in JSON: without secrets, without foreign texts for callers without a token, and with an ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from fuseboard_console.http_api.responses import without_texts
from fuseboard_console.http_server.access import Caller
from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.views.dead_letters.masking import MASKED

_NO_CACHE: Final = {"Cache-Control": "no-cache, private", "Vary": "Authorization"}
"""Caches ask again each time, and keep an answer for one caller only: what it says depends on the token."""


def answer(request: Request, caller: Caller, content: Any, status: int = 200, *, masked: bool = False) -> Response:
    """Return an answer; 304 without a body if the client has it already.

    Args:
        request: The request.
        caller: Who sends it.
        content: A value of JSON types.
        status: The HTTP status.
        masked: Whether payloads are without secrets already, and stay as they are.
    """
    shown = content if caller.sees_texts else without_texts(content)
    body = safe_json(shown, as_is=MASKED if masked else ()).encode()
    headers = dict(_NO_CACHE)
    if request.method == "GET" and status == 200:
        headers["ETag"] = tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        if _has(request.headers, tag):
            return Response(status_code=304, headers=headers)
    return Response(body, status, headers, "application/json")


def _has(headers: Mapping[str, str], tag: str) -> bool:
    """Return whether a client says that it has the answer with this ETag."""
    given = headers.get("if-none-match", "")
    return given.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in given.split(","))

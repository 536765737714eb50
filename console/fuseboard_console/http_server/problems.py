"""Errors of the HTTP API as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fuseboard_console.text.safe_json import safe_json
from fuseboard_console.text.safe_text import safe_text
from fuseboard_engine.errors import FuseboardError
from fuseboard_storage.errors import RecordingError

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:fuseboard:problem:"
MOST_ERRORS: Final = 20
"""The errors in a request that are listed."""
_MOST_TEXT: Final = 200


class Problem(FuseboardError):
    """The reason why a request is refused or cannot be answered.

    Args:
        status: The HTTP status, 400 to 599.
        kind: The kind of problem in a few words, such as `unknown adapter`; its `type` and `title` are made of it.
        detail: A sentence of safe text: what is wrong, and what to do.
        headers: Headers of the answer.
        members: Further members of the document.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_response(problem: Problem) -> Response:
    """Return the answer that a problem is."""
    document = {
        "type": TYPE_PREFIX + problem.kind.replace(" ", "-"),
        "title": problem.kind.capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    body = safe_json(document, as_is=("type", "title", "detail")).encode()
    return Response(body, problem.status, {"Cache-Control": "no-store", **problem.headers}, MEDIA_TYPE)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer with a `Problem` that a handler raised."""
    assert isinstance(error, Problem)
    return problem_response(error)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer for a path or a method that the API does not have."""
    assert isinstance(error, HTTPException)
    details = {
        404: "The API has no such path. GET /openapi.json lists all paths.",
        405: f"This path does not take {safe_text(request.method, 20)} requests; the header Allow has what it takes.",
    }
    kind = HTTPStatus(error.status_code).phrase.lower()
    detail = details.get(error.status_code, safe_text(str(error.detail), _MOST_TEXT))
    return problem_response(Problem(error.status_code, kind, detail, error.headers))


async def answer_invalid_request(request: Request, error: Exception) -> Response:
    """Answer for a request whose parameters or body are not as the document of the API says. Repeats no value."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {
            "where": ".".join(safe_text(str(part), 40) for part in one["loc"][:10]),
            "what": safe_text(str(one["msg"]), _MOST_TEXT),
        }
        for one in error.errors()[:MOST_ERRORS]
    ]
    first = errors[0] if errors else {"where": "request", "what": "it cannot be read"}
    detail = f"{first['where']}: {first['what']}"
    return problem_response(Problem(422, "invalid request", detail, errors=errors))


async def answer_unreadable(request: Request, error: Exception) -> Response:
    """Answer for a recording that cannot be read or written at the moment."""
    return problem_response(Problem(503, "recording unavailable", safe_text(str(error), 400)))


async def answer_failure(request: Request, error: Exception) -> Response:
    """Answer for an error of the API itself, which the log has with its traceback."""
    name = safe_text(type(error).__name__, 80)
    return problem_response(Problem(500, "internal error", f"The request failed with {name}; see the log."))


HANDLERS: Final[dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    Problem: answer_problem,
    HTTPException: answer_http_error,
    RequestValidationError: answer_invalid_request,
    RecordingError: answer_unreadable,
    Exception: answer_failure,
}
"""The handler of each kind of exception."""

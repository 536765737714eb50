"""What routes of the HTTP API say of their answers in its OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from fuseboard_console.http_api.models import EventMessage, Problem
from fuseboard_console.http_server.problems import MEDIA_TYPE

_TEXTS: Final = {
    400: "the Host header is not accepted, or the body is not JSON",
    401: "a token is needed, or it is unknown",
    403: "the token may only read",
    404: "there is no such thing",
    408: "the request did not come in time",
    409: "the engine refused, or it has ended",
    413: "the request is too large",
    422: "a parameter or the body is wrong",
    429: "too many requests",
    503: "no engine has written yet, or the recording is missing",
    504: "no engine took the command in time",
}
_ALWAYS: Final = (400, 401, 408, 413, 422, 429, 503)


def answers(model: type[BaseModel], *problems: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its answer, 304 for a reader that has it, and the problems that may occur."""
    found: dict[int | str, dict[str, Any]] = {status: {"model": model}}
    for code in sorted({*_ALWAYS, *problems}):
        found[code] = {
            "description": _TEXTS[code],
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
        }
    return found


def readable(model: type[BaseModel], *problems: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that is read, as `answers` does."""
    return {**answers(model, *problems), 304: {"description": "the client has this answer already (If-None-Match)"}}


def streamed(message: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that streams messages with this `data`."""
    found = answers(message)
    reference = {"$ref": f"#/components/schemas/{message.__name__}"}
    found[200] = {
        "description": "messages as they happen",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "x-data": reference}},
    }
    return found


_SECURITY: Final[dict[str, Any]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Reading needs no token on the loopback interface, and shows more with one. "
        "Requests that change something need one with the role `operate`.",
    }
}


def describe(app: FastAPI) -> None:
    """Have an application say in its OpenAPI document how tokens are sent and what a problem looks like."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=app.openapi_tags
            )
            components = found.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas["EventMessage"] = EventMessage.model_json_schema()
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)  # problems take their place
            components["securitySchemes"] = _SECURITY
            for methods in found["paths"].values():
                for method, operation in methods.items():
                    operation["security"] = [{"token": []}] if method == "post" else [{}, {"token": []}]
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents it

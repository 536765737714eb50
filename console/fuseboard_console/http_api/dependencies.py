"""What handlers need of a request: the service, and the caller with its role."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from fuseboard_console.http_api.service import RecordingService
from fuseboard_console.http_api.stream import EventStreams
from fuseboard_console.http_server.access import Access, Caller
from fuseboard_console.http_server.problems import Problem

_HOW = "Send the token as `Authorization: Bearer TOKEN`."
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def service_of(request: Request) -> RecordingService:
    """Return the service of the application."""
    service: RecordingService = request.app.state.service
    return service


def streams_of(request: Request) -> EventStreams:
    """Return the streams of the application."""
    streams: EventStreams = request.app.state.streams
    return streams


def reader_of(request: Request) -> Caller:
    """Return who sends a request that reads."""
    access: Access = request.app.state.access
    caller = access.caller(request.headers.get("authorization", ""))
    if caller is None:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Problem(401, "unknown token", f"The token is not known. {_HOW}", challenge)
    if caller.role is None and not access.anybody_reads:
        raise Problem(401, "token needed", f"This request needs a token. {_HOW}", _CHALLENGE)
    return caller


def trusted_reader_of(caller: Annotated[Caller, Depends(reader_of)]) -> Caller:
    """Return who sends a request that reads what only holders of a token may see."""
    if caller.role is None:
        raise Problem(401, "token needed", f"This request needs a token. {_HOW}", _CHALLENGE)
    return caller


def operator_of(caller: Annotated[Caller, Depends(trusted_reader_of)]) -> Caller:
    """Return who sends a request that changes something."""
    if not caller.operates:
        detail = "This token may only read. Use one with the role `operate`."
        raise Problem(403, "token may only read", detail)
    return caller


Streams = Annotated[EventStreams, Depends(streams_of)]
Service = Annotated[RecordingService, Depends(service_of)]
Reader = Annotated[Caller, Depends(reader_of)]
Operator = Annotated[Caller, Depends(operator_of)]

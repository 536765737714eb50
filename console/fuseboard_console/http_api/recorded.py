"""What a recording holds, over HTTP: chains, routes, failures, events, dead letters, runs, the audit, and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse

from fuseboard_console.http_api import responses
from fuseboard_console.http_api.answers import answer
from fuseboard_console.http_api.dependencies import Reader, Service, Streams
from fuseboard_console.http_api.models import (
    AuditPage,
    Chains,
    DeadLetterPage,
    Engines,
    EventMessage,
    EventPage,
    FailurePage,
    Metrics,
    MetricsStep,
    RoutePage,
    RunPage,
)
from fuseboard_console.http_api.openapi import readable, streamed
from fuseboard_console.http_api.service import RecordingService
from fuseboard_console.http_api.stream import Wanted
from fuseboard_console.http_server.problems import Problem
from fuseboard_console.operator.audit import recorded_audit
from fuseboard_console.operator.follow_up import followed_of
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.dead_letters.masking import masked
from fuseboard_console.views.dead_letters.text import dead_letters_json
from fuseboard_console.views.events.audit import audit_fields
from fuseboard_console.views.events.text import event_fields
from fuseboard_console.views.lists.status import chains_json, engines_json, totals_json
from fuseboard_console.views.workflows.text import workflows_json
from fuseboard_engine.dead_letters.letter import ACTIVE, Category, LetterSelection, Status
from fuseboard_engine.events import AttemptFailed, Event, RouteFinished
from fuseboard_storage.board.board import Entry
from fuseboard_storage.recording.event_query import event_filter, microseconds

router = APIRouter(prefix="/api", tags=["recorded"])

MOST_STEPS = 10_000
"""Steps of metrics in one answer."""

Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]
Cursor = Annotated[
    str, Query(max_length=200, description="`next` of the part before; empty for the first part", examples=[""])
]


def _microseconds(value: object) -> int:
    """Return a time of a query as UTC microseconds."""
    try:
        return microseconds(_MOMENT.validate_python(value))
    except ValidationError:
        raise ValueError("a time is UTC microseconds, or has its zone, such as 2026-11-30T02:15:00Z") from None


_MOMENT: Final = TypeAdapter[int | datetime](Annotated[int, Field(ge=-(2**63), lt=2**63)] | AwareDatetime)
Moment = Annotated[
    int | None,
    BeforeValidator(_microseconds),
    Query(description="UTC microseconds, or a time with its zone such as 2026-11-30T02:15:00Z"),
]
Text = Annotated[str, Query(max_length=10_000)]
OptionalText = Annotated[str | None, Query(max_length=10_000)]
Kinds = Annotated[list[str] | None, Query(max_length=50, description="only of these kinds")]


def _number(cursor: str) -> int | None:
    """Return the number in a cursor; None for the first part."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Problem(422, "invalid request", "query.cursor: it is not the `next` of an answer")
    return int(cursor)


@dataclass(frozen=True)
class EventPart:
    """A part of the recorded events, newest first: what a request selects by its query."""

    limit: Limit = 50
    cursor: Cursor = ""
    adapter: OptionalText = None
    task: OptionalText = None
    since: Moment = None
    until: Moment = None

    @property
    def filters(self) -> dict[str, Any]:
        """The arguments of the recording's queries for events."""
        return {
            "task": self.task,
            "since": self.since,
            "until": self.until,
            "before": _number(self.cursor),
        }

    async def read(self, service: RecordingService, kinds: type[Event] | list[str]) -> dict[str, Any]:
        """Return the events of these kinds (empty: of all) and the cursor of the next part."""
        recording = await service.recording()
        try:
            found = await recording.events(
                kinds=kinds, limit=self.limit, newest_first=True, adapter=self.adapter, **self.filters
            )
        except ValueError as error:
            raise _unknown_kind(error) from error
        return {"events": [event_fields(entry) for entry in found], "next": self.next_cursor(found)}

    def next_cursor(self, found: list[Entry]) -> str | None:
        """Return the cursor of the part after these entries; None if there is none."""
        return str(found[-1].seq) if len(found) == self.limit else None


Part = Annotated[EventPart, Depends()]


@router.get("/chains", responses=readable(Chains))
async def chains(request: Request, caller: Reader, service: Service) -> Response:
    """Answer with the chains: how many tasks are answered, by which adapter, and which are skipped."""
    board = await service.board()
    return answer(request, caller, {"chains": chains_json(board, service.time(board))})


@router.get("/engines", responses=readable(Engines))
async def engines(request: Request, caller: Reader, service: Service) -> Response:
    """Answer with the engine instances, and the totals of each engine name over all its processes."""
    board = await service.board()
    now = service.time(board)
    return answer(request, caller, {"engines": engines_json(board, now), "totals": totals_json(board, now)})


@router.get("/failures", responses=readable(FailurePage, 404))
async def failures(request: Request, caller: Reader, service: Service, part: Part) -> Response:
    """Answer with failures, newest first; probes that were too slow are among them."""
    recording = await service.recording()
    found = await recording.failures(part.limit, part.adapter, **part.filters)
    if part.adapter is not None and not found:
        await service.rows(part.adapter)
    shown = [responses.failure(entry) for entry in found if isinstance(entry.event, AttemptFailed)]
    return answer(request, caller, {"failures": shown, "next": part.next_cursor(found)})


@router.get("/routes", responses=readable(RoutePage))
async def routes(request: Request, caller: Reader, service: Service, part: Part) -> Response:
    """Answer with the routes of tasks that ended, newest first, with their attempts; `adapter` is who answered.

    Ordinary successes are kept for a short time only; see the retention of the recording.
    """
    found = await part.read(service, RouteFinished)
    return answer(request, caller, {"routes": found["events"], "next": found["next"]})


@router.get("/events", responses=readable(EventPage))
async def events(request: Request, caller: Reader, service: Service, part: Part, kind: Kinds = None) -> Response:
    """Answer with recorded events, newest first."""
    return answer(request, caller, await part.read(service, kind or []))


@router.get("/events/stream", response_class=StreamingResponse, responses=streamed(EventMessage))
async def stream(
    request: Request,
    caller: Reader,
    service: Service,
    streams: Streams,
    kind: Kinds = None,
    adapter: Annotated[str, Query(max_length=10_000, description="only events that name it")] = "",
) -> Response:
    """Send recorded events as they happen (server-sent events); `Last-Event-ID` resumes after that event.

    Each message has the event's kind as its `event`, and the event as JSON in its `data`. `gap`: some events are no
    longer kept. `replaced`: the file is another recording now.
    """
    try:
        kinds = event_filter(kind or (), None, None, None, None).kinds
    except ValueError as error:
        raise _unknown_kind(error) from error
    streams.check_room()
    await service.recording()  # raises a Problem while the file is missing
    wanted = Wanted(frozenset(kinds), adapter, caller.sees_texts)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    last_id = request.headers.get("last-event-id", "")
    return StreamingResponse(streams.follow(wanted, last_id), media_type="text/event-stream", headers=headers)


@router.get("/dead-letters", responses=readable(DeadLetterPage))
async def dead_letters(
    request: Request,
    caller: Reader,
    service: Service,
    limit: Limit = 50,
    cursor: Cursor = "",
    status: Annotated[list[Status] | None, Query(description="only these; empty: unfinished ones")] = None,
    task_type: Text = "",
    category: Category | Literal[""] = "",
    text: Annotated[str, Query(max_length=10_000, description="in error, task, adapter, payload; needs a token")] = "",
    engine: Text = "",
) -> Response:
    """Answer with dead letters, newest first, without the secrets in their payloads."""
    if text and not caller.sees_texts:
        raise Problem(401, "token needed", "A search in texts needs a token.", {"WWW-Authenticate": "Bearer"})
    below, now = _number(cursor), service.host_time()
    selection = LetterSelection(
        statuses=tuple(status or ACTIVE), task_type=task_type, category=category, text=text, engine=engine
    )
    async with service.dead_letters() as store:
        found = await store.find(selection, now, limit, below)
        figures = await store.statistics(now)
    content = dead_letters_json([masked(one) for one in found], figures, service.file.name)
    content["next"] = str(found[-1].id) if len(found) == limit else None
    return answer(request, caller, content, masked=True)


@router.get("/runs", responses=readable(RunPage))
async def runs(
    request: Request,
    caller: Reader,
    service: Service,
    limit: Limit = 20,
    cursor: Cursor = "",
    run: Annotated[str, Query(max_length=10_000, description="only the run with this id")] = "",
    unfinished: Annotated[bool, Query(description="only runs that can be resumed")] = False,
) -> Response:
    """Answer with saved workflow runs and their nodes, the last changed first. Results need a token."""
    changed, _, id = cursor.partition("-")
    before = (_number(changed) or 0, id) if cursor else None
    recording = await service.recording()
    found = await recording.workflow_runs(
        limit, run=run, unfinished=unfinished, before=before, results=caller.sees_texts
    )
    saved, waiting = await recording.count_workflow_runs()
    content = workflows_json(found, service.file.name, saved, waiting)
    content["next"] = f"{found[-1].changed_at}-{found[-1].run}" if len(found) == limit else None
    return answer(request, caller, content)


@router.get("/audit", responses=readable(AuditPage, 404))
async def audit(
    request: Request,
    caller: Reader,
    service: Service,
    limit: Limit = 50,
    cursor: Cursor = "",
    adapter: OptionalText = None,
    actor: OptionalText = None,
    since: Moment = None,
    until: Moment = None,
) -> Response:
    """Answer with operators' commands, newest first: who, when, what, and what followed."""
    left = _number(cursor)
    recording, board = await service.recording(), await service.board()
    every = await recorded_audit(recording, board, adapter=adapter, actor=actor, since=since, until=until)
    if adapter is not None and not every:
        await service.rows(adapter)
    followed = followed_of(board)
    # The end of the list does not move: a place counted from there stays, whatever is recorded meanwhile.
    first = 0 if left is None else max(0, len(every) - left)
    found = every[first : first + limit]
    rest = len(every) - first - len(found)
    shown = [audit_fields(entry, followed.get((entry.key[0], entry.done_at or 0), ())) for entry in found]
    return answer(request, caller, {"commands": shown, "next": str(rest) if rest > 0 else None})


@router.get("/metrics", responses=readable(Metrics, 404))
async def metrics(
    request: Request,
    caller: Reader,
    service: Service,
    adapter: OptionalText = None,
    since: Moment = None,
    until: Moment = None,
    step: Annotated[float | None, Query(ge=1, le=1e9, allow_inf_nan=False, description="seconds")] = None,
) -> Response:
    """Answer with calls, rates and latencies per adapter, for each step of time or for the whole time."""
    found = await (await service.recording()).metrics(adapter=adapter, since=since, until=until, step=step)
    if adapter is not None and not found:
        await service.rows(adapter)
    if len(found) > MOST_STEPS:
        detail = (
            f"This answer would have {len(found):,} steps; at most {MOST_STEPS:,}. Ask for less time or longer steps."
        )
        raise Problem(422, "invalid request", detail)
    return answer(
        request,
        caller,
        {"metrics": [MetricsStep.model_validate(one, from_attributes=True).model_dump() for one in found]},
    )


def _unknown_kind(error: ValueError) -> Problem:
    return Problem(422, "invalid request", f"query.kind: {safe_text(str(error), 400)}")

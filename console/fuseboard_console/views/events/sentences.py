"""The sentences of events, made safe for the screen."""

from __future__ import annotations

from fuseboard_console.text.safe_text import safe_text
from fuseboard_engine.event_log import sentences
from fuseboard_engine.event_log.text_style import TextStyle
from fuseboard_engine.events import Attempt, Event, RouteFinished
from fuseboard_engine.runtime.ids import short_id

SCREEN_STYLE = TextStyle(
    name=lambda text: safe_text(text, 60), text=lambda text: safe_text(text, 400), arrow="→", short=short_id
)


def event_sentence(event: Event) -> str:
    """Return what an event says, as safe text. Times are local times; durations have their unit."""
    return sentences.sentence_of(event, SCREEN_STYLE)


def route_sentence(route: RouteFinished) -> str:
    """Return a route without its duration: `ai_task #8f20: prefect failed → agno ok`."""
    return sentences.route_text(route, SCREEN_STYLE)


def error_summary(attempt: Attempt, *, narrow: bool = False) -> str:
    """Return what went wrong in one line of safe text: `TimeoutError after 2.0 s`, `ConnectError: refused`.

    `narrow` leaves out the `Error` at the end of the type, so that more of the text fits.
    """
    return sentences.failed_attempt_text(attempt, SCREEN_STYLE, short=narrow)


def verb_text(verb: str) -> str:
    """Return the verb of a command as safe text: `hold open` for `force_open`."""
    return sentences.verb_text(verb, SCREEN_STYLE)

"""The stack of sessions: the recording that the console was opened on, and above it replays and scenarios."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from fuseboard_console.operator.dispatcher import CommandDispatcher, Notify
from fuseboard_console.sources.feed import FEED_ERRORS
from fuseboard_console.sources.session import Controls, Session, Speeds
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_names import EngineNames, engine_names
from fuseboard_console.views.adapters.engine_presence import Connection, connection_to
from fuseboard_console.views.frame.scenario_caption import trouble_text
from fuseboard_console.views.frame.seek_bar import SeekView
from fuseboard_engine.events import ScenarioStep
from fuseboard_storage.board.board import Board
from fuseboard_storage.board.presence import player_of, time_of
from fuseboard_storage.errors import RecordingError

if TYPE_CHECKING:
    from fuseboard_console.sources.replay import Replay


UNREAD: Final = SECOND
"""Microseconds that the time shown may be ahead of the last reading of a live session.

What has not been read yet says nothing: after a pause, or after the console itself stood still, an engine would look
silent that is not.
"""


class SessionStack:
    """Holds the open sessions, a command dispatcher for each, and whether the view of the topmost is paused.

    Args:
        first: the session that the console was opened on. It stays at the bottom, and its opener closes it.
        clock: returns the present, in UTC microseconds.
        show_notice: shows the outcome of a command to the operator.
        key: returns the operator's key for an action, for the sentence that says how to undo it.
        changed: called when another session comes into view.
    """

    def __init__(
        self,
        first: Session,
        clock: Callable[[], int],
        show_notice: Notify,
        key: Callable[[str], str],
        changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._show_notice = show_notice
        self._key = key
        self._changed = changed
        self._sessions = [first]
        self._dispatchers = [self._dispatcher_for(first)]
        self._popped: list[Session] = []
        self._reported: set[Session] = set()  # the sessions whose failure was reported
        self._paused_at: int | None = None
        self._read_at: WeakKeyDictionary[Session, int] = WeakKeyDictionary()  # when each live session was last read
        self._read_at[first] = clock()
        self._scenario_at: tuple[Board | None, int] = (None, 0)  # the newest time shown of a scenario's Board
        self.trouble_below = ""
        """What is wrong with the recording below the scenario in view, as safe text; empty if nothing is."""
        self.unread = True
        """Whether the session in view has not been read since it came into view or was resumed."""
        self.behind = 0
        """The number of events that the paused view does not show yet."""

    def _dispatcher_for(self, session: Session) -> CommandDispatcher:
        def connection(instance: int) -> Connection:
            return connection_to(session.feed.board, instance, time_of(session.feed.board, self._clock()))

        def engines() -> EngineNames:
            return engine_names(session.feed.board)

        return CommandDispatcher(
            session.mailbox, session.file, connection, self._show_notice, self._key, engines,
            board=lambda: session.feed.board, now=self._clock,
        )  # fmt: skip

    # ---------------------------------------------------------------- the topmost session

    @property
    def current(self) -> Session:
        """The session in view."""
        return self._sessions[-1]

    @property
    def dispatcher(self) -> CommandDispatcher:
        """The dispatcher of the session in view."""
        return self._dispatchers[-1]

    @property
    def dispatchers(self) -> tuple[CommandDispatcher, ...]:
        """The dispatchers of all open sessions, the bottom one first."""
        return tuple(self._dispatchers)

    @property
    def at_bottom(self) -> bool:
        """Whether the session in view is the one that the console was opened on."""
        return len(self._sessions) == 1

    @property
    def replay(self) -> Replay | None:
        """The replay in view; None when the session is live."""
        return self.current.replay

    @property
    def speeds(self) -> Speeds | None:
        """The source whose speed the operator changes: the replay or the scenario; None without either."""
        return self.current.replay or self.current.controls

    @property
    def paused(self) -> bool:
        """Whether the view of a live session is paused."""
        return self._paused_at is not None

    @property
    def past(self) -> bool:
        """Whether the view shows anything but the present."""
        return self.paused or self.replay is not None

    def now(self) -> int:
        """Return the time that is shown, in UTC microseconds. It stops while the view is paused."""
        if self.current.replay is not None:
            return self.current.replay.position
        if self._paused_at is not None:
            return self._paused_at
        now = self._clock()
        now = min(now, self._read_at.get(self.current, now) + UNREAD)
        board = self.current.feed.board
        if player_of(board) is None:
            return now
        # The end of a pace is known a moment after it; the time shown never goes back for that.
        self._scenario_at = (board, max(time_of(board, now), self._scenario_at[1] * (self._scenario_at[0] is board)))
        return self._scenario_at[1]

    async def read(self) -> bool:
        """Read what is new in the session in view. Return whether there was something."""
        session, began = self.current, self._clock()
        new = await session.feed.advance()
        self._read_at[session] = began  # what it has come to hold while it was read may not be in it
        if session is self.current:
            self.unread = False
        return bool(new)

    @property
    def scenario(self) -> tuple[str, str] | None:
        """The name of the scenario that plays and its speed, such as `2`; None when none plays."""
        for session in self._sessions[1:]:
            if session.controls is not None:
                return session.file.removesuffix(".db"), f"{session.controls.speed:g}"
        return None

    @property
    def controls(self) -> Controls | None:
        """Steers the scenario in view; None when none is."""
        return self.current.controls

    def unfinished(self, *, bottom: bool) -> ScenarioStep | None:
        """Return the current step of a scenario of this console that has not ended; None if there is none.

        With `bottom`, the session that the console was opened on may be one.
        """
        for session in self._sessions[0 if bottom else 1 :]:
            step = session.feed.board.scenario
            if session.controls is None or step is None or step.ends:
                continue
            if not (session.failure_reason and session.failure_reason()):
                return step
        return None

    async def watch_below(self) -> bool:
        """Read what is new in the live recording below a scenario; return whether `trouble_below` changed."""
        first, before = self._sessions[0], self.trouble_below
        self.trouble_below = ""
        if not self.at_bottom and first.replay is None and self.scenario is not None:
            with suppress(*FEED_ERRORS):
                await first.feed.advance()
            self.trouble_below = trouble_text(
                first.feed.board, first.feed.trouble, first.file, time_of(first.feed.board, self._clock())
            )
        return self.trouble_below != before

    @property
    def seek_view(self) -> SeekView | None:
        """The position of the replay in view, for the seek bar; None when the session is live."""
        replay = self.replay
        if replay is None:
            return None
        back = None
        if not self.at_bottom:
            back = (time_of(self._sessions[-2].feed.board, self._clock()) - replay.position) / SECOND
        return SeekView(replay.position, replay.start, replay.end, replay.speed, replay.playing, back, replay.changes)

    # ---------------------------------------------------------------- changes

    def push(self, session: Session) -> None:
        """Put a session on top."""
        self._sessions.append(session)
        self._read_at[session] = self._clock()
        self._dispatchers.append(self._dispatcher_for(session))
        self._resume()
        self._changed()

    def pop(self) -> None:
        """Remove the topmost session, which `close_popped` closes; do nothing at the bottom."""
        if self.at_bottom:
            return
        self._popped.append(self._sessions.pop())
        self._dispatchers.pop().close()
        self._resume()
        self._changed()

    def toggle_pause(self) -> None:
        """Pause the view of a live session at the present, or resume it."""
        if self._paused_at is None:
            self._paused_at = self.now()
        else:
            self._resume()

    def _resume(self) -> None:
        self._paused_at = None
        self.unread = True
        self.behind = 0

    async def open_replay(self) -> Replay | None:
        """Return the replay in view; from a live session, push a replay of it and return that.

        Returns None after a notice when the session cannot be replayed.
        """
        if self.replay is not None:
            return self.replay
        try:
            replay = await self._rewind()
        except (RecordingError, OSError) as error:
            self._show_notice(safe_text(f"The past cannot be shown now: {error}", 400), "error")
            return None
        if replay is None:
            self._show_notice("There is no file to go back in.", "warning")
            return None
        live = self._key("live")
        self._show_notice(f"This is the past: engines take no commands here. {live} goes back to the present.")
        return replay

    async def span(self) -> tuple[int, int] | None:
        """Return the times that can be shown of the recording in view, in UTC microseconds; None without a file.

        Raises:
            RecordingError, OSError: It cannot be read now.
        """
        if self.replay is not None:
            return self.replay.start, self.replay.end
        recording = self.current.feed.recording
        if recording is None:
            return None
        from fuseboard_storage.recording.history import bounds

        async with type(recording).open(recording.path) as own:  # the one that is followed must not wait for this
            found = await bounds(own)
        return found.start, max(found.end, self.now())

    async def _rewind(self) -> Replay | None:
        """Push a replay of the recording in view, paused at the time that is shown, and return the replay.

        Returns None when the session has no file.

        Raises:
            RecordingError: the recording was replaced, or cannot be read now.
            OSError: the file cannot be opened.
        """
        recording = self.current.feed.recording
        if recording is None:
            return None
        from fuseboard_console.sources.replay import Replay

        closing = AsyncExitStack()
        shown = self.now()
        recording.check_not_replaced()  # a paused view may be of a file that has been replaced
        replay = await closing.enter_async_context(Replay.open(recording.path, at=shown))
        self.push(Session(replay, self.current.file, replay=replay, closing=closing))
        return replay

    # ---------------------------------------------------------------- polling and closing

    async def count_behind(self) -> bool:
        """Count the events that the paused view does not show; return whether the number changed."""
        before = self.behind
        with suppress(*FEED_ERRORS):
            self.behind = await self.current.feed.behind()
        return self.behind != before

    def unreported_failure(self) -> str:
        """Return the failure of the session in view once, when it first has one; else an empty text."""
        session = self.current
        if session.failure_reason is None or session in self._reported:
            return ""
        reason = session.failure_reason()
        if reason:
            self._reported.add(session)
        return reason

    async def close_popped(self) -> None:
        """Close the sessions that were popped. Call it when nothing reads from them."""
        while self._popped:
            await self._popped.pop(0).closing.aclose()

    async def close(self) -> None:
        """Close every session but the one at the bottom."""
        self._popped += reversed(self._sessions[1:])
        await self.close_popped()

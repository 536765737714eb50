"""Where the console looks: live, held still, back in time, or at a scenario; and the way back with one key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from fuseboard_console.app.frame import Showing
from fuseboard_console.operator.dispatcher import CommandDispatcher
from fuseboard_console.sources.session import Session, Speeds
from fuseboard_console.text.formatting import SECOND
from fuseboard_console.text.safe_text import safe_text
from fuseboard_console.views.adapters.engine_presence import Connection, connection_to
from fuseboard_console.views.frame.seek_bar import SeekView, time_at
from fuseboard_console.widgets.header import HeaderBar
from fuseboard_storage.errors import RecordingError

if TYPE_CHECKING:
    from fuseboard_console.sources.replay import Replay

BACK = 10.0
"""Seconds that the keys for back and forward go."""


class Travelling(Showing):
    """The console's way through time and to other recordings, on top of its frames."""

    _places: list[Session]
    _dispatchers: list[CommandDispatcher]
    _left: list[Session]
    _clock: Callable[[], int]
    _paused_at: int | None = None

    @property
    def replay(self) -> Replay | None:
        """The replay that is shown; None: what is shown is live, or held still."""
        return self._place.replay

    @property
    def replayed(self) -> bool:
        """Whether what is shown is a replay."""
        return self._place.replay is not None

    def now(self) -> int:
        """Return the time that is shown, UTC microseconds; it stands while the view is paused."""
        if self._place.replay is not None:
            return self._place.replay.position
        return self._clock() if self._paused_at is None else self._paused_at

    @property
    def still(self) -> bool:
        """Whether the view is held still."""
        return self._paused_at is not None

    @property
    def past(self) -> bool:
        """Whether what is shown is not the present."""
        return self.still or self._place.replay is not None

    # ---------------------------------------------------------------- places

    @property
    def _place(self) -> Session:
        return self._places[-1]

    def _dispatcher_for(self, place: Session) -> CommandDispatcher:
        def connection(instance: int) -> Connection:
            return connection_to(place.feed.board, instance, self._clock())

        return CommandDispatcher(place.mailbox, place.file, connection, self.show_notice, self.key)

    def push_session(self, place: Session) -> None:
        """Show another place; `leave` comes back."""
        self._places.append(place)
        self._dispatchers.append(self._dispatcher_for(place))
        self._arrived()

    def _arrived(self) -> None:
        place = self._place
        self.feed, self._file = place.feed, place.file
        self.dispatcher = self._dispatchers[-1]
        self._paused_at = None
        self._behind = 0
        self._connection = Connection("empty")
        self.clear_notifications()  # what they say is of the place that was left
        self.forget_marks()  # so are they: nobody sees here what they would be done to
        self.show()

    def forget_marks(self) -> None:
        """Take the marks of all pages away."""
        raise NotImplementedError

    def pop_session(self) -> None:
        """Go back to where the console was before."""
        if len(self._places) > 1:
            self._left.append(self._places.pop())
            self._dispatchers.pop().close()
            self._arrived()

    def pop_all_sessions(self) -> None:
        """Go back to where the console was opened; what was started on the way ends."""
        while len(self._places) > 1:
            self.pop_session()

    async def _close_left(self) -> None:
        """Close the places that were left; called when nobody reads from them."""
        while self._left:
            await self._left.pop(0).closing.aclose()

    async def on_unmount(self) -> None:
        """Close every place that the console opened."""
        self._left += reversed(self._places[1:])
        await self._close_left()

    @property
    def playing(self) -> tuple[str, str] | None:
        """The scenario that plays and how fast, such as `×2`; None: none does."""
        for place in self._places[1:]:
            if place.speeds is not None:
                return place.file.removesuffix(".db"), f"{self.glyphs.times}{place.speeds.speed:g}"
        return None

    def action_live(self) -> None:
        """Go back to what happens now, or from a scenario to where it was started."""
        if len(self._places) > 1:
            while len(self.screen_stack) > 1:  # a detail of the past says nothing of the present
                self.pop_screen()
            self.pop_session()
            self.show_notice(f"Back at {self._file}." if self.past or self._place.speeds else "Live again.")
        elif self.still:
            self.action_pause()

    # ---------------------------------------------------------------- time

    def action_pause(self) -> None:
        """Stop the view, or go on."""
        if self.replay is not None:
            self.replay.toggle()
            self.show()
            return
        self._paused_at = self._clock() if self._paused_at is None else None
        self._behind = 0
        self.show()

    async def action_back(self) -> None:
        """Go ten seconds back."""
        await self._replayed(lambda replay: replay.skip(-BACK))

    async def action_forward(self) -> None:
        """Go ten seconds forward."""
        await self._replayed(lambda replay: replay.skip(BACK))

    async def action_previous_event(self) -> None:
        """Go back by one event."""
        await self._replayed(lambda replay: replay.step(-1))

    async def action_next_event(self) -> None:
        """Go on by one event."""
        await self._replayed(lambda replay: replay.step(1))

    async def action_previous_change(self) -> None:
        """Go back to when a breaker last changed its state."""
        await self._replayed(lambda replay: replay.to_change(-1))

    async def action_next_change(self) -> None:
        """Go on to when a breaker next changes its state."""
        await self._replayed(lambda replay: replay.to_change(1))

    async def action_first_event(self) -> None:
        """Go to the beginning of the recording."""
        await self._replayed(lambda replay: replay.to_start())

    def action_faster(self) -> None:
        """Play faster."""
        self._change_speed(lambda speeds: speeds.faster())

    def action_slower(self) -> None:
        """Play slower."""
        self._change_speed(lambda speeds: speeds.slower())

    def _change_speed(self, change: Callable[[Speeds], object]) -> None:
        speeds: Speeds | None = self.replay or self._place.speeds
        if speeds is None:
            self.show_notice(
                f"This is live: it goes as fast as it goes. {self.key('previous_event')} goes back in time."
            )
            return
        change(speeds)
        self.show()

    def _seek_view(self) -> SeekView | None:
        replay = self.replay
        if replay is None:
            return None
        back = None if len(self._places) == 1 else (self._clock() - replay.position) / SECOND
        return SeekView(replay.position, replay.start, replay.end, replay.speed, replay.playing, back, replay.changes)

    async def on_header_bar_clicked(self, event: HeaderBar.Clicked) -> None:
        """Go to the time that was clicked on the bar."""
        view = self._seek_view()
        at = None if view is None else time_at(view, self._seek_bar, event.x)
        if at is not None:
            await self.seek(at)

    async def seek(self, at: int) -> None:
        """Go to a time, UTC microseconds."""
        await self._replayed(lambda replay: replay.seek(at))

    async def _replayed(self, move: Callable[[Replay], Awaitable[object]]) -> None:
        replay = self.replay or await self._rewind()
        if replay is not None:
            await self._travel(lambda: move(replay))

    async def _travel(self, move: Callable[[], Awaitable[object]]) -> None:
        await move()
        self.show()

    async def _rewind(self) -> Replay | None:
        """Leave the present for a replay of the same file, standing still at what was shown."""
        recording = self.feed.recording
        if recording is None:
            self.show_notice("There is no file to go back in.", "warning")
            return None
        from fuseboard_console.sources.replay import Replay

        closing = AsyncExitStack()
        shown = self.now()
        try:
            recording.check_not_replaced()  # held still, the view may be of a file that has been replaced
            replay = await closing.enter_async_context(Replay.open(recording.path, at=shown))
        except (RecordingError, OSError) as error:
            self.show_notice(safe_text(f"There is no way back just now: {error}", 400), "error")
            return None
        self.push_session(Session(replay, self._file, replay=replay, closing=closing))
        key = self.key("live")
        self.show_notice(f"This is the past now. Nothing can be asked of an engine here; {key} goes back to live.")
        return replay

"""A scenario that is played for spectators: at any pace, stopped, from step to step, and again from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

from fuseboard_engine.engine import Engine
from fuseboard_engine.scenario.model import Scenario
from fuseboard_engine.scenario.paced_time import PacedLoop
from fuseboard_engine.scenario.player import Player


class Show:
    """Plays a scenario in the running `PacedLoop`. At its end it waits, with the time stopped, to be played again.

    The methods act at once. Those that move have no effect after the end.

    Args:
        scenario: the scenario.
        recorder: returns what is entered while engines play, such as their recorders. Every repetition is played by
            new engines, so that it begins as the first one did.
    """

    def __init__(
        self,
        scenario: Scenario,
        recorder: Callable[[Sequence[Engine]], AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, PacedLoop):
            raise RuntimeError("a show needs a PacedLoop")
        self._loop = loop
        self._scenario = scenario
        self._recorder = recorder or (lambda engines: nullcontext())
        self._player: Player | None = None  # while it plays
        self._restarted = asyncio.Event()
        self._paused = False  # what was asked for last, also of a player that does not play yet
        self._ended = False

    async def run(self) -> None:
        """Play the scenario, and again after each `restart`, until cancelled."""
        while True:
            await self._play()

    async def _play(self) -> None:
        """Play to the end; return when a restart is asked for."""
        self._restarted.clear()
        self._ended = False
        self._loop.skip_to(0.0)
        self._loop.paused = False
        player = Player(self._scenario, wall=self._loop.wall, announces=True)
        async with self._recorder(player.engines):
            self._player = player
            self._loop.paused = self._paused
            playing = asyncio.create_task(player.play())
            restarted = asyncio.create_task(self._restarted.wait())
            try:
                await asyncio.wait({playing, restarted}, return_when=asyncio.FIRST_COMPLETED)
                self._player = None
                if playing.done() and not self._restarted.is_set():
                    playing.result()
                    self._ended, self._paused = True, False
                    self._loop.paused = True
                    player.announce_end()
                    await restarted
            finally:
                self._player = None
                self._loop.skip_to(0.0)
                self._loop.paused = False  # so that what ends takes its time
                for task in (playing, restarted):
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    await playing
                player.close_breakers()

    def restart(self) -> None:
        """Play from the beginning."""
        self._paused = self._ended = False
        self._restarted.set()

    def pause(self) -> None:
        """Stop the time of the scenario."""
        self._set_paused(True)

    def resume(self) -> None:
        """Let the time of the scenario go on."""
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if self._ended:
            return
        self._paused = paused
        if self._player is not None and not self._restarted.is_set() and self._loop.paused != paused:
            self._loop.paused = paused
            self._player.announce_pace()

    def set_speed(self, speed: float) -> None:
        """Change the pace: `speed` seconds of the scenario per second.

        Raises:
            ValueError: `speed` is not what a `PacedLoop` can do.
        """
        self._loop.speed = speed
        if self._player is not None:
            self._player.announce_pace()

    def next_step(self) -> None:
        """Go to the next step of the timeline, or to the end after the last one; what is between happens at once.

        Called while it is on its way to a step, it goes one step further.
        """
        if self._player is not None and not self._restarted.is_set():
            self._loop.skip_to(self._player.time_of_next_step(self._loop.skips_to))

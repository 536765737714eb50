"""Putting the console aside for the shell it was started from (Ctrl-Z, then `fg`), and coming back whole."""

from __future__ import annotations

import os
import signal
from types import FrameType

from textual.app import App


class Suspending(App[None]):
    """Stops when its terminal is wanted for something else, and paints everything anew when it is back."""

    _aside = False

    def on_mount(self) -> None:
        """Take the signals that stop a program and let it go on from Textual, and hand on what it should know of."""
        self.app_resume_signal.subscribe(self, lambda _: self._paint_anew())
        if self.is_headless or not hasattr(signal, "SIGTSTP"):
            return
        stop, go_on = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)

        def stopped(number: int, frame: FrameType | None) -> None:
            self._aside = True
            if callable(stop):
                stop(number, frame)

        def continued(number: int, frame: FrameType | None) -> None:
            if not self._aside and self._driver is not None:
                # Stopped without a word (SIGSTOP): what it could not put in order then, it does now.
                self._driver.suspend_application_mode()
                self.call_later(self._paint_anew)
            if callable(go_on):
                go_on(number, frame)
            self._aside = False

        signal.signal(signal.SIGTSTP, stopped)
        signal.signal(signal.SIGCONT, continued)

    def _paint_anew(self) -> None:
        self.refresh(layout=True)

    def action_suspend_process(self) -> None:
        """Put the console aside, if there is a shell that can bring it back."""
        if has_shell():
            super().action_suspend_process()
        else:
            self.notify("No shell waits here that could bring the console back.", markup=False)


def has_shell() -> bool:
    """Return whether a shell waits for this process and would notice that it stops."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgid(0)
    except (AttributeError, OSError):  # no such thing on this system; or the parent is gone
        return False

"""Suspending the console to its shell (Ctrl-Z, then `fg`), and repainting it afterwards."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from textual.app import App


def install_suspend_handlers(app: App[Any]) -> None:
    """Repaint the whole screen after a suspension, also after one that Textual did not see (SIGSTOP)."""

    def repaint() -> None:
        app.refresh(layout=True)

    app.app_resume_signal.subscribe(app, lambda _: repaint())
    if app.is_headless or not hasattr(signal, "SIGTSTP"):
        return
    textual_stop, textual_continue = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    suspended = False  # by SIGTSTP, so that Textual has left application mode

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal suspended
        suspended = True
        if callable(textual_stop):
            textual_stop(number, frame)

    def resume(number: int, frame: FrameType | None) -> None:
        nonlocal suspended
        if not suspended and app._driver is not None:
            # After SIGSTOP the terminal was not restored; leave application mode now, before Textual enters it again.
            app._driver.suspend_application_mode()
            app.call_later(repaint)
        if callable(textual_continue):
            textual_continue(number, frame)
        suspended = False

    signal.signal(signal.SIGTSTP, stop)
    signal.signal(signal.SIGCONT, resume)


def has_shell() -> bool:
    """Return whether a shell waits for this process and would notice that it stops."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgid(0)
    except (AttributeError, OSError):  # unsupported on this system; or the parent has gone
        return False

"""Noticing that the terminal is gone, also when no signal tells: the connection was cut, or the window's owner died.

Textual would go on: its input would be at an end again and again, at the cost of a whole core.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

PATIENCE = 5.0
"""Seconds to leave in; then whatever still holds the process is left behind."""
HUNG_UP = 129
"""The exit code of a process that was left behind so: what a shell calls the end by SIGHUP."""


def on_hangup(leave: Callable[[], object]) -> None:
    """Call `leave` in a thread of its own once the other end of the terminal is closed; until then it costs nothing."""
    if hasattr(select, "poll"):
        threading.Thread(target=_wait, args=(leave,), name="fuseboard-hangup", daemon=True).start()


def _wait(leave: Callable[[], object]) -> None:
    poll = select.poll()
    poll.register(0, 0)  # asks for nothing, and is told of the end all the same
    if not any(what & select.POLLHUP for _, what in poll.poll()):
        return  # this system can't tell it of a terminal
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):  # what is still written while leaving must not fail
        os.dup2(nowhere, handle)
    leave()
    time.sleep(PATIENCE)
    os._exit(HUNG_UP)

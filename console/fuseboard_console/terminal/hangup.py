"""Detects that the terminal is gone without a signal, because the connection was cut or its emulator died.

Textual would keep reading the end of its input and use a whole core.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

EXIT_TIMEOUT = 5.0
"""Seconds that the console has to exit; then the process is ended."""
HUNG_UP = 129
"""The exit code after that, which shells use for an end by SIGHUP."""


def on_hangup(exit_console: Callable[[], object]) -> None:
    """Call `exit_console` in its own thread once the other end of the terminal is closed; waiting costs nothing."""
    if hasattr(select, "poll"):
        threading.Thread(target=_wait, args=(exit_console,), name="fuseboard-hangup", daemon=True).start()


def _wait(exit_console: Callable[[], object]) -> None:
    poll = select.poll()
    poll.register(0, 0)  # no events requested; POLLHUP is always reported
    if not any(what & select.POLLHUP for _, what in poll.poll()):
        return  # this system does not report it for terminals
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):  # writes during the exit must not fail
        os.dup2(nowhere, handle)
    exit_console()
    time.sleep(EXIT_TIMEOUT)
    os._exit(HUNG_UP)

"""The command line, interrupted at an exact point: SIGINT arrives at the N-th call of a Python function.

    python interrupted_command.py N ARGUMENT ...

A program that is interrupted after some milliseconds is somewhere else on every machine and in every run.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

left = int(sys.argv.pop(1))


def count(frame: FrameType, event: str, argument: object) -> None:
    """Send SIGINT at the N-th call, and count no more."""
    global left
    if event == "call":
        left -= 1
        if left == 0:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores SIGINT
from fuseboard_console.cli.entry import main  # noqa: E402

sys.setprofile(count)
main()

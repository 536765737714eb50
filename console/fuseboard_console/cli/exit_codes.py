"""What `fuseboard` ends with. Scripts rely on these numbers: they never change their meaning."""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""What was asked was done."""
NOT_DONE: Final = 1
"""It was understood and did not happen: nobody took the command, it was refused, or a check did not hold."""
BAD_INPUT: Final = 2
"""The command line or the file is wrong: unknown adapter, no recording, a newer version. Nothing was changed."""
CANT_WRITE: Final = 74
"""The output could not be written: the disk is full, or the terminal gone. What was asked was done."""
INTERRUPTED: Final = 130
"""Ctrl-C."""
BROKEN_PIPE: Final = 141
"""Whoever read the output stopped reading."""

TABLE: Final = """exit codes:
    0  done
    1  it did not happen: nobody took the command, it was refused, or a check did not hold
    2  the command line or the file is wrong; nothing was changed
   74  the output could not be written, such as on a full disk
  130  stopped by Ctrl-C
  141  whoever read the output stopped reading"""
"""The same, as the help shows it."""

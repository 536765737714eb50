"""Exit codes of `fuseboard`. Scripts rely on them, so their meaning never changes."""

from __future__ import annotations

from typing import Final

OK: Final = 0
"""The request was carried out."""
NOT_DONE: Final = 1
"""The request was valid but not carried out: no engine took the command, it was refused, the recording can be read but
not written, or a check failed.
"""
BAD_INPUT: Final = 2
"""The command line or the file is wrong: an unknown adapter, not a recording, a newer version. Nothing was changed."""
CANT_WRITE: Final = 74
"""The output could not be written: the disk is full, or the terminal gone. The request was carried out."""
INTERRUPTED: Final = 130
"""Ctrl-C, in the console too."""
BROKEN_PIPE: Final = 141
"""The reader of the output closed the pipe."""

TABLE: Final = """exit codes:
    0  done
    1  not done: no engine took the command, it was refused, the file cannot be written, or a check failed
    2  the command line or the file is wrong; nothing was changed
   74  the output could not be written, for example because the disk is full
  130  stopped by Ctrl-C, in the console too
  141  the reader of the output closed the pipe"""
"""The exit codes as the help shows them."""

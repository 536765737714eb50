"""Standard output and standard error of the commands, escaped for the stream's encoding."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def is_dumb() -> bool:
    """Return whether the terminal is declared as one that can only print lines (TERM=dumb)."""
    return os.environ.get("TERM") == "dumb"


def print_out(text: str, end: str = "\n") -> None:
    """Write to standard output; escape characters that its encoding lacks.

    Raises:
        BrokenPipeError: The reader closed the pipe.
        CantWrite: Standard output does not accept the text.
    """
    encoding = sys.stdout.encoding or "utf-8"
    with _writing():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)


def flush_out() -> None:
    """Flush standard output. Raises as `print_out` does."""
    with _writing():
        sys.stdout.flush()


class CantWrite(Exception):
    """Standard output does not accept what is written. The text is the system's reason."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CantWrite(f"{reason[:1].lower()}{reason[1:]}") from error


def complain(text: str) -> None:
    """Write a sentence to standard error; ignore errors in writing."""
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError):
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def discard_output() -> None:
    """Discard further standard output, including what Python flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

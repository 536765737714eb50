"""Standard output and standard error of the commands: escaped for the terminal's encoding, errors in sentences."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def is_dumb() -> bool:
    """Say whether the terminal names itself one that can only print lines."""
    return os.environ.get("TERM") == "dumb"


def print_out(text: str, end: str = "\n") -> None:
    """Write to standard output; what the terminal's encoding lacks is escaped, never an error."""
    encoding = sys.stdout.encoding or "utf-8"
    with _writing():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)


def flush_out() -> None:
    """See that what was written to standard output is out."""
    with _writing():
        sys.stdout.flush()


class CantWrite(Exception):
    """Standard output does not take what is written; the text is the system's reason."""


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
    """Write a sentence to standard error, if that takes one."""
    encoding = sys.stderr.encoding or "utf-8"
    with suppress(OSError):
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write_no_more() -> None:
    """Let what is still to be written go nowhere: Python flushes once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

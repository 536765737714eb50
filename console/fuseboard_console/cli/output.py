"""Standard output and standard error of the commands, escaped for the stream's encoding."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING

from fuseboard_console.cli import exit_codes

if TYPE_CHECKING:
    from fuseboard_storage.errors import RecordingError

MAX_LINE = 4_000
"""Characters of one line of a complaint."""


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
    with writing_out():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)


def print_or_write(text: str, file: str | None, *, like: str = "") -> int:
    """Print a text, or write it to a file; return the exit code. Raises as `print_out` does.

    A file that exists is replaced only if it begins with `like`, as one from before does, or is empty.
    """
    if file is None:
        print_out(text)
        return exit_codes.OK
    from fuseboard_console.text.safe_text import safe_text

    shown = safe_text(file, 200)
    try:
        if _holds_other(Path(file), like):
            complain(f"{shown} exists already{' and has other content' if like else ''}. Choose another name.")
            return exit_codes.BAD_INPUT
        write_whole(Path(file), f"{text}\n")
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        complain(f"{shown} cannot be written: {reason}. Choose another path.")
        return exit_codes.BAD_INPUT
    return exit_codes.OK


def _holds_other(path: Path, like: str) -> bool:
    """Return whether a file holds something that does not begin with `like`. Raises OSError."""
    if not path.is_file() or _is_stream(path):
        return False
    with path.open("rb") as there:
        start = there.read(max(1, len(like)))
    return bool(start) and (not like or start != like.encode())


def _is_stream(path: Path) -> bool:
    """Return whether a path is no file of its own, such as `/dev/stdout`."""
    return not (path.is_file() or not path.exists()) or path.is_relative_to("/dev") or path.is_relative_to("/proc")


def write_whole(path: Path, text: str) -> None:
    """Write a text to a file whose readers see what it was before, or all of the text. Follow links.

    Raises:
        OSError: it cannot be written; it is as before.
    """
    if _is_stream(path):
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))
    part = path.with_name(f".fuseboard-{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8") as output:
            output.write(text)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def flush_out() -> None:
    """Flush standard output. Raises as `print_out` does."""
    with writing_out():
        sys.stdout.flush()


class CantWrite(Exception):
    """Standard output does not accept what is written. The text is the system's reason."""


@contextmanager
def writing_out() -> Iterator[None]:
    """Raise `CantWrite` for an `OSError` of a block that writes to standard output, except for `BrokenPipeError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CantWrite(reason_of(error)) from error


def reason_of(error: OSError) -> str:
    """Return the system's reason for the middle of a sentence: `no space left on device`."""
    reason = error.strerror or str(error)
    return f"{reason[:1].lower()}{reason[1:]}"


def complain_of(error: RecordingError) -> int:
    """Write what is wrong with a recording to standard error; return the exit code for it."""
    from fuseboard_storage.errors import RecordingNotWritable

    complain(str(error))
    return exit_codes.NOT_DONE if isinstance(error, RecordingNotWritable) else exit_codes.BAD_INPUT


def complain(*lines: str) -> None:
    """Write lines to standard error with escapes: what they quote may hold anything. Ignore errors in writing.

    Quoted names and errors are made safe before: in a whole sentence, words such as `token:` would hide the next one.
    """
    from fuseboard_console.text.safe_text import escaped_text

    encoding = sys.stderr.encoding or "utf-8"
    text = "".join(f"{escaped_text(line, MAX_LINE)}\n" for line in lines)
    with suppress(OSError):
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))


def complain_of_document(mistakes: Exception, *files: str) -> None:
    """Write the mistakes of documents, one a line, to standard error. `files` are their names, as they were given."""
    from fuseboard_console.text.safe_text import safe_text

    text = str(mistakes)
    for file in files:
        if file:
            text = text.replace(file, safe_text(file, 500))
    complain(*text.splitlines())


def discard_output() -> None:
    """Discard further standard output, including what Python flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

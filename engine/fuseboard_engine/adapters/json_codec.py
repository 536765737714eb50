"""Conversion of tasks to JSON and of JSON to results, for adapters outside this process."""

from __future__ import annotations

import codecs
import json
from typing import Any

import msgspec

from fuseboard_engine.errors import text_of
from fuseboard_engine.retry.attribution import CallerError


def to_json(task: Any) -> bytes:
    """Return a task as JSON: a `Task` as an object of its fields, any other value as it is.

    Raises:
        CallerError: the task holds a value that JSON cannot represent.
    """
    try:
        return msgspec.json.encode(task)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerError(f"the task cannot be sent as JSON: {text_of(error)}") from error


BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The byte order marks and their encodings; the first that matches is right."""


def decode(data: bytes | bytearray, charset: str | None = None) -> str:
    """Return a text from bytes: by its byte order mark, else by the declared charset, else as UTF-8.

    Bytes that are invalid become U+FFFD; an unknown charset counts as not declared. Never raises.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return bytes(data[len(mark) :]).decode(encoding, "replace")
    try:
        return bytes(data).decode(charset or "utf-8", "replace")
    except (LookupError, UnicodeError):  # not a charset, or one that cannot replace invalid bytes
        return bytes(data).decode("utf-8", "replace")


def from_json(data: bytes | bytearray, charset: str | None = None) -> Any:
    """Return the value of a JSON text; None for an empty text.

    A byte order mark and `charset`, the declared encoding, are respected; UTF-16 and UTF-32 are recognised without.

    Raises:
        ValueError: it is not valid JSON; the message shows how it starts.
    """
    if not data.strip():
        return None
    text: bytes | bytearray | str = data
    if data.startswith(tuple(mark for mark, _ in BOMS)) or (charset and not _is_utf8(charset)):
        text = decode(data, charset)
    elif (encoding := json.detect_encoding(bytes(data[:4]))) != "utf-8":
        text = decode(data, encoding)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            f"the answer is not valid JSON ({text_of(error)}); it starts with {bytes(data[:80])!r}"
        ) from error


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except LookupError:
        return True  # what it means is unknown; JSON is UTF-8

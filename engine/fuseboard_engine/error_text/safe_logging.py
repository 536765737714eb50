"""Loggers whose lines foreign text can neither forge nor fill with secrets."""

from __future__ import annotations

import logging
import numbers
import os
import traceback
from typing import Any

from fuseboard_engine.error_text.redaction import (
    HIDDEN,
    MAX_BYTES,
    cut,
    escape_controls,
    hide_secrets,
    is_secret_name,
    redact,
)

TRACEBACK_FRAMES = 20
"""The innermost frames of a traceback that are logged."""


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name; its records are made safe before any handler gets them.

    In the arguments of a record, secrets are hidden and control characters escaped; so they are in a traceback, except
    for its line breaks. `exc_info` stays, for handlers that read it.
    """
    logger = logging.getLogger(name)
    if _make_safe not in logger.filters:
        logger.addFilter(_make_safe)
    return logger


def _make_safe(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple([_safe(argument) for argument in record.args])
    elif isinstance(record.args, dict):
        record.args = {name: _safe(argument) for name, argument in record.args.items()}
    if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
        lines = traceback.format_exception(*record.exc_info, limit=-TRACEBACK_FRAMES)
        text = cut(hide_secrets("".join(lines)[-2 * MAX_BYTES :].rstrip()))
        record.exc_text = "\n".join(map(escape_controls, text.split("\n")))
    return True


def _safe(argument: Any) -> Any:
    """Return an argument of a log line as one that is safe to print. Numbers stay, for `%d` and `%.3g`."""
    if isinstance(argument, str):
        return argument if argument in _PLAIN else redact(argument)
    if argument is None or isinstance(argument, numbers.Number):
        return argument
    try:
        return redact(os.fsdecode(argument) if isinstance(argument, os.PathLike) else str(argument))
    except Exception:
        return f"({type(argument).__name__} without a readable text)"


_PLAIN = frozenset(("OPENED", "HALF-OPEN", "CLOSED", "success", "failure", "rejected"))  # most frequent arguments


def safe_fields(value: Any) -> Any:
    """Return the structured fields of a record with their secrets hidden and control characters escaped."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            safe_fields(name): HIDDEN if isinstance(name, str) and is_secret_name(name) else safe_fields(item)
            for name, item in value.items()
        }
    return [safe_fields(item) for item in value] if isinstance(value, list | tuple) else value

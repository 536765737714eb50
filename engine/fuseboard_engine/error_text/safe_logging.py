"""Loggers whose lines foreign text can neither forge nor fill with secrets."""

from __future__ import annotations

import logging
import os
import traceback
from typing import Any

from fuseboard_engine.error_text.redaction import MAX_BYTES, cut, escape_controls, hide_secrets, redact

TRACEBACK_FRAMES = 20
"""The innermost frames of a traceback that are logged."""


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name; its records are made safe before any handler gets them.

    In the arguments of a record, secrets are hidden and control characters escaped. A traceback loses its secrets where
    it is formatted; `exc_info` stays, for handlers that read it.
    """
    logger = logging.getLogger(name)
    if _make_safe not in logger.filters:
        logger.addFilter(_make_safe)
    return logger


def _make_safe(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple([_safe(argument) for argument in record.args])
    if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
        lines = traceback.format_exception(*record.exc_info, limit=-TRACEBACK_FRAMES)
        record.exc_text = cut(hide_secrets("".join(lines)[-2 * MAX_BYTES :].rstrip()))
    return True


def _safe(argument: Any) -> Any:
    """Return an argument of a log line as one that is safe to print. Numbers stay, for `%d` and `%.3g`."""
    if isinstance(argument, str):
        return argument if argument in _PLAIN else redact(argument)
    if isinstance(argument, BaseException | os.PathLike):
        try:
            return redact(str(argument))
        except Exception:
            return f"({type(argument).__name__} without a readable text)"
    return argument


_PLAIN = frozenset(("OPENED", "HALF-OPEN", "CLOSED", "success", "failure", "rejected"))  # most frequent arguments


def safe_fields(value: Any) -> Any:
    """Return the structured fields of a record with control characters in their texts escaped."""
    if isinstance(value, str):
        return escape_controls(value)
    if isinstance(value, dict):
        return {safe_fields(name): safe_fields(item) for name, item in value.items()}
    return [safe_fields(item) for item in value] if isinstance(value, list | tuple) else value

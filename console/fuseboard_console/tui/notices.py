"""Notices of a few seconds in the corner of the screen."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.notifications import SeverityLevel

NOTICE_SECONDS = 6
"""How long a notice is shown."""


def show_notice(app: App[Any], text: str, severity: SeverityLevel, seconds: float = NOTICE_SECONDS) -> None:
    """Show a notice of safe text in place of any other: the newest is what the operator waits for."""
    for shown in list(app._notifications):
        app._unnotify(shown, refresh=False)
    app.notify(text, severity=severity, markup=False, timeout=seconds)

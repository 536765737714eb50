"""The operator's identity, as the audit records it."""

from __future__ import annotations

import os
import socket


def actor() -> str:
    """Return `user@host` of the user who runs this process."""
    try:
        import pwd

        user = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        user = os.environ.get("USER") or os.environ.get("USERNAME") or "someone"
    return f"{user}@{socket.gethostname()}"

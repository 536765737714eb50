"""Who sits at this terminal, as the audit names them."""

from __future__ import annotations

import os
import socket


def actor() -> str:
    """Return `user@host` of whoever runs this process."""
    try:
        import pwd

        user = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        user = os.environ.get("USER") or os.environ.get("USERNAME") or "someone"
    return f"{user}@{socket.gethostname()}"

"""Operators' commands in a recording. The documented import path of `fuseboard_storage.tables.commands`."""

from fuseboard_storage.tables.commands import (
    CommandStatus,
    Status,
    claim,
    expire,
    has_pending,
    settle,
    status_of,
)

__all__ = ["CommandStatus", "Status", "claim", "expire", "has_pending", "settle", "status_of"]

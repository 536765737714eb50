"""Commands of operators. The documented import path of `fuseboard_storage.tables.commands`."""

from fuseboard_storage.tables.commands import *  # noqa: F403

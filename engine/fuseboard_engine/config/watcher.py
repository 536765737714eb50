"""Applies a configuration file again whenever it changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from fuseboard_engine.config.loader import load_document, validate_settings
from fuseboard_engine.config.reload import Configurable, refuse
from fuseboard_engine.documents.loader import DocumentError
from fuseboard_engine.error_text.safe_logging import get_logger
from fuseboard_engine.events import ConfigReloaded

log = get_logger("fuseboard.engine")

SETTLING: Final = 0.5
"""Seconds, at most, between the two checks that find a changed file the same."""


def reload_config(
    engine: Configurable, path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None
) -> ConfigReloaded:
    """Read a configuration file again and apply it.

    Returns:
        What has changed. An invalid file changes nothing; the event, which is emitted too, says what is wrong.
    """
    reloaded = _reload(engine, path, environment)
    assert reloaded is not None
    return reloaded


def _reload(
    engine: Configurable,
    path: str | os.PathLike[str],
    environment: Mapping[str, str] | None,
    *,
    only_if_changed: bool = False,
) -> ConfigReloaded | None:
    """Read a file and apply it. With `only_if_changed`, return None for the settings that the engine has."""
    try:
        document = load_document(path, environment=environment)
        settings = validate_settings(document)
    except DocumentError as error:
        return refuse(engine, os.fspath(path), str(error))
    if only_if_changed and settings == engine.settings:
        return None
    return engine.apply(settings, source=os.fspath(path), document=document)


@contextlib.asynccontextmanager
async def watch_config(
    engine: Configurable,
    path: str | os.PathLike[str],
    *,
    interval: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Apply a configuration file whenever it changes, until the block ends.

    A change is applied once two checks in a row find the same file, so that a file that is being written is not read.
    A change since the engine read its settings is applied at once.

    Args:
        engine: the engine to keep up to date.
        path: the file. While it is invalid or missing nothing changes; for an invalid one, the event `ConfigReloaded`
            says why.
        interval: seconds between two checks of the file; default: as the file itself says, else 1.
        environment: as for `load_config`.
    """
    watching = asyncio.create_task(_watch(engine, Path(path), interval, environment), name="fuseboard-config")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(
    engine: Configurable, path: Path, interval: float | None, environment: Mapping[str, str] | None
) -> None:
    applied = seen = _fingerprint(path)
    if applied is not None and engine.settings is not None:  # else it was configured in code
        _apply(engine, path, environment, only_if_changed=True)
    while True:
        configured = 1.0 if engine.settings is None else engine.settings.reload.interval
        pause = configured if interval is None else interval
        await asyncio.sleep(pause if seen == applied else min(pause, SETTLING))
        before, seen = seen, _fingerprint(path)
        if seen is None or seen == applied:  # an editor may replace the file by another
            continue
        if seen == before:
            applied = seen
            _apply(engine, path, environment)


def _apply(
    engine: Configurable, path: Path, environment: Mapping[str, str] | None, *, only_if_changed: bool = False
) -> None:
    try:
        _reload(engine, path, environment, only_if_changed=only_if_changed)
    except Exception:
        log.exception("%s could not be applied; it is tried again when it changes", path)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    """Return modification time, size and inode of a file; None if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

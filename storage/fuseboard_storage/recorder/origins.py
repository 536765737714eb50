"""The instance that each engine of this process continues: the one it was restored from, or recorded as before."""

from __future__ import annotations

import weakref

from fuseboard_storage.tables.instances import InstanceRef

_origins: weakref.WeakKeyDictionary[object, InstanceRef] = weakref.WeakKeyDictionary()


def origin_of(engine: object) -> InstanceRef | None:
    """Return the instance whose state and figures an engine has; None if it has only its own."""
    return _origins.get(engine)


def set_origin(engine: object, instance: InstanceRef) -> None:
    """Record that an engine has the state and figures of an instance."""
    _origins[engine] = instance


def forget_origin(engine: object) -> None:
    """Record that an engine has figures of its own only: in a forked child, whose parent continues."""
    _origins.pop(engine, None)

"""Setting the chain of a task type; the function is a method of `Engine`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fuseboard_engine.events import PreferenceSet

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine


def set_preference(
    engine: Engine, order: Iterable[str], task_type: str = "", *, adaptive: bool = False, restartable: bool = False
) -> None:
    """Set the chain for a task type; an empty type is the default for all others.

    The chain is a list of names, or one name. An adaptive chain is ordered by what was seen of its adapters; the order
    given here decides ties. A restartable one may start its streams over after items were delivered; see
    `stream_with_fallback`.

    Raises:
        UnknownAdapter: a name is not registered.
    """
    names = tuple(engine.registry[name].name for name in ((order,) if isinstance(order, str) else order))
    engine.registry.orders[task_type] = names
    (engine.registry.restartable.add if restartable else engine.registry.restartable.discard)(task_type)
    engine.routing.set_adaptive(task_type, adaptive)
    engine.emit(PreferenceSet(at=engine.wall(), order=names, task_type=task_type, adaptive=adaptive))

"""Make an engine of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuseboard_engine.config.apply import apply
from fuseboard_engine.documents import DocumentError

if TYPE_CHECKING:
    from fuseboard_engine.config.model import Settings
    from fuseboard_engine.engine import Engine


def build(settings: Settings, kind: type[Engine], **options: Any) -> Engine:
    """Return an engine that does what its settings say.

    Args:
        settings: what `load_config` returned.
        kind: `Engine`, or a class derived from it.
        options: what else it takes: table, clock, wall, rng.

    Raises:
        DocumentError: an adapter's target cannot be found; all that cannot are named.
    """
    engine = kind(
        settings.name,
        breaker=settings.breaker,
        retry=settings.retry,
        routing=settings.routing,
        execution=settings.execution,
        health=settings.health_monitoring.policy(),
        dead_letters=settings.dead_letters,
        **{"threads": settings.threads, **options},
    )
    done = apply(engine, settings)
    if not done.ok:
        raise DocumentError(done.problem)
    return engine

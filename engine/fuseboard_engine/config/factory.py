"""Make an engine of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fuseboard_engine.config.loader import validate_settings
from fuseboard_engine.config.reload import apply
from fuseboard_engine.documents.loader import Document, DocumentError

if TYPE_CHECKING:
    from fuseboard_engine.engine import Engine


def build(document: Document, kind: type[Engine], **options: Any) -> Engine:
    """Return an engine that does what a configuration says.

    Args:
        document: what `load_document` returned.
        kind: `Engine`, or a class derived from it.
        options: what else it takes: table, clock, wall, rng.

    Raises:
        DocumentError: something in it is wrong, or something it names cannot be found.
    """
    settings = validate_settings(document)
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
    done = apply(engine, settings, document=document)
    if not done.ok:
        raise DocumentError(done.problem)
    return engine

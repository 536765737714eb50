"""Builds an engine from a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fuseboard_engine.config.loader import validate_settings
from fuseboard_engine.config.reload import Configurable
from fuseboard_engine.config.settings import Settings
from fuseboard_engine.documents.loader import Document, DocumentError

E = TypeVar("E", bound=Configurable)


def build(document: Document, make: Callable[..., E], **options: Any) -> E:
    """Return an engine as a configuration describes it.

    Args:
        document: what `load_document` returned.
        make: `Engine`, or a class derived from it.
        options: its other arguments: table, clock, wall, rng.

    Raises:
        DocumentError: the configuration is invalid, or something it names cannot be found.
    """
    return build_from_settings(validate_settings(document), make, document=document, **options)


def build_from_settings(
    settings: Settings, make: Callable[..., E], *, document: Document | None = None, **options: Any
) -> E:
    """Return an engine as settings describe it.

    Args:
        settings: the settings.
        make: `Engine`, or a class derived from it.
        document: what the settings were read from, so that an error can name the line.
        options: its other arguments: table, clock, wall, rng.

    Raises:
        DocumentError: something that the settings name cannot be found.
    """
    engine = make(
        settings.name,
        breaker=settings.breaker,
        retry=settings.retry,
        routing=settings.routing,
        execution=settings.execution,
        health=settings.health_monitoring.policy(),
        dead_letters=settings.dead_letters,
        **{"threads": settings.threads, "allow_faults": settings.allow_faults, **options},
    )
    applied = engine.apply(settings, document=document)
    if not applied.ok:
        raise DocumentError(applied.problem)
    return engine

"""Dead letters without the secrets in their payloads, as they are shown unless the operator asks for all of it."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from fuseboard_engine.dead_letters.letter import DeadLetter
from fuseboard_engine.error_text.redaction import hide_secrets, hide_secrets_in

MASKED: Final = frozenset(("payload", "context"))
"""The fields that are shown as they are if the operator asks for it."""


def masked(dead_letter: DeadLetter) -> DeadLetter:
    """Return a dead letter with the secrets in its payload, context and texts hidden. Changes nothing stored."""
    context = dead_letter.context
    return msgspec.structs.replace(
        dead_letter,
        payload=mask_payload(dead_letter.payload),
        context=None if context is None else hide_secrets_in(context),
        error=hide_secrets(dead_letter.error),
        detail=hide_secrets(dead_letter.detail),
    )


def mask_payload(payload: str) -> str:
    """Return a payload's JSON with its secrets hidden; other text too."""
    try:
        value = json.loads(payload)
        hidden = hide_secrets_in(value)
        return payload if hidden == value else json.dumps(hidden, ensure_ascii=False)
    except (ValueError, RecursionError):
        return hide_secrets(payload)

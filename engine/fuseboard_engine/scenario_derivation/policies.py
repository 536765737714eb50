"""Recorded policies, as a scenario file says them."""

from __future__ import annotations

from typing import Any

from fuseboard_engine.policy_base import Policy


def differing(kind: type[Policy], policy: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a recorded policy that are not the default; none if this version does not know it."""
    fields = {name: value for name, value in policy.items() if name in kind.model_fields}
    try:
        made = kind(**fields)
    except ValueError:
        return {}
    return made.model_dump(mode="json", exclude_defaults=True)

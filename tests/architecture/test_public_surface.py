"""The public surface is a reviewed file: a change of a name or a signature shows in it."""

from __future__ import annotations

import sys
from difflib import unified_diff

import pytest

import fuseboard
import fuseboard_engine
import fuseboard_storage
from support.public_surface import FILE, lines


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="signatures of the standard library differ by version")
def test_the_public_surface_is_the_reviewed_one() -> None:
    reviewed, now = FILE.read_text(encoding="utf-8").splitlines(), list(lines())
    difference = "\n".join(unified_diff(reviewed, now, "reviewed", "now", lineterm=""))
    assert reviewed == now, f"{difference}\nIf this is wanted: python tests/support/public_surface.py"


def test_fuseboard_offers_what_engine_and_storage_offer() -> None:
    assert set(fuseboard.__all__) == {*fuseboard_engine.__all__, *fuseboard_storage.__all__, "combine"}
    for name in fuseboard.__all__:
        assert getattr(fuseboard, name) is not None
        assert name in dir(fuseboard)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fuseboard.nonsense  # type: ignore[attr-defined]
